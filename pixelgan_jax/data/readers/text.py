"""Text files of numbers, CSV and the like: untrusted lines become checked arrays or an InputError."""

from __future__ import annotations

import codecs
import math
import warnings
from pathlib import Path

import numpy as np

from pixelgan_jax.data.readers.files import readable
from pixelgan_jax.data.readers.parts import Part
from pixelgan_jax.errors import InputError, one_line

LABEL = (b"label", b"class", b"y")  # what a column of labels is called


def read_numbers(path: Path, delimiter: str | None, header: bool) -> np.ndarray:
    """Reads a text file of whole numbers from 0 to 32,767, a row a line: int16 [N, columns]."""
    # without a byte order mark, and without the warning of no rows
    with readable(path), path.open(encoding="utf-8-sig") as lines, warnings.catch_warnings(action="ignore"):
        try:
            return np.loadtxt(lines, np.int16, comments=None, delimiter=delimiter, skiprows=int(header), ndmin=2)
        except ValueError as error:
            told = f"damaged or unreadable: {one_line(str(error))[:200]}; must be whole numbers, pixels of 0 to 255"
            raise InputError(f"{path}: {told}") from error


def read_csv(path: Path) -> Part:
    """Reads a CSV file with a row of pixels 0 to 255 an image, a square or a square of three colours, pixel by pixel;
    labels too, in a column that the first line calls so, or the first one where the others are such a square and no
    line names them. A column called id, or nothing, is left out; a first line that counts the columns, 0,1,2,…, is no
    image."""
    with readable(path), path.open("rb") as stream:
        first = stream.readline(1 << 20).removeprefix(codecs.BOM_UTF8).strip().lower().replace(b'"', b"")
    cells = [cell.strip() for cell in first.split(b",")]
    named = bool(first) and not all(map(_is_number, cells))
    numbered = cells == [b"%d" % column for column in range(len(cells))]  # pandas' header
    rows = read_numbers(path, ",", named or numbered)
    columns = np.arange(rows.shape[1])
    if named:
        label = [column for column, name in enumerate(cells) if name in LABEL][:1]
        others = [column for column, name in enumerate(cells) if name in (b"id", b"")]
    else:
        label, others = [0] if _side(rows.shape[1]) is None else [], []
    if label and label[0] >= rows.shape[1]:
        raise InputError(f"{path}: names {len(cells)} columns and has rows of {rows.shape[1]}; must be as many")
    pixels = np.setdiff1d(columns, label + others)
    if named and not label and _side(len(pixels)) is None:
        told = "the pixels of a square, grey or RGB, and of labels a column called label, class or y"
        raise InputError(f"{path}: has {len(pixels)} columns of numbers; must be {told}")
    images = squares(path, rows[:, pixels])
    return Part(images, rows[:, label[0]] if label else None)


def _is_number(cell: bytes) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_image(path: Path) -> bool:
    """Whether the second line of a CSV file may be an image's, of at least 4×4 pixels, and not what is told of one."""
    with readable(path), path.open("rb") as stream:
        stream.readline(1 << 20)
        line = stream.readline(1 << 20)
    return line.count(b",") >= 15 and not line.translate(None, b'0123456789,.-+eE" \t\r\n')


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
