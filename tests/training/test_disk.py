"""A full disk, a read-only folder and one that vanishes, while saving, logging or reporting: real ones.

The error names the path, what was saved stays, and the next start goes on from it.
"""

import os
import shutil
import subprocess
from functools import partial

import pytest

from pixelgan_jax import cli
from pixelgan_jax.commands import modes
from pixelgan_jax.training import logs
from pixelgan_jax.training.checkpoint import Checkpoints
from tests import brief
from tests.command_line import DIGITS, SMALL, contents

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of tensorstore's threads


def mount(folder, options):
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")


def unmount(folder):
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    mount(folder, "size=8m")
    yield folder
    unmount(folder)


@pytest.fixture
def place(request, small_disk):
    """An empty workdir on the small disk."""
    folder = small_disk / "run"
    folder.mkdir()
    yield folder
    if os.path.ismount(folder):  # the test has failed
        unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)
    (small_disk / "filler").unlink(missing_ok=True)


def fill(folder):
    """Fills the disk to its last byte."""
    with open(folder.parent / "filler", "wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


FAULTS = {
    "full": (fill, lambda folder: (folder.parent / "filler").unlink(), "No space left on device"),
    "read-only": (partial(mount, options="ro"), unmount, "Read-only file system"),
    "vanished": (shutil.rmtree, lambda folder: None, "No such file or directory"),
}


def before(patch, owner, name, number, happens):
    """`happens`, given what the method is of, just before the call of that number of owner.name; counted from 1."""
    real, calls = getattr(owner, name), []

    def wrapped(*given):
        calls.append(given)
        if len(calls) == number:
            happens(given[0])
        return real(*given)

    patch.setattr(owner, name, wrapped)


@pytest.mark.parametrize(
    ("fault", "owner", "name"),
    [*((fault, Checkpoints, "save") for fault in FAULTS), ("full", logs.Log, "scalars")],
)
def test_while_training_what_was_saved_stays_and_the_next_start_goes_on(place, monkeypatch, fault, owner, name):
    make, mend, reason = FAULTS[fault]
    made = brief.plain(train={"steps": 8, "checkpoint_every": 2, "log_every": 2})
    number = 3 if name == "save" else 4  # at step 6: the first step is logged, too
    # the empty read-only folder that is mounted over the workdir hides checkpoints/, which may be missed first
    reasons = f"{reason}|NOT_FOUND|No such file or directory"
    with monkeypatch.context() as patch, pytest.raises(OSError, match=reasons) as caught:
        before(patch, owner, name, number, lambda given: (given.wait() if name == "save" else None, make(place)))
        brief.train(place, made)
    assert caught.value.filename.startswith(str(place))
    mend(place)
    with Checkpoints(place, read_only=True) as checkpoints:
        kept = checkpoints.steps()
    # the save of step 4 has ended before step 6's, but may be under way when that is logged
    assert kept in ([[]] if fault == "vanished" else [[2], [2, 4]])
    saved = [contents(place / "checkpoints" / str(step)) for step in kept]
    resumed = []
    state, _ = brief.train(place, made, change=lambda state: resumed.append(int(state.step)) or state)
    assert resumed == (kept[-1:] or [0]) and int(state.step) == 8
    if 4 in kept:  # else 2 is no longer among the newest three
        assert saved[1] == contents(place / "checkpoints" / "4")
    assert [row["step"] for row in logs.read(place)] == [1, 2, 4, 6, 8]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert cli.run_command(["--config", DIGITS, *SMALL, f"--workdir={folder}"]) == 0
    return folder


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("owner", "name", "file"), [(modes, "write_json", "results.json"), (modes.page, "write_html", "report.html")]
)
def test_while_reporting_it_is_one_line_and_the_next_command_reports(
    place, finished, monkeypatch, capsys, fault, owner, name, file
):
    make, mend, reason = FAULTS[fault]
    shutil.copytree(finished, place, dirs_exist_ok=True)
    old = contents(place)
    arguments = ["--config", DIGITS, *SMALL, f"--workdir={place}", "--mode=evaluate"]
    with monkeypatch.context() as patch:
        before(patch, owner, name, 1, lambda given: make(place))
        assert cli.run_command(arguments) == 1
    assert capsys.readouterr().err == f"error: {place / file}: {reason}\n"
    mend(place)
    if fault == "vanished":
        shutil.copytree(finished, place, dirs_exist_ok=True)
    assert (place / file).read_bytes() == old[place / file]
    assert contents(place).keys() - {place / ".lock"} == old.keys()  # nothing half-written
    os.remove(place / file)
    assert cli.run_command(arguments) == 0
    assert (place / file).exists()
