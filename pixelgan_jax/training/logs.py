"""What a run logs while it trains: metrics.jsonl, one object a line, and TensorBoard events."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from tensorboardX import RecordWriter, summary
from tensorboardX.proto.event_pb2 import Event, SessionLog

from pixelgan_jax.training import workdir

_FLUSH = 10.0  # seconds between two times that TensorBoard's events are handed to the disk


def _whole_lines(content: bytes) -> list[tuple[bytes, dict[str, Any]]]:
    """The lines up to the first that is not a whole row, each with its row."""
    lines = []
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not line.endswith(b"\n") or not isinstance(row, dict) or type(row.get("step")) is not int:
            break
        if not all(value is None or type(value) in (int, float) and abs(value) < 2**1000 for value in row.values()):
            break
        lines.append((line, row))
    return lines


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def read(folder: Path) -> list[dict[str, Any]]:
    """The whole rows of the folder's metrics.jsonl, oldest first; none where there is no such file.

    A value that was not finite is None.
    """
    return [row for _, row in _whole_lines(_read(folder / "metrics.jsonl"))]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # a write does not say itself where it failed
        raise OSError(error.errno, error.strerror, str(path)) from error


class Log:
    """The open log of one run in the workdir `folder`, which goes on after `step`; a context manager.

    Whatever an earlier process logged past `step`, and a line that it was killed in, is dropped first.
    Every method raises OSError naming the file where one cannot be written.
    """

    def __init__(self, folder: Path, step: int):
        self._rows_path, self._events_folder = folder / "metrics.jsonl", folder / "tensorboard"
        content = _read(self._rows_path)
        kept = b"".join(line for line, row in _whole_lines(content) if row["step"] <= step)
        if kept != content:
            workdir.write_whole(self._rows_path, kept)
        self._events_folder.mkdir(exist_ok=True)
        # TensorBoard reads files by their names' order; a run that is resumed within a second needs another name.
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{time.time_ns():020d}"
        self._files = ExitStack()
        with ExitStack() as opened:
            self._rows = opened.enter_context(open(self._rows_path, "a", encoding="utf-8"))
            # Not tensorboardX's SummaryWriter: once its thread has met a full disk, it waits for that thread for ever.
            self._events = RecordWriter(str(self._events_folder.absolute() / name))  # "s3:…" is no folder to it
            opened.callback(self._events.close)
            self._flushed = -math.inf
            self._event(file_version="brain.Event:2")
            # TensorBoard then forgets events of this step and later ones that older files hold. It takes the
            # first such mark for the start of the run, not for a resume, so a fresh run needs one too.
            self._event(step=step + 1, session_log=SessionLog(status=SessionLog.START))
            self._files = opened.pop_all()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Writes out what is still queued and closes the files."""
        with _naming(self._events_folder):  # rows are written out already
            self._files.close()

    def _event(self, **content: Any) -> None:
        with _naming(self._events_folder):
            self._events.write(Event(wall_time=time.time(), **content).SerializeToString())
            if time.monotonic() - self._flushed > _FLUSH:
                self._events.flush()
                self._flushed = time.monotonic()

    def scalars(self, step: int, row: dict[str, float]) -> None:
        """Appends one row of named numbers, handed to the operating system at once; a non-finite one becomes null."""
        numbers = {name: float(value) for name, value in row.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        with _naming(self._rows_path):
            self._rows.write(json.dumps({"step": int(step), **finite}) + "\n")
            self._rows.flush()
        for name, value in numbers.items():
            self._event(step=int(step), summary=summary.scalar(name, value))

    def hyperparameters(self, values: dict[str, Any], metrics: dict[str, float]) -> None:
        """Tells TensorBoard's HPARAMS tab the run's fields and what it came to, so that runs stand side by side."""
        plain = {
            # a path need not be text
            name: each if isinstance(each, bool | int | float) else str(each).encode(errors="backslashreplace").decode()
            for name, each in values.items()
        }
        numbers = {name: float(value) for name, value in metrics.items()}
        for each in (
            *summary.hparams(plain, numbers),
            *(summary.scalar(name, value) for name, value in numbers.items()),
        ):
            self._event(summary=each)

    def images(self, step: int, pictures: dict[str, np.ndarray]) -> None:
        """Shows named pictures, uint8 [H, W, C] with C 1 or 3, in TensorBoard."""
        for name, picture in pictures.items():
            self._event(step=int(step), summary=summary.image(name, picture, dataformats="HWC"))
