"""Files of a workdir are written whole or not at all: beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from pixelgan_jax.errors import InputError

_PARTIAL = re.compile(r"\..+\.(\d+)\.partial")


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def write_whole(path: Path, content: bytes | str) -> None:
    """Replaces the file at `path` by `content` (text as UTF-8); it always holds all of the old or of the new.

    Raises OSError where the folder is missing or the disk refuses; then nothing is left behind.
    """
    partial = _partial(path)
    try:
        with open(partial, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            # Without this a power cut can leave the new name on a file whose bytes never reached the disk.
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
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


def _running(pid: int) -> bool:
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
    for path in folder.iterdir():
        match = _PARTIAL.fullmatch(path.name)
        # Another command may be writing here right now, say --mode sample beside a training run.
        if match and path.is_file() and not _running(int(match[1])):
            path.unlink(missing_ok=True)


def prepare(folder: Path) -> None:
    """Makes the workdir, checks that files can be written in it, and removes what killed processes left half-written.

    Raises InputError where that is not possible.
    """
    try:
        # The library that stores arrays would write beside such a folder, or die of it at the first save.
        if b"\\" in os.path.realpath(folder).encode():
            raise ValueError("has a backslash in its path")
        folder.mkdir(parents=True, exist_ok=True)
        # Asking for permissions is not enough: root has them all, a read-only or full disk grants them.
        probe = _partial(folder / "probe")
        probe.write_bytes(b"\0")
        probe.unlink()
        for place in (folder, folder / "samples"):
            if place.is_dir():
                _remove_leftovers(place)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"--workdir {folder}: {reason}; must be a writable folder") from None
