"""Readers of single binary files, IDX, .npz and more: untrusted bytes become checked arrays or an InputError.

What they read becomes a Part (parts.py). What a header claims is compared with the size of its file before anything is
allocated, and nothing is ever unpickled. Which files make a data set is formats.py's.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pixelgan_jax.data.readers.parts import Part
from pixelgan_jax.errors import InputError, one_line

# Deflate never packs more than 1,032 bytes into one, so a file's size bounds what it can hold.
DEFLATE_RATIO = 1032
PIECE = 1 << 20
NPY_HEADER = 1 << 11  # bytes; of an array of numbers it is 128, and its parser takes hundreds of bytes a character

# What zipfile, gzip, zlib, struct and NumPy's parser of .npy headers raise on damaged files.
DAMAGED = (
    EOFError,
    LookupError,
    MemoryError,  # of a header nested too deep for the parser
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def readable(path: Path):
    """Turns whatever a reader raises on a damaged file into an InputError that names the file."""
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        yield
    except InputError:
        raise
    except DAMAGED as error:
        reason = one_line(str(error))[:200] or type(error).__name__
        raise InputError(f"{path}: damaged or unreadable: {reason}") from error


Header = tuple[tuple[int, ...], np.dtype]


def check(path: Path, images: Header, labels: Header | None) -> None:
    """Refuses a (shape, dtype) of images or labels that is not allowed."""
    (shape, dtype), (label_shape, label_dtype) = images, labels or (images[0][:1], np.dtype(np.uint8))
    if dtype.hasobject or label_dtype.hasobject:
        raise InputError(f"{path}: holds pickled objects; images must be uint8 and labels integers")
    if dtype != np.uint8 or len(shape) not in (3, 4) or len(shape) == 4 and shape[3] not in (1, 3):
        text = f"{path}: images are {dtype} {list(shape)}; must be uint8 [N, H, W] or [N, H, W, C], C 1 or 3"
        raise InputError(text + (", as (255 * images).round().astype('uint8') of 0 to 1" if dtype.kind == "f" else ""))
    if label_dtype.kind not in "iu" or len(label_shape) not in (1, 2):
        told = f"labels are {label_dtype} {list(label_shape)}"
        text = f"{path}: {told}; must be integers [N], [N, 1] or one-hot [N, K]"
        raise InputError(text + (", as labels.astype('int64')" if label_dtype.kind in "fb" else ""))
    if shape[0] != label_shape[0]:
        raise InputError(f"{path}: {shape[0]} images but {label_shape[0]} labels; must be one label an image")
    if not math.prod(shape):
        raise InputError(f"{path}: images are {list(shape)}; there must be at least one image of at least one pixel")


def channels(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images if images.ndim == 4 else images[..., None])


def _read_at_most(stream: BinaryIO, count: int) -> bytearray:
    """Grows with what is there, so that a claim costs nothing until the bytes turn up."""
    content = bytearray()
    while len(content) < count and (piece := stream.read(min(count - len(content), PIECE))):
        content += piece
    return content


IDX_TYPES = {8: np.dtype("u1"), 12: np.dtype(">i4")}


def _read_idx_array(path: Path, rank: int, kind: int = 8) -> np.ndarray:
    compressed, dtype = path.suffix == ".gz", IDX_TYPES[kind]
    with readable(path), (gzip.open if compressed else open)(path, "rb") as stream:
        header = stream.read(4 + 4 * rank)
        if header[:4] != bytes((0, 0, kind, rank))[: len(header)]:
            what, magic = "bytes" if kind == 8 else "integers", f"00 00 {kind:02x} {rank:02x}"
            begins = f"{path}: begins {header[:4].hex(' ')}"
            raise InputError(f"{begins}; an IDX file of {what}, rank {rank}, begins {magic}")
        if len(header) < 4 + 4 * rank:
            raise InputError(f"{path}: truncated in its IDX header; must be {4 + 4 * rank} bytes")
        shape = struct.unpack(f">{rank}I", header[4:])
        size, length = math.prod(shape) * dtype.itemsize, os.path.getsize(path)
        room = length * DEFLATE_RATIO if compressed else length - len(header)
        content = _read_at_most(stream, size + 1) if size <= room else b""
    if len(content) < size:
        raise InputError(f"{path}: truncated: its header claims {list(shape)} bytes")
    if len(content) > size:
        raise InputError(f"{path}: has bytes left over after the {list(shape)} its header claims")
    return np.frombuffer(content, dtype).reshape(shape)


def read_idx(images: Path, labels: Path) -> Part:
    """Reads a pair of IDX files of unsigned bytes, gzipped if their names end in .gz. Labels whose name has "idx2" are
    QMNIST's, of which the first column is the digit.

    Raises InputError naming the file that is missing, truncated, too long, damaged or of another kind.
    """
    told = _read_idx_array(labels, 2, 12) if "idx2" in labels.name else _read_idx_array(labels, 1)[:, None]
    if not told.shape[1]:
        raise InputError(f"{labels}: is {list(told.shape)}; must have at least one column")
    pair = _read_idx_array(images, 3), told[:, 0]
    check(images, *((array.shape, array.dtype) for array in pair))
    return Part(channels(pair[0]), pair[1])


def _npy_header(path: Path, archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a member, once its size is known to be that of the array it claims to be."""
    info = archive.getinfo(f"{name}.npy")
    room = info.compress_size
    if info.compress_type == zipfile.ZIP_DEFLATED:
        room *= DEFLATE_RATIO
    elif info.compress_type != zipfile.ZIP_STORED:
        raise InputError(f"{path}: {name} is compressed in another way than numpy.savez_compressed does")
    if info.compress_size > os.path.getsize(path) or info.file_size > room:
        raise InputError(f"{path}: {name} claims more bytes than the file can hold")
    with archive.open(info) as member:
        stream = io.BytesIO(member.read(NPY_HEADER))  # no more, whatever length the header claims for itself
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise InputError(f"{path}: {name} is in .npy format {version}; must be (1, 0) or (2, 0)")
        held = info.file_size - stream.tell()
    if min(shape, default=0) < 0 or not dtype.hasobject and held != math.prod(shape) * dtype.itemsize:
        raise InputError(f"{path}: {name} holds {held} bytes, which is not {dtype} {list(shape)}")
    return shape, dtype


def _npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read(1)  # the end of the member, where its checksum is compared
    return array


def npz_names(path: Path) -> list[str]:
    """The names of the arrays that an .npz file holds. Raises InputError where it is missing or damaged."""
    with readable(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def read_npz(path: Path, images: str = "images", labels: str | None = "labels") -> Part:
    """Reads two arrays of one .npz file, or without `labels` one.

    Raises InputError naming the file that is missing or damaged, lacks an array, or holds one that is not allowed.
    """
    wanted = [name for name in (images, labels) if name]
    with readable(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if not {f"{name}.npy" for name in wanted} <= set(names):
            held = ", ".join(names[:9]) or "nothing"
            raise InputError(f"{path}: holds {one_line(held)[:200]}; must hold arrays {' and '.join(wanted)}")
        check(path, _npy_header(path, archive, images), _npy_header(path, archive, labels) if labels else None)
        return Part(channels(_npy(archive, images)), _npy(archive, labels) if labels else None)


def read_npz_array(path: Path, name: str, allowed: str, fits: Callable[[Header], bool]) -> np.ndarray:
    """One array of an .npz file whose shape and dtype `fits`; raises InputError as `read_npz`, saying what is
    `allowed`."""
    with readable(path), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            raise InputError(f"{path}: must hold an array {name}")
        shape, dtype = _npy_header(path, archive, name)
        if dtype.hasobject or not fits((shape, dtype)):
            raise InputError(f"{path}: {name} is {dtype} {list(shape)}; must be {allowed}")
        return _npy(archive, name)


def read_records(path: Path, label_bytes: int) -> Part:
    """Reads one of CIFAR's binary files: records of `label_bytes` labels, of which the last counts, and 3,072 bytes of
    a 32×32 image, red, green, blue. Raises InputError where it is missing or of another length."""
    with readable(path):
        content, length = path.read_bytes(), label_bytes + 3072
    if not content or len(content) % length:
        raise InputError(f"{path}: {len(content)} bytes; must be a whole number of records of {length}")
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Part(np.ascontiguousarray(images), records[:, label_bytes - 1])


NORB_TYPES = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}


def read_norb(path: Path) -> np.ndarray:
    """Reads one of smallNORB's matrices, of bytes or of integers. Raises InputError where it is missing, truncated
    or of another kind."""
    with readable(path):
        content = path.read_bytes()
        magic, rank = struct.unpack_from("<ii", content)
        if magic not in NORB_TYPES or not 1 <= rank <= 8:
            raise InputError(f"{path}: begins {content[:8].hex(' ')}; must be a matrix of bytes or integers of NORB's")
        shape = struct.unpack_from(f"<{rank}i", content, 8)
    dtype, start = NORB_TYPES[magic], 8 + 4 * max(rank, 3)
    if min(shape) < 1 or len(content) - start != math.prod(shape) * dtype.itemsize:
        raise InputError(f"{path}: holds {max(0, len(content) - start)} bytes, which is not {dtype} {list(shape)}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)
