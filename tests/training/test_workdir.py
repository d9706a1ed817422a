"""Files are whole or absent, whatever happens while they are written."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.errors import InputError
from pixelgan_jax.training import workdir


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    workdir.write_whole(path, "ä\r\n")
    assert path.read_bytes() == "ä\r\n".encode()
    workdir.write_whole(path, b"\xff")
    assert path.read_bytes() == b"\xff"
    workdir.write_whole(path, "caf\udce9")  # a file's name that is no UTF-8
    assert path.read_text() == r"caf\udce9"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "a.txt"
    workdir.write_whole(path, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        workdir.write_whole(path, "new")
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_process_killed_before_the_rename_leaves_the_old_file_and_prepare_tidies_up(tmp_path):
    path = tmp_path / "samples" / "prior.png"
    path.parent.mkdir()
    workdir.write_whole(path, "old")
    program = (
        # An empty package in place of ours, whose __init__ takes seconds to import JAX.
        "import os, pathlib, signal, sys, types; package = types.ModuleType('pixelgan_jax');"
        "package.__path__ = ['pixelgan_jax']; sys.modules['pixelgan_jax'] = package;"
        "from pixelgan_jax.training import workdir;"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "workdir.write_whole(pathlib.Path(sys.argv[1]), 'new')"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program, str(path)], cwd=root).returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(_names(path.parent)) == 2
    workdir.prepare(tmp_path)
    assert _names(path.parent) == ["prior.png"]


def test_prepare_leaves_foreign_files_and_those_of_running_processes(tmp_path):
    host = workdir._HOST
    kept = [f".a.{host}.{os.getppid()}.partial", ".a.partial", f"a.{host}.12.partial", ".gitignore", ".b.x1.partial"]
    kept += [".a.other-host.4194999.partial"]
    old = [".b.other-host.4194999.partial", ".b.12.partial"]  # the latter of an earlier version
    removed = [f".a.{host}.{number}.partial" for number in (os.getpid(), 4194999, 10**30)]
    for name in kept + old + removed:
        (tmp_path / name).touch()
    for name in old:
        os.utime(tmp_path / name, (0, 0))
    workdir.prepare(tmp_path)
    assert _names(tmp_path) == sorted(kept)


def test_prepare_makes_the_folder_and_its_parents(tmp_path):
    workdir.prepare(tmp_path / "a" / "b")
    workdir.prepare(tmp_path / "a" / "b")
    assert _names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_prepare_refuses_a_file_in_the_way(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError) as caught:
        workdir.prepare(tmp_path / "file" / below)
    message = str(caught.value)
    assert message.startswith(f"--workdir {tmp_path / 'file' / below}: ")
    assert message.endswith("must be a writable folder") and "\n" not in message
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["a\0b", "a" * 300])
def test_prepare_refuses_impossible_names(tmp_path, name):
    with pytest.raises(InputError, match="must be a writable folder"):
        workdir.prepare(tmp_path / name)


def test_prepare_refuses_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    # Root may write anywhere, so the permission bits would not do.
    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(InputError, match="Permission denied; must be a writable folder"):
        workdir.prepare(tmp_path)


def test_json_keeps_order_and_converts_arrays(tmp_path):
    value = {
        "b": np.float32(0.5), "a": np.int64(3), "c": np.arange(4).reshape(2, 2), "d": np.bool_(True),
        "e": jnp.arange(2), "f": jnp.float32(2), "g": None, "h": "ä",
    }  # fmt: skip
    workdir.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": 0.5, "a": 3, "c": [[0, 1], [2, 3]], "d": True, "e": [0, 1], "f": 2.0, "g": None,
                                "h": "ä"}  # fmt: skip
    assert text.startswith('{\n  "b": 0.5,\n  "a": 3,') and text.endswith("}\n")


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), np.float32("nan"), np.array([1, np.inf]), {"x": [-np.inf]}]
)
def test_json_refuses_what_is_not_finite_and_keeps_the_old_file(tmp_path, bad):
    workdir.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        workdir.write_json(tmp_path / "a.json", {"a": bad})
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_json_refuses_other_types(tmp_path):
    with pytest.raises(TypeError, match="set has no place in JSON"):
        workdir.write_json(tmp_path / "a.json", {1})
    assert _names(tmp_path) == []


# prints whether it got the lock of the folder, then keeps it until its input ends
HOLDER = f"""
import pathlib, sys, types
package = types.ModuleType("pixelgan_jax")  # in place of ours, as above
package.__path__ = [{str(Path(workdir.__file__).parents[1])!r}]
sys.modules["pixelgan_jax"] = package
from pixelgan_jax.training import workdir
try:
    with workdir.lock(pathlib.Path(sys.argv[1])):
        print("locked", flush=True)
        sys.stdin.read()
except ValueError as error:
    print(error, flush=True)
"""
locks = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")


def _holder(folder: Path) -> tuple[subprocess.Popen, str]:
    """A process that asks for the folder's lock, and what it said."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], **pipes)
    return process, process.stdout.readline().strip()


@locks
def test_a_second_process_is_refused_with_the_first_ones_id_and_host(tmp_path):
    folder = tmp_path / "a" / "b"
    first, said = _holder(folder)
    assert said == "locked"
    second, said = _holder(folder)
    holder = f"process {first.pid} on {socket.gethostname()}"
    assert said == f"--workdir {folder}: in use by {holder}; must be another folder until that ends"
    with pytest.raises(InputError, match=f"in use by {holder}; "), workdir.lock(folder):
        pass
    second.communicate("")
    assert (folder / ".lock").read_text() == holder + "\n"  # a refusal changes nothing
    first.communicate("")
    assert _names(folder) == []
    with workdir.lock(folder):
        assert _names(folder) == [".lock"]
    assert _names(folder) == []


@locks
def test_a_killed_process_holds_no_lock(tmp_path):
    process, said = _holder(tmp_path)
    assert said == "locked"
    process.kill()
    process.communicate()
    assert (tmp_path / ".lock").exists()
    with workdir.lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


@locks
def test_a_lock_ends_with_an_error_too_and_leaves_that_of_a_new_folder_alone(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KeyError), workdir.lock(folder):
        raise KeyError
    assert _names(folder) == []
    with workdir.lock(folder):
        shutil.rmtree(folder)  # while the run goes on
        with workdir.lock(folder):
            folder.rename(tmp_path / "moved")
            folder.mkdir()
            (folder / ".lock").write_text("somebody else's")
    assert (folder / ".lock").read_text() == "somebody else's"


@locks
def test_a_lock_is_not_written_through_a_link(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="must be a writable folder"), workdir.lock(tmp_path / "run"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


@locks
def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(workdir.fcntl, "flock", refuse)
    with workdir.lock(tmp_path):
        assert capsys.readouterr().out == (
            f"--workdir {tmp_path}: cannot be locked (No locks available); start no second command on it\n"
        )
