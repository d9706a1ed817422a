"""The command line: every mode does its work, and a mistake costs one line, status 2 and nothing on disk."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pixelgan_jax import cli, load
from pixelgan_jax.data import sources
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training import logs, parallel, workdir
from tests.data.test_image_folder import write_pictures

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


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--config: missing; must be experiments/NAME.py"),
        (["--mode=train"], "--config: missing; must be experiments/NAME.py"),
        (["--config"], "--config: has no value; must be --config=value"),
        (["--config", "--mode=train"], "--config: has no value; must be --config=value"),
        (["--config="], "--config: has no value; must be --config=value"),
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
            "stray: no such flag; must be --config, --mode, --workdir, --input, --output, --weights, --coordinator_",
        ),
        ("--mode=draw", "--mode draw: must be one of train, evaluate, sample, predict, export, table, figure"),
        ("--mode", "--mode: has no value; must be --mode=value"),
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
    assert "--config.train.steps=1000\n      of the whole run; an integer from 1" in out


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workdir of a run that is done."""
    folder = tmp_path_factory.mktemp("main") / "run"
    assert cli.run_command(["--config", DIGITS, *SMALL, f"--workdir={folder}"]) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it to work on, and the command line for it."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run", ["--config", DIGITS, *SMALL, f"--workdir={tmp_path / 'run'}"]


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


def test_training_leaves_everything_behind(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        *("checkpoints", "config.json", "metrics.jsonl", "results.json", "explore.html", "report.html", "samples"),
        "tensorboard",
    }
    saved = json.loads((finished / "config.json").read_text())
    assert saved.pop("experiment") == "digits"
    assert from_dict(saved).train.steps == 3
    assert json.loads((finished / "results.json").read_text())["step"] == 3


def test_a_finished_run_resumes_at_its_end_and_shows_no_empty_bar(capsys, copied):
    folder, arguments = copied
    logged = (folder / "metrics.jsonl").read_bytes()
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "resumed from step 3\n" in out
    assert (folder / "metrics.jsonl").read_bytes() == logged


def test_a_run_goes_on_in_other_arithmetic_with_more_steps_a_call(capsys, copied):
    folder, arguments = copied
    before = (folder / "metrics.jsonl").read_text().splitlines()
    changed = ["--config.train.steps=8", "--config.train.dtype=bfloat16", "--config.train.steps_per_call=2"]
    status, out, _ = run(capsys, *arguments, *changed, "--config.train.log_every=2")
    assert status == 0 and "resumed from step 3\ntrain.steps: 3 before, " in out
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[: len(before)] == [json.loads(line) for line in before]
    assert [row["step"] for row in rows[len(before) :]] == [4, 6, 8]
    results = json.loads((folder / "results.json").read_text())
    assert (results["step"], results["config"]["train"]["dtype"]) == (8, "bfloat16")
    assert json.loads((folder / "config.json").read_text())["train"]["steps_per_call"] == 2
    assert load(folder).config.train.steps == 8  # what the checkpoint says, too


def test_evaluate_and_sample_rewrite_what_is_theirs(capsys, copied):
    folder, arguments = copied
    results = json.loads((folder / "results.json").read_text())
    pictures = contents(folder / "samples")
    (folder / "results.json").unlink()
    shutil.rmtree(folder / "samples")
    assert run(capsys, *arguments, "--mode=sample")[::2] == (0, "")
    assert contents(folder / "samples") == {path: pictures[path] for path in contents(folder / "samples")}
    assert folder / "samples" / "prior.png" in contents(folder / "samples")
    assert run(capsys, *arguments, "--mode=evaluate")[::2] == (0, "")
    again = json.loads((folder / "results.json").read_text())
    assert (again["test"], again["validation"]) == (results["test"], results["validation"])


def test_a_run_that_was_stopped_before_its_results_logs_them_when_it_goes_on(capsys, copied):
    folder, arguments = copied

    def logged():
        return sum(content.count(b"_hparams_/experiment") for content in contents(folder / "tensorboard").values())

    before = logged()
    (folder / "results.json").unlink()
    for _ in range(2):  # the second time they are there
        assert run(capsys, *arguments)[0] == 0
        assert logged() == before + 1


@pytest.mark.parametrize("mode", cli.run.MODES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--config.model.layers=1", "config.model.layers: 1 differs from the checkpoint's 0; must be the same"),
        ("--config.optim.ema=0.5", "config.optim.ema: 0.5 differs from the checkpoint's 0.999; must be the same"),
        ("--config.data.seed=1", "config.data.seed: 1 differs from the checkpoint's 0; must be the same"),
        (
            f"--config={ROOT / 'experiments' / 'mnist_pixelcnn.py'}",
            "--workdir ../run: belongs to experiment 'digits'; must be",
        ),
    ],
)
def test_a_workdir_of_something_else_is_refused_and_left_alone(capsys, copied, mode, change, message):
    folder, arguments = copied
    before = contents(folder)
    said = refused(capsys, *arguments, "--workdir=../run", change, f"--mode={mode}")
    assert said.startswith(f"error: {message}")
    assert contents(folder) == before


@pytest.mark.parametrize("mode", cli.run.MODES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data._replace(names=("null", *data.names[1:])), "class 'null' differs from the checkpoint's '0'"),
        (lambda data: data._replace(names=data.names[:9]), "class None differs from the checkpoint's '9'"),
        (
            lambda data: data._replace(train=data.train.at(slice(1, None))),
            "1,196 training images differ from the checkpoint's 1,197",
        ),
    ],
)
def test_other_data_than_the_checkpoints_are_refused(capsys, copied, monkeypatch, mode, change, message):
    """As of a folder in which something was renamed, or of which the splits would be drawn anew."""
    folder, arguments = copied
    before, read = contents(folder), sources.load
    monkeypatch.setattr(sources, "load", lambda asked: change(read(asked)))
    said = refused(capsys, *arguments, f"--mode={mode}")
    assert said == f"error: config.data.name: {message}; must be the same to go on in {folder}"
    assert contents(folder) == before


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_as_many_other_training_images_are_told_of(capsys, copied, monkeypatch, mode):
    """As of other files under the same name, or the same from another place in another order: the splits are others."""
    folder, arguments = copied
    told = "the training images, or their order, are not those that the checkpoint's training began with"

    def said(*more):
        assert cli.run_command([*arguments, f"--mode={mode}", *more]) == 0
        return told in capsys.readouterr().out, told in (folder / "results.json").read_text()

    def reordered(asked):
        data = read(asked)
        return data._replace(train=data.train.at(np.roll(np.arange(data.train.labels.size), 1)))

    assert said() == (False, False)
    read = sources.load
    monkeypatch.setattr(sources, "load", reordered)
    assert said(*(["--config.train.steps=5"] if mode == "train" else [])) == (True, True)
    if mode == "train":  # what it goes on with and saves is not what it began with
        monkeypatch.setattr(sources, "load", read)
        assert said("--config.train.steps=5") == (False, False)


@pytest.mark.parametrize("mode", [*cli.run.MODES, "export"])
def test_one_run_and_replicates_are_not_taken_for_each_other(capsys, copied, mode):
    folder, arguments = copied
    if mode != "export":
        said = refused(capsys, *arguments, "--config.train.replicates=2", f"--mode={mode}")
        assert said.startswith(f"error: --workdir {folder}: holds one run; must be another folder for 2 replicates, or")
    (folder / "seed_7").mkdir()
    (folder / "checkpoints").rename(folder / "seed_7" / "checkpoints")
    said = refused(capsys, *arguments, f"--mode={mode}")
    assert f"{folder}: holds replicates; must be " in said and said.endswith(f"one of them, as {folder / 'seed_7'}")


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
@pytest.mark.parametrize("replicates", [1, 2])
@pytest.mark.parametrize("mode", cli.run.MODES)
def test_a_workdir_in_use_is_refused_and_left_alone_but_may_be_read(capsys, copied, mode, replicates):
    folder, arguments = copied
    read = folder
    if replicates == 2:
        read = folder / "seed_0"
        read.mkdir()
        (folder / "checkpoints").rename(read / "checkpoints")
    arguments = [*arguments, f"--config.train.replicates={replicates}", f"--mode={mode}"]
    with workdir.lock(folder):
        before = contents(folder)
        said = refused(capsys, *arguments)
        assert contents(folder) == before
        assert load(read).step == 3
    assert said.startswith(f"error: --workdir {folder}: in use by process {os.getpid()} on ")


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_replicate_in_use_is_refused(capsys, copied):
    folder, arguments = copied
    shutil.rmtree(folder / "checkpoints")
    with workdir.lock(folder / "seed_0"):
        status, _, err = run(capsys, *arguments, "--config.train.replicates=2")
    assert status == 2
    assert err.startswith(f"error: --workdir {folder / 'seed_0'}: in use by process {os.getpid()} on ")


def test_what_cannot_be_written_is_one_line_that_names_the_path_and_status_1(capsys, copied):
    folder, arguments = copied
    (folder / "results.json").unlink()
    (folder / "results.json").mkdir()
    status, _, err = run(capsys, *arguments, "--mode=evaluate")
    assert (status, err.count("\n")) == (1, 1)
    assert err == f"error: {folder / 'results.json'}: Is a directory\n"
    assert os.listdir(folder / "results.json") == []


def test_a_containers_limit_counts_as_its_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "CGROUP_LIMITS", ())
    whole = parallel.machine_memory()
    for text, limit in (("max\n", whole), (f"{whole // 2}\n", whole // 2), (f"{2 * whole}\n", whole)):
        (tmp_path / "memory.max").write_text(text)
        monkeypatch.setattr(parallel, "CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
        assert parallel.machine_memory() <= limit
        assert text.startswith("max") or parallel.machine_memory() == limit


def test_a_batch_that_no_memory_holds_is_refused_before_a_step(capsys):
    batch = 4_000_000
    status, _, err = run(
        capsys, "--config", DIGITS, *SMALL, f"--config.train.batch_size={batch}", "--config.model.channels=512"
    )
    assert status == 2
    assert f"error: config.train.batch_size: {batch} is not allowed: must be smaller" in err.splitlines()[-1]
    status, _, _ = run(capsys, "--config", DIGITS, *SMALL)  # what the refused one left behind is in nobody's way
    assert status == 0


def test_images_that_no_device_holds_are_refused_before_they_are_sent(capsys, monkeypatch):
    monkeypatch.setattr(parallel, "_device_memory", lambda mesh: 50_000)  # of 1,197 images of 64 bytes
    status, _, err = run(capsys, "--config", DIGITS, *SMALL)
    told = "take 7.66e-05 GB of a device's 5e-05; must be fewer or smaller"
    assert status == 2 and err.splitlines()[-1] == f"error: config.data.name: 1,197 training images {told}"


NARROW = [
    *("--config.model.channels=4", "--config.model.layers=0", "--config.model.encoder_channels=(4,)"),
    *("--config.model.encoder_units=8", "--config.model.discriminator_units=(8,)", "--config.train.batch_size=8"),
    *("--config.train.steps=2", "--config.sample.count=4", "--config.data.validation=8"),
]


def test_pictures_without_labels_go_from_the_folder_to_the_report(capsys, tmp_path):
    """A category's meaning is then nobody's to say: its clusters are counted, and everything else is there."""
    images = np.random.RandomState(0).randint(0, 256, (40, 6, 6), dtype=np.uint8)
    write_pictures(tmp_path / "mine", images, np.zeros(40, int), [""])
    told = ["--config", DIGITS, *NARROW, "--config.data.labels=0", f"--config.data.name={tmp_path / 'mine'}"]
    status, out, err = run(capsys, *told, f"--workdir={tmp_path / 'run'}")
    assert status == 0 and "24 training images (0 labelled); 8 validation, 8 test" in out, err
    test = json.loads((tmp_path / "run/results.json").read_text())["test"]
    assert "clusters_used" in test and "negative_elbo_nats" in test and not any("error" in key for key in test)
    assert "importance_weighted_nats" not in test
    assert (tmp_path / "run/report.html").exists() and (tmp_path / "run/samples/clusters.png").exists()
    told += [f"--workdir={tmp_path / 'run'}", "--mode=evaluate", "--config.train.importance_draws=1"]
    assert run(capsys, *told)[0] == 0  # what the run was trained without
    weighed = json.loads((tmp_path / "run/results.json").read_text())["test"]
    assert weighed.pop("importance_weighted_nats") > 0 and weighed == test
    assert "importance-weighted" in (tmp_path / "run/report.html").read_text()


def test_names_and_warnings_go_from_the_data_to_the_report_and_to_python(capsys, tmp_path):
    """Two classes by name, of nearly black pictures of several sizes, all of which are resized."""
    images = np.random.RandomState(0).randint(0, 17, (40, 9, 9), dtype=np.uint8)
    write_pictures(tmp_path / "mine", images, np.arange(40) % 2, ["cat", "dog"])
    told = ["--config", DIGITS, *NARROW, "--config.data.labels=4", "--config.prior.categories=2"]
    told += ["--config.data.side=6", f"--config.data.name={tmp_path / 'mine'}", f"--workdir={tmp_path / 'run'}"]
    status, out, err = run(capsys, *told)
    assert status == 0, err
    page, warnings = (tmp_path / "run/report.html").read_text(), json.loads((tmp_path / "run/results.json").read_text())
    for note in ("resized to 6×6", "the largest pixel is "):
        assert note in out and note in page and any(note in warning for warning in warnings["warnings"])
    found = load(tmp_path / "run").classify(np.zeros((3, 6, 6), np.uint8))
    assert set(found) <= {"cat", "dog"}
