"""python -m pixelgan_jax.main --config experiments/NAME.py: flags and dispatch, nothing else."""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pixelgan_jax import loop, run
from pixelgan_jax.config import Config, from_dict
from pixelgan_jax.errors import InputError

MODES = ("train", "evaluate", "sample")


def parse(arguments: list[str]) -> tuple[str, Config, str, Path]:
    """(experiment, config, mode, workdir) of a command line; InputError for whatever is wrong with it."""
    found = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "experiments/NAME.py", flag_values=found)
    flags.DEFINE_enum("mode", "train", MODES, "what to do", flag_values=found)
    flags.DEFINE_string("workdir", None, "where everything is kept; default runs/NAME", flag_values=found)
    path = _config_path(arguments)
    if not path.is_file():
        raise InputError(f"--config {path}: no such file; must be experiments/NAME.py")
    sys.path.insert(0, str(path.resolve().parent.parent))  # so that an experiment finds experiments.base
    try:
        rest = found(["pixelgan_jax.main", *arguments])[1:]
        values = found.config
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(_one_line(error)) from None
    finally:
        sys.path.pop(0)
    if rest:
        raise InputError(f"{rest[0]!r}: not a flag; must be --config, --mode, --workdir or --config.group.field=value")
    experiment = path.stem
    workdir = Path(found.workdir if found.workdir is not None else Path("runs") / experiment)
    return experiment, from_dict(values), found.mode, workdir


def _config_path(arguments: list[str]) -> Path:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "config":
            if not equals and index + 1 < len(arguments):
                value = arguments[index + 1]
            return Path(value)
    raise InputError("--config: missing; must be experiments/NAME.py")


def _one_line(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())


def main(arguments: list[str]) -> int:
    """Runs one command line and returns its exit status."""
    try:
        experiment, config, mode, workdir = parse(arguments)
        try:
            made = run.start(experiment, config, workdir)
            getattr(run, mode)(made)
        except loop.Interrupted as interrupted:
            print(f"{interrupted}: saved; the same command resumes", file=sys.stderr)
            return 128 + interrupted.number
        except loop.Diverged as diverged:
            print(f"stopped: {diverged}", file=sys.stderr)
            return 1
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
