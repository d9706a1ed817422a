"""The command line in this process, on a model that compiles in a second."""

from pathlib import Path

from pixelgan_jax import cli

ROOT = Path(__file__).resolve().parents[1]
DIGITS = str(ROOT / "experiments" / "digits.py")
# a decoder alone: little to compile
SMALL = [
    *("--config.prior.name=none", "--config.data.labels=0", "--config.model.channels=4", "--config.model.layers=0"),
    *("--config.train.batch_size=16", "--config.train.steps=3", "--config.train.log_every=2"),
    "--config.sample.count=4",
]


def contents(folder):
    """Every file below the folder, with what is in it."""
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def run(capsys, *arguments):
    """(status, stdout, stderr) of a command line."""
    status = cli.run_command([str(argument) for argument in arguments])
    return status, *capsys.readouterr()


def refused(capsys, *arguments, status=2):
    """The one line on stderr of a command line that fails; it leaves the current folder as it was."""
    before = contents(".")
    result, out, err = run(capsys, *arguments)
    assert (result, out) == (status, "")
    assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1, err
    assert contents(".") == before
    return err.strip()
