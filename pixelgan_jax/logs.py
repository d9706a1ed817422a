"""What a run logs while it trains: metrics.jsonl, one object a line, and TensorBoard events."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from pixelgan_jax import workdir


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


class Log:
    """The open log of one run in the workdir `folder`, which goes on after `step`; a context manager.

    Whatever an earlier process logged past `step`, and a line that it was killed in, is dropped first.
    Raises OSError where the files cannot be written.
    """

    def __init__(self, folder: Path, step: int):
        path = folder / "metrics.jsonl"
        content = _read(path)
        kept = b"".join(line for line, row in _whole_lines(content) if row["step"] <= step)
        if kept != content:
            workdir.write_whole(path, kept)
        self._rows = open(path, "a", encoding="utf-8")
        try:
            self._events = SummaryWriter(
                logdir=str(folder / "tensorboard"),
                # TensorBoard then forgets events of this step and later ones that older files hold. It takes the
                # first such mark for the start of the run, not for a resume, so a fresh run needs one too.
                purge_step=step + 1,
                flush_secs=10,
                # The writer names its file by the second, and would overwrite that of a run resumed within it.
                filename_suffix=f".{time.time_ns():020d}",
            )
        except BaseException:
            self._rows.close()
            raise

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Writes out what is still queued and closes the files."""
        self._rows.close()
        self._events.close()

    def scalars(self, step: int, row: dict[str, float]) -> None:
        """Appends one row of named numbers, handed to the operating system at once; a non-finite one becomes null."""
        numbers = {name: float(value) for name, value in row.items()}
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        self._rows.write(json.dumps({"step": int(step), **finite}) + "\n")
        self._rows.flush()
        for name, value in numbers.items():
            self._events.add_scalar(name, value, step)

    def images(self, step: int, pictures: dict[str, np.ndarray]) -> None:
        """Shows named pictures, uint8 [H, W, C] with C 1 or 3, in TensorBoard."""
        for name, picture in pictures.items():
            self._events.add_image(name, picture, step, dataformats="HWC")
