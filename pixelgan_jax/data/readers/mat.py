"""MATLAB 5 files, of which SVHN's cropped digits are made: untrusted bytes become checked arrays or an InputError.

Not SciPy's reader: it indexes a table with a type code of the file, so a damaged file ends the whole process.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from pixelgan_jax.data.readers.files import DEFLATE_RATIO, channels, check, readable
from pixelgan_jax.data.readers.parts import Part
from pixelgan_jax.errors import InputError

# The numeric types of MAT 5 files, and the two that contain others.
MAT_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
MAT_MATRIX, MAT_COMPRESSED = 14, 15


def _mat_elements(path: Path, content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(type, bytes) of the elements that a MAT 5 file, or one of its matrices, is a row of."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise InputError(f"{path}: truncated in the tag of an element")
        kind, size = struct.unpack_from("<II", content, at)
        start, end = at + 8, at + 8 + size
        padded = end if kind == MAT_COMPRESSED else end + -size % 8
        if kind >> 16:  # a short element: size and type share a word, and up to 4 bytes share the next
            kind, start, end, padded = kind & 0xFFFF, at + 4, at + 4 + (kind >> 16), at + 8
        if end > min(padded, len(content)):
            raise InputError(f"{path}: truncated: an element claims {end - start} bytes")
        yield kind, content[start:end]
        at = padded


def _unpacked(path: Path, body: memoryview) -> tuple[int, memoryview]:
    """(type, bytes) of the element that a compressed one holds; no more is unpacked than its tag claims."""
    kind, size = struct.unpack("<II", zlib.decompressobj().decompress(body, 8))
    stream = zlib.decompressobj()
    content = stream.decompress(body, 8 + size + 8) if size <= len(body) * DEFLATE_RATIO else b""
    if len(content) < 8 + size or not stream.eof:
        raise InputError(f"{path}: damaged: a compressed element does not hold the {size} bytes it claims")
    return kind, memoryview(content)[8 : 8 + size]


def _mat_arrays(path: Path, content: memoryview, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The wanted arrays of a MAT 5 file."""
    if len(content) < 128 or content[124:128] != b"\x00\x01IM":
        raise InputError(f"{path}: must be a little-endian MATLAB 5 file")
    arrays = {}
    for kind, body in _mat_elements(path, content[128:]):
        if kind == MAT_COMPRESSED:
            kind, body = _unpacked(path, body)
        parts = list(islice(_mat_elements(path, body), 5)) if kind == MAT_MATRIX else []
        name = parts[2][1].tobytes().decode("latin-1") if len(parts) == 4 else ""
        if name in wanted:
            (_, dimensions), (code, data) = parts[1], parts[3]
            if code not in MAT_TYPES:
                raise InputError(f"{path}: {name} is of type {code}; must be numeric")
            shape, dtype = struct.unpack(f"<{len(dimensions) // 4}i", dimensions), np.dtype(MAT_TYPES[code])
            if math.prod(shape) * dtype.itemsize != len(data):
                raise InputError(f"{path}: {name} holds {len(data)} bytes, which is not {dtype} {list(shape)}")
            arrays[name] = np.frombuffer(data, dtype).reshape(shape, order="F")
    return arrays


def read_svhn_mat(path: Path) -> Part:
    """Reads one of SVHN's published cropped-digit files: X uint8 [32, 32, 3, N], y [N, 1], where 10 stands for 0.

    Raises InputError naming the file that is missing, damaged or of another kind.
    """
    with readable(path):
        arrays = _mat_arrays(path, memoryview(path.read_bytes()), ("X", "y"))
    if set(arrays) != {"X", "y"}:
        raise InputError(f"{path}: must hold numeric arrays X and y")
    images, labels = arrays["X"], arrays["y"]
    if images.shape[:3] != (32, 32, 3) or images.ndim != 4 or labels.shape != (images.shape[3], 1):
        shapes = f"X is {list(images.shape)}, y {list(labels.shape)}"
        raise InputError(f"{path}: {shapes}; must be [32, 32, 3, N] and [N, 1]")
    images, labels = images.transpose(3, 0, 1, 2), labels[:, 0]
    if not np.isin(labels, np.arange(11)).all():
        raise InputError(f"{path}: y must lie in 1 to 10, 10 being the digit 0")
    labels = labels.astype(np.int32) % 10  # MATLAB's numbers are doubles unless told otherwise
    check(path, (images.shape, images.dtype), (labels.shape, labels.dtype))
    return Part(channels(images), labels)
