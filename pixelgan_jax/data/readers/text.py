"""Text files of numbers, CSV and the like: untrusted lines become checked arrays or an InputError."""

from __future__ import annotations

import codecs
import math
import warnings
from pathlib import Path

import numpy as np

from pixelgan_jax.data.readers.files import readable
from pixelgan_jax.data.readers.parts import Part
from pixelgan_jax.errors import InputError


def read_numbers(path: Path, delimiter: str | None, header: bool) -> np.ndarray:
    """Reads a text file of whole numbers from 0 to 32,767, a row a line: int16 [N, columns]."""
    # without a byte order mark, and without the warning of no rows
    with readable(path), path.open(encoding="utf-8-sig") as lines, warnings.catch_warnings(action="ignore"):
        return np.loadtxt(lines, np.int16, comments=None, delimiter=delimiter, skiprows=int(header), ndmin=2)


def read_csv(path: Path) -> Part:
    """Reads a CSV file with a row of pixels 0 to 255 an image, a square or a square of three colours, pixel by pixel;
    labels too, where the first line names its columns, a label first, or where the pixels are a square without the
    first column. A first line that counts the columns, 0,1,2,…, is no image."""
    with readable(path), path.open("rb") as stream:
        first = stream.readline(1 << 20).removeprefix(codecs.BOM_UTF8).strip().lower().replace(b'"', b"")
    named = bool(first) and not first.translate(None, b", -").isdigit()  # a label may be -1
    numbered = first == b",".join(b"%d" % column for column in range(first.count(b",") + 1))  # pandas' header
    rows = read_numbers(path, ",", named or numbered)
    labelled = first.startswith((b"label,", b"class,", b"y,")) or not named and _side(rows.shape[1]) is None
    labels, pixels = (rows[:, 0], rows[:, 1:]) if labelled else (None, rows)
    return Part(squares(path, pixels), labels)


def is_pixels(path: Path) -> bool:
    """Whether the second line of a CSV file may be an image's, and not a picture's name and label."""
    with readable(path), path.open("rb") as stream:
        stream.readline(1 << 20)
        line = stream.readline(1 << 20)
    return line.count(b",") > 1 and not line.translate(None, b'0123456789,.-+eE" \t\r\n')


def _side(count: int) -> tuple[int, int] | None:
    """(side, channels) of the square image of so many numbers."""
    for depth in (1, 3):
        side = math.isqrt(count // depth)
        if side and side * side * depth == count:
            return side, depth
    return None


def squares(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Rows of pixels 0 to 255 as square images uint8 [N, H, H, C]."""
    shape = _side(pixels.shape[1])
    if shape is None or not len(pixels):
        raise InputError(f"{path}: {len(pixels)} rows of {pixels.shape[1]} pixels; must be a square, grey or RGB")
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"{path}: pixels go from {pixels.min()} to {pixels.max()}; must lie in 0 to 255")
    return pixels.astype(np.uint8).reshape(-1, shape[0], shape[0], shape[1])
