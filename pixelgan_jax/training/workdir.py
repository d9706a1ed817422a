"""Files of a workdir are written whole or not at all: beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pixelgan_jax.errors import InputError

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None


class InUse(InputError):
    """Another process holds the workdir's lock."""


_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_HOST = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname())
_PARTIAL = re.compile(r"\.(.+)\.(\d+)\.partial")
_LONG = 24 * 3600  # seconds that no file takes to write


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def own_path(what: str, path: str | Path) -> Path:
    """A workdir as somebody writes it, with ~ for the home folder. Raises InputError for a URL, or for nothing at
    all."""
    if not os.fspath(path):
        raise InputError(f"{what}: is empty; must name a folder")
    if _URL.match(os.fspath(path)):
        raise InputError(f"{what} {path}: is a URL; must be a folder of this machine, where a bucket may be mounted")
    return Path(os.path.expanduser(path))


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.partial")


def write_whole(path: Path, content: bytes | str) -> None:
    """Replaces the file at `path` by `content`; it always holds all of the old or of the new.

    Text is written as UTF-8, with the bytes of a path that are none escaped. Raises OSError naming `path` where the
    folder is missing or the disk refuses; then nothing is left behind.
    """
    partial = _partial(path)
    try:
        with open(partial, "wb") as file:
            file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)
            file.flush()
            # Without this a power cut can leave the new name on a file whose bytes never reached the disk.
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):  # a write does not say itself where it failed
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _plain(value: Any) -> Any:
    if hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, keys in the order given; arrays and array scalars become lists and numbers.

    Raises ValueError for NaN and infinities, which JSON does not have, and TypeError for other types.
    """
    write_whole(path, json.dumps(value, indent=2, allow_nan=False, default=_plain) + "\n")


def read_json(path: Path, hint: str = ", as a run writes it") -> dict[str, Any] | None:
    """The JSON object of a file; None where there is no such file. Raises InputError for anything else, with a hint,
    and OSError where it cannot be read."""
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold one JSON object{hint}")
    return values


def results_of(workdir: Path) -> dict[str, Any]:
    """What the workdir's results.json holds; {} where there is none, or it is damaged."""
    try:
        return read_json(workdir / "results.json") or {}
    except (InputError, OSError):
        return {}


def _running(pid: int) -> bool:
    """Whether another process has this id."""
    # Signal 0 only asks whether the process is there; elsewhere than on POSIX it would end it.
    if os.name != "posix" or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _remove_leftovers(folder: Path) -> None:
    """Removes the files that processes were writing here when they were killed."""
    for path in folder.iterdir():
        match = _PARTIAL.fullmatch(path.name)
        if match and path.is_file() and not _written(path, match[1].endswith(f".{_HOST}"), int(match[2])):
            path.unlink(missing_ok=True)


def _written(path: Path, here: bool, pid: int) -> bool:
    """Whether a process may be writing the file right now: one of this host where it is there, one of another host,
    with which the folder may be shared, where the file is not old."""
    if here:
        return _running(pid)
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime < _LONG
    return False


def _unwritable(folder: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"--workdir {folder}: {reason}; must be a writable folder")


def _make(folder: Path) -> None:
    # The library that stores arrays would write beside such a folder, or die of it at the first save.
    if b"\\" in os.path.realpath(folder).encode():
        raise ValueError("has a backslash in its path")
    folder.mkdir(parents=True, exist_ok=True)


def _is_at(path: Path, descriptor: int) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))


def _take(path: Path) -> int:
    """A descriptor of the lock file `path`, locked, with this process's id and host in it.

    Raises BlockingIOError where another process holds it.
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed it since it was opened: such a file keeps nobody out.
        if not _is_at(path, descriptor):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        os.ftruncate(descriptor, 0)  # of what a killed process wrote
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _holder(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip() or "another process"
    except OSError:  # it has just ended
        return "another process"


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Makes the workdir and keeps other processes from locking it; the system ends the lock with the process.

    Raises InUse naming the process and the host that hold it, and InputError where the folder cannot be written. Where
    the file system has no locks, says so and locks nothing.
    """
    path, descriptor = folder / ".lock", None
    try:
        _make(folder)
        descriptor = _take(path)
    except BlockingIOError:
        raise InUse(f"--workdir {folder}: in use by {_holder(path)}; must be another folder until that ends") from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) not in _NO_LOCKS:
            raise _unwritable(folder, error) from None
        print(f"--workdir {folder}: cannot be locked ({error.strerror}); start no second command on it", flush=True)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                if _is_at(path, descriptor):
                    path.unlink()
            os.close(descriptor)


def prepare(folder: Path) -> None:
    """Makes the workdir, checks that files can be written in it, and removes what killed processes left half-written.

    Raises InputError where that is not possible.
    """
    try:
        _make(folder)
        # Asking for permissions is not enough: root has them all, a read-only or full disk grants them.
        probe = _partial(folder / "probe")
        probe.write_bytes(b"\0")
        probe.unlink()
        for each in (folder, folder / "samples"):
            if each.is_dir():
                _remove_leftovers(each)
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from None
