"""Encoded pictures (PNG, JPEG, WebP and others) become arrays: untrusted, so what a header claims is looked at before
any is unpacked."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from pixelgan_jax.errors import InputError, one_line

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")  # Pillow has formats that other programs read for it
GREY = ("1", "L", "LA")  # modes; a PNG's palette may be grey as well
YCBCR = 6  # a TIFF's photometric interpretation
MOST_SIDE = 1024  # of a picture that is not resized
MOST_PIXELS = 64 << 20  # of one that is
OVERSAMPLED = 4  # how many times larger than it will be a picture is decoded at least, where it can be
# what Pillow raises on a file that ends too soon, or whose parts do not belong together
UNREADABLE = (
    *(OSError, ValueError, SyntaxError, TypeError, LookupError, AttributeError, AssertionError, struct.error),
    OverflowError,
)
TURNS = {  # by EXIF's orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = [turn for orientation, turn in TURNS.items() if orientation >= 5]
# on a terminal, where it takes longer than two seconds
_under_a_bar = partial(tqdm, leave=False, delay=2, unit="picture", disable=None)


class Picture(NamedTuple):
    """name: what an error calls it. content: its file, or its bytes."""

    name: str
    content: Path | bytes


def _content(picture: Picture) -> bytes:
    """Whole: of a file, Pillow asks for as much as a chunk claims to be, and room is made for it."""
    if isinstance(picture.content, bytes):
        return picture.content
    if not picture.content.is_file():  # a pipe would be waited for
        raise InputError(f"{picture.name}: is a link to nothing, a folder or a pipe; must be a file")
    try:
        return picture.content.read_bytes()
    except OSError as error:
        raise InputError(f"{picture.name}: cannot be read: {error.strerror}") from error


def _open(picture: Picture) -> Image.Image:
    content = _content(picture)
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a camera wrote beside the picture
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:  # whose text is a place in memory
        told = "is none by its first bytes" if content else "is empty"
        raise InputError(f"{picture.name}: damaged, or no {', '.join(FORMATS)} file: {told}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = one_line(str(error))[:200]
        raise InputError(f"{picture.name}: damaged, or no {', '.join(FORMATS)} file: {reason}") from error


def _turn(opened: Image.Image) -> Image.Transpose | None:
    """How a camera's picture has to be turned to stand upright, where it says so and that can be read."""
    # MPO: a telephone's, of several. Of a PNG the whole picture would be unpacked for it; a TIFF is turned by Pillow
    if opened.format not in ("JPEG", "MPO", "WEBP"):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            return TURNS.get(opened.getexif().get(ExifTags.Base.Orientation))
    except UNREADABLE:
        return None


def _has_grey_palette(opened: Image.Image) -> bool:
    """Of a PNG, whose palette stands in its header: Pillow's `getpalette` would unpack the picture."""
    if opened.mode != "P" or opened.format != "PNG" or opened.palette is None:
        return False
    form, shades = opened.palette.getdata()
    return form == "RGB" and shades[0::3] == shades[1::3] == shades[2::3]


def _refused(opened: Image.Image) -> str | None:
    """What of a picture is not read, by its header."""
    if opened.format in ("PNG", "TIFF", "WEBP") and opened.is_animated:
        return "holds several pictures, pages or frames; must hold one"
    # libtiff makes room for whatever a tile claims to be, and writes to standard error by itself
    if opened.format == "TIFF":
        compressed = opened.tag_v2.get(ExifTags.Base.Compression, 1) != 1
        if compressed or opened.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == YCBCR:
            return "is a compressed TIFF, or one in YCbCr; must be a plain one, or another format"
    return None


def shape_of(pictures: Iterable[Picture], side: int) -> tuple[int, int, int]:
    """(H, W, C) of all the pictures, from their headers: C is 1 where all are grey, else 3. side: what they will be
    resized to; 0: all must have one size. Raises InputError naming the picture that is damaged or of another size, or
    not read."""
    first, grey, damaged = None, True, []
    for picture in _under_a_bar(pictures, "looking at pictures"):
        try:
            with _open(picture) as opened:
                size, mode = opened.size[:: -1 if _turn(opened) in SIDEWAYS else 1], opened.mode
                own = mode in GREY or _has_grey_palette(opened)
                refused = _refused(opened)
        except InputError as error:
            damaged.append((picture.name, error))
            continue
        name, grey = picture.name, grey and own
        if mode.startswith(("I", "F")):
            raise InputError(f"{name}: has more than 8 bits a pixel (mode {mode}); must have 8")
        if refused:
            raise InputError(f"{name}: {refused}")
        if side:
            if size[0] * size[1] > MOST_PIXELS:
                raise InputError(f"{name}: {size[1]}×{size[0]} pixels; must be at most {MOST_PIXELS:,} in all")
            continue
        first = first or size
        if size != first:
            told = f"is {size[1]}×{size[0]}, the others {first[1]}×{first[0]}"
            raise InputError(f"{name}: {told}; must all have one size, or set config.data.side, which resizes them")
        if max(size) > MOST_SIDE:
            raise InputError(f"{name}: {size[1]}×{size[0]} pixels; at most {MOST_SIDE} a side, or set config.data.side")
    _refuse(damaged)
    width, height = (side, side) if side else first
    return height, width, 1 if grey else 3


def pixels(pictures: list[Picture], shape: tuple[int, int, int], side: int) -> np.ndarray:
    """The pictures, uint8 [N, H, W, C] of that (H, W, C): with `side` cropped to squares and resized."""
    try:
        images = np.empty((len(pictures), *shape), np.uint8)
    except MemoryError as error:
        size = len(pictures) * np.prod(shape, dtype=float) / 1e9
        told = f"{len(pictures):,} pictures of {shape[0]}×{shape[1]}×{shape[2]} take {size:.3g} GB, more than there is"
        raise InputError(f"config.data.side: {side}: {told}; must be smaller, or they fewer") from error
    damaged: list[tuple[str, InputError]] = []
    for row, picture in enumerate(_under_a_bar(pictures, "reading pictures")):
        try:
            images[row] = _decoded(picture, shape, side)
        except InputError as error:
            damaged.append((picture.name, error))
    _refuse(damaged)
    return images


def _refuse(damaged: list[tuple[str, InputError]]) -> None:
    """Raises InputError where there are pictures that cannot be read: the first one's, and the names of others."""
    if damaged:
        names = ", ".join(name for name, _ in damaged[1:])
        others = f"; nor can be read, of {len(damaged):,} in all: {one_line(names)[:500]}" if names else ""
        raise InputError(f"{damaged[0][1]}{others}") from damaged[0][1]


def _decoded(picture: Picture, shape: tuple[int, int, int], side: int) -> np.ndarray:
    with _open(picture) as opened:
        try:
            turn = _turn(opened)
            with warnings.catch_warnings(action="ignore"):  # of what was written beside the picture
                if side:  # a JPEG far larger than that is decoded at a half, a quarter or an eighth of its size
                    opened.draft(None, (OVERSAMPLED * side, OVERSAMPLED * side))
                opened.load()
            if opened.has_transparency_data:  # what shows through is white paper
                drawn = opened.convert("RGBA")
                drawn = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn)
            else:
                drawn = opened
            drawn = drawn.convert("L" if shape[2] == 1 else "RGB")
            drawn = drawn if turn is None else drawn.transpose(turn)
        except UNREADABLE as error:
            raise InputError(f"{picture.name}: damaged or truncated: {one_line(str(error))[:200]}") from error
    if side:
        drawn = ImageOps.fit(drawn, (side, side), Image.Resampling.LANCZOS)
    elif drawn.size != shape[1::-1]:  # by an orientation that stands elsewhere in a TIFF
        raise InputError(f"{picture.name}: is {drawn.width}×{drawn.height}, its header says {shape[1]}×{shape[0]}")
    return np.asarray(drawn, np.uint8).reshape(shape)


def resized_note(side: int) -> tuple[str, ...]:
    """What there is to say of pictures that are resized to `side`."""
    return (f"the pictures are cropped to squares and resized to {side}×{side}",) if side else ()
