"""The command line: what is given arrives, and a mistake costs one line, status 2 and nothing on disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelgan_jax import cli
from pixelgan_jax.errors import InputError
from pixelgan_jax.training import logs, parallel
from tests.command_line import DIGITS, ROOT, SMALL, refused, run

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--config: missing; must be experiments/NAME.py"),
        (["--mode=train"], "--config: missing; must be experiments/NAME.py"),
        (["--config"], "--config: has no value; must be --config=value"),
        (["--config", "--mode=train"], "--config: has no value; must be --config=value"),
        (["--config="], "--config: has no value; must be --config=value"),
        (["--config", ""], "--config: has no value; must be --config=value"),
        (["--config=nosuch.py"], "--config nosuch.py: no such file; must be experiments/NAME.py"),
        ([f"--config={'x' * 5000}"], f"--config {'x' * 5000}: no such file; must be experiments/NAME.py"),
        ([f"--config={ROOT}"], f"--config {ROOT}: is a folder; must be experiments/NAME.py"),
    ],
)
def test_an_experiment_has_to_be_named(capsys, arguments, message):
    assert refused(capsys, *arguments) == f"error: {message}"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("def get_config():\n    return 1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("import nosuchmodule\n", "line 1: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit: 0"),
        ("what is this?\n", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("def get_config(a):\n    pass\n", "TypeError: get_config() missing 1 required positional argument: 'a'"),
        ("raise ValueError('two\\nlines')\n", "line 1: ValueError: two lines"),
        ("x = 1\n", "it has no get_config"),
        ("\0", "SyntaxError: source code string cannot contain null bytes"),
        ("def get_config():\n    return 3\n", "get_config() returns int; must be a ConfigDict"),
        ("def get_config():\n    pass\n", "get_config() returns NoneType; must be a ConfigDict"),
    ],
)
def test_an_experiment_that_does_not_work_is_refused(capsys, program, message):
    Path("mine.py").write_text(program)
    said = refused(capsys, "--config=mine.py")
    if "returns" not in message:
        message += "; must be a Python file whose get_config() works"
    assert said == f"error: --config mine.py: {message}"


def test_an_experiment_may_import_what_lies_beside_it(capsys):
    Path("mine.py").write_text("from beside import width\n\n\ndef get_config():\n    return width\n")
    Path("beside.py").write_text("width = 3\n")
    assert "get_config() returns int; must be a ConfigDict" in refused(capsys, "--config=mine.py")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.model.layrs=2", "config.model.layrs: no such field; the nearest of config.model are layers, "),
        (
            "--config.nosuch.x=1",
            "config.nosuch.x: no such field; must be config.group.field, group one of ",
        ),
        (
            "--config.nosuch=1",
            "config.nosuch: no such field; must be config.group.field, group one of ",
        ),
        (
            "--config.train=3",
            "config.train: no such field; must be config.group.field, group one of ",
        ),
        ("--config.train.steps.x=3", "config.train.steps.x: no such field; must be config.group.field, group one of"),
        ("--config.train.steps", "--config.train.steps: has no value; must be --config.train.steps=value"),
        ("--config.train.steps=", "config.train.steps: '' is not allowed: must be an integer from 1"),
        ("--config.train.steps=abc", "config.train.steps: 'abc' is not allowed: must be an integer from 1"),
        ("--config.train.steps=1.5", "config.train.steps: 1.5 is not allowed: must be an integer from 1"),
        ("--config.train.steps=1or 2", "config.train.steps: '1or 2' is not allowed: must be an integer from 1"),
        ("--config.train.steps=true", "config.train.steps: True is not allowed: must be an integer from 1"),
        ("--config.train.steps=0", "config.train.steps: 0 is not allowed: must be an integer from 1"),
        ("--config.train.steps=" + "9" * 5000, "config.train.steps: '999"),
        ("--config.train.steps=" + "(" * 5000, "config.train.steps: '((("),
        ("--config.optim.ema=nan", "config.optim.ema: 'nan' is not allowed: must be a number from 0 to below 1"),
        ("--config.model.encoder_batch_norm=1", "config.model.encoder_batch_norm: 1 is not allowed: must be True or"),
        ("--config.prior.name=foo", "config.prior.name: 'foo' is not allowed: must be one of none, gaussian, "),
        ("--config.model.encoder_channels=3", "config.model.encoder_channels: 3 is not allowed: must be a tuple of 1"),
        ("--config.model.encoder_channels=(a,)", "config.model.encoder_channels: '(a,)' is not allowed: must be a tup"),
        ("--config.data.labels=2000", "config.data.labels: 2000 is not allowed: must be 0 or a multiple of 10, at mo"),
        ("--config.data.validation=1397", "config.data.validation: 1397 is not allowed: must be from 1 to 1396"),
        ("--config.data.name=cat.png", "config.data.name: 'cat.png': no such file or folder; must be "),
        ("--config.data.name=./nosuch", "config.data.name: './nosuch': no such file or folder; must be "),
        ("--config.train.batch_size=9", "config.train.batch_size: 9 is not allowed: must be a multiple of the 8 devi"),
        ("--nosuch=1", "--nosuch=1: no such flag; must be --config, --mode, --workdir, --input, --output, "),
        (
            "stray",
            "stray: no such flag; must be --config, --mode, --workdir, --input, --output, --weights, --step, --c",
        ),
        ("--mode=draw", "--mode draw: must be one of train, evaluate, sample, predict, export, table, figure"),
        ("--mode", "--mode: has no value; must be --mode=value"),
        ("--step=3", "--step: must be given with --mode predict or export alone"),
        ("--workdir=", "--workdir: has no value; must be --workdir=value"),
        ("--mode=evaluate", "runs/digits: holds no checkpoint; must be the workdir of a training run"),
        ("--mode=sample", "runs/digits: holds no checkpoint; must be the workdir of a training run"),
        (f"--workdir={DIGITS}", f"--workdir {DIGITS}: File exists; must be a writable folder"),
        (f"--workdir={DIGITS}/x/y", f"--workdir {DIGITS}/x/y: Not a directory; must be a writable folder"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(capsys, argument, message):
    said = refused(capsys, "--config", DIGITS, argument)
    assert said.startswith(f"error: {message}") and len(said) < 400


def test_replicates_of_what_cannot_be_read_leave_no_folder(capsys, tmp_path):
    missing = f"--config.data.name={tmp_path}/missing"
    workdir = tmp_path / "a" / "b"
    said = refused(capsys, "--config", DIGITS, missing, "--config.train.replicates=2", f"--workdir={workdir}")
    assert said.startswith("error: config.data.name: ") and not workdir.parent.exists()


def test_what_is_given_arrives():
    arguments = ["--config", DIGITS, "--config.train.steps", "7", "--config.optim.clip=1", "--config.data.dir=5"]
    arguments += ["--config.model.encoder_channels=(16, 32)", "--config.model.encoder_batch_norm=false"]
    arguments += ["--config.train.steps=8", "--mode", "sample", "--config.optim.momentum=.5"]
    command = cli.parse(arguments)
    assert (command.experiment, command.mode, command.workdir) == ("digits", "sample", Path("runs/digits"))
    config = command.config
    assert (config.train.steps, config.optim.clip, config.optim.momentum) == (8, 1.0, 0.5)
    assert config.data.dir == "5"
    assert config.model.encoder_channels == (16, 32)
    assert config.model.encoder_batch_norm is False
    assert cli.parse([f"--config={DIGITS}", "--workdir=a/b"])[2:4] == ("train", Path("a/b"))
    assert cli.parse([f"--config={DIGITS}", "--config.train.steps=1e4"]).config.train.steps == 10_000
    assert cli.parse([f"--config={DIGITS}", "--workdir=~/a"]).workdir == Path.home() / "a"
    with pytest.raises(InputError, match="^config.train.seed: -1 is not allowed"):
        cli.parse([f"--config={DIGITS}", "--config.train.seed", "-1"])


@pytest.mark.parametrize("arguments", [["--help"], ["--helpfull"], ["-h"], ["--config=nosuch.py", "--help"]])
def test_help_explains_the_flags(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert out.startswith("usage: python -m pixelgan_jax.main --config experiments/NAME.py")
    assert out.count("--config.train.steps=1000\n      of the whole run; an integer from 1") == 1


def test_help_may_be_cut_short():
    command = f"{sys.executable} -m pixelgan_jax.main --help | head -n 1"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: ") and done.stderr == ""


def test_a_run_that_diverges_says_where_and_ends_with_status_1(capsys, tmp_path):
    arguments = ["--config", DIGITS, *SMALL, "--config.optim.reconstruction_rate=1e30", "--config.train.steps=9"]
    status, _, err = run(capsys, *arguments, f"--workdir={tmp_path / 'run'}")
    assert status == 1
    last = err.splitlines()[-1]
    assert last.startswith("stopped: step 2: reconstruction phase: reconstruction_"), last
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_file_of_errors_gets_a_line_a_log_point_and_no_bar(capsys, tmp_path):
    """SMALL logs the first step and the last."""
    status, _, err = run(capsys, "--config", DIGITS, *SMALL, f"--workdir={tmp_path / 'run'}")
    assert status == 0
    lines = [line for line in err.splitlines() if line.startswith("step ")]
    assert [line.split(":")[0] for line in lines] == [f"step {row['step']}/3" for row in logs.read(tmp_path / "run")]
    assert all("images/s" in line for line in lines) and "step/s" not in err and "\r" not in err


@pytest.mark.parametrize("backend", ["module://nobody_has_this.backend", "TkAgg"])
def test_the_backend_that_a_notebook_asks_for_need_not_be_there(backend):
    """Pictures are drawn all the same, without one."""
    program = (
        "from pixelgan_jax.report import plots; import numpy as np;"
        " print(len(plots.code_map(np.eye(2), None, ('a', 'b'), True)))"
    )
    environment = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 5000, done.stderr


def test_a_containers_limit_counts_as_its_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "CGROUP_LIMITS", ())
    whole = parallel.machine_memory()
    for text, limit in (("max\n", whole), (f"{whole // 2}\n", whole // 2), (f"{2 * whole}\n", whole)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(parallel, "CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
        assert parallel.machine_memory() <= limit
        assert text.startswith("max") or parallel.machine_memory() == limit


def test_a_batch_that_no_memory_holds_is_refused_before_a_step(capsys, monkeypatch):
    with monkeypatch.context() as small:
        small.setattr(parallel, "_device_memory", lambda mesh: 100_000)  # the images are in it
        status, _, err = run(capsys, "--config", DIGITS, *SMALL)
    assert status == 2
    assert "error: config.train.batch_size: 16 is not allowed: must be smaller" in err.splitlines()[-1]
    status, _, _ = run(capsys, "--config", DIGITS, *SMALL)  # what the refused one left behind is in nobody's way
    assert status == 0


def test_images_that_no_device_holds_are_refused_before_they_are_sent(capsys, monkeypatch):
    monkeypatch.setattr(parallel, "_device_memory", lambda mesh: 50_000)  # of 1,197 images of 64 bytes
    status, _, err = run(capsys, "--config", DIGITS, *SMALL)
    told = "take 7.66e-05 GB of a device's 5e-05; must be fewer or smaller"
    assert status == 2 and err.splitlines()[-1] == f"error: config.data.name: 1,197 training images {told}"
