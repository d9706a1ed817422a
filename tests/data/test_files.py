"""Damaged and hostile files, case by case: each is refused with one line that names it, without costing memory."""

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pixelgan_jax.data.readers.files import read_idx, read_npz
from pixelgan_jax.data.readers.mat import read_svhn_mat
from pixelgan_jax.errors import InputError

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 4, 4), dtype=np.uint8)
LABELS = np.arange(6, dtype=np.uint8)
SVHN = np.random.RandomState(0).randint(0, 256, (32, 32, 3, 2), dtype=np.uint8)


def idx(array: np.ndarray, shape=None, magic=b"\0\0\x08") -> bytes:
    shape = array.shape if shape is None else shape
    return magic + bytes((len(shape),)) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claim(shape: tuple[int, ...]) -> bytes:
    """The header alone of a .npy file of bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def npz(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def mat(compress: bool, **arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=compress)
    return buffer.getvalue()


GOOD_NPZ = npz(images=npy(IMAGES), labels=npy(LABELS))
GOOD_MAT = [mat(compress, X=SVHN, y=np.array([[1], [10]], np.uint8)) for compress in (True, False)]


def read(kind: str, folder: Path, content: bytes):
    """Writes the content as a file of that kind and reads it."""
    path = folder / f"file.{kind}"
    path.write_bytes(content)
    if kind == "npz":
        return read_npz(path)
    if kind == "mat":
        return read_svhn_mat(path)
    labels = folder / "labels"
    labels.write_bytes(idx(LABELS))
    return read_idx(path, labels)


def refused(kind: str, folder: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(kind, folder, content)
    assert "\n" not in str(caught.value) and f"file.{kind}" in str(caught.value)


IDX_CASES = {
    "empty file": (b"", r"truncated in its IDX header; must be 16 bytes"),
    "short header": (idx(IMAGES)[:9], r"truncated in its IDX header"),
    "magic": (idx(IMAGES, magic=b"\0\0\x0d"), r"begins 00 00 0d 03; an IDX file of bytes, rank 3, begins 00 00 08 03"),
    "rank": (idx(LABELS), r"begins 00 00 08 01"),
    "gzip without its name": (gzip.compress(idx(IMAGES)), r"begins 1f 8b 08"),
    "truncated": (idx(IMAGES)[:-1], r"truncated: its header claims \[6, 4, 4\] bytes"),
    "left over": (idx(IMAGES) + b"\0", r"has bytes left over after the \[6, 4, 4\]"),
    "claims too much": (idx(IMAGES, (2**32 - 1, 2**16, 2**16)), r"truncated: its header claims \[4294967295, "),
    "no images": (idx(IMAGES[:0]), r"0 images but 6 labels"),
    "no pixels": (idx(IMAGES[:, :0]), r"images are \[6, 0, 4\]; there must be at least one image"),
    "one too few": (idx(IMAGES[:5]), r"5 images but 6 labels; must be one label an image"),
}


@pytest.mark.parametrize("case", IDX_CASES)
def test_refuses_idx(tmp_path, case):
    refused("idx", tmp_path, *IDX_CASES[case])


@pytest.mark.parametrize("case", [name for name in IDX_CASES if "gzip" not in name])
def test_refuses_gzipped_idx(tmp_path, case):
    content, message = IDX_CASES[case]
    refused("gz", tmp_path, gzip.compress(content), message)


@pytest.mark.parametrize("content", [b"", b"not gzip at all", gzip.compress(idx(IMAGES))[:-9]])
def test_refuses_damaged_gzip(tmp_path, content):
    refused("gz", tmp_path, content, r"damaged or unreadable|truncated")


def many_objects() -> bytes:
    return npy(np.array([{}, 1, None, "", 2.0, ()], dtype=object))


NPZ_CASES = {
    "empty file": (b"", r"damaged or unreadable: File is not a zip file"),
    "not a zip": (npy(IMAGES), r"File is not a zip file"),
    "truncated": (GOOD_NPZ[:-30], r"damaged or unreadable"),
    "lacks labels": (npz(images=npy(IMAGES)), r"holds images\.npy; must hold arrays images and labels"),
    "nothing": (npz(), r"holds nothing; must hold arrays"),
    "pickled": (npz(images=npy(IMAGES), labels=many_objects()), r"holds pickled objects"),
    "pickled images": (npz(images=many_objects(), labels=npy(LABELS)), r"holds pickled objects"),
    "floats": (npz(images=npy(IMAGES / 1), labels=npy(LABELS)), r"images are float64 \[6, 4, 4\]; must be uint8"),
    "int8": (npz(images=npy(IMAGES.view(np.int8)), labels=npy(LABELS)), r"images are int8"),
    "rank": (npz(images=npy(IMAGES[0]), labels=npy(LABELS)), r"images are uint8 \[4, 4\]; must be uint8 \[N, H, W\]"),
    "channels": (npz(images=npy(IMAGES[..., None].repeat(2, 3)), labels=npy(LABELS)), r"C 1 or 3"),
    "float labels": (npz(images=npy(IMAGES), labels=npy(LABELS / 1)), r"labels are float64 \[6\]; must be integers"),
    "boolean labels": (npz(images=npy(IMAGES), labels=npy(LABELS > 2)), r"labels are bool"),
    "labels of rank 3": (npz(images=npy(IMAGES), labels=npy(np.ones((6, 2, 1), int))), r"labels are int64 \[6, 2, 1\]"),
    "count": (npz(images=npy(IMAGES), labels=npy(LABELS[:5])), r"6 images but 5 labels"),
    "no images": (npz(images=npy(IMAGES[:0]), labels=npy(LABELS[:0])), r"at least one image"),
    "left over": (npz(images=npy(IMAGES) + b"\0", labels=npy(LABELS)), r"holds 97 bytes, which is not uint8 \[6, 4"),
    "short": (npz(images=npy(IMAGES)[:-1], labels=npy(LABELS)), r"holds 95 bytes, which is not uint8 \[6, 4, 4\]"),
    "not an array": (npz(images=b"images", labels=npy(LABELS)), r"damaged or unreadable"),
    "unknown version": (npz(images=b"\x93NUMPY\x03\0" + npy(IMAGES)[8:], labels=npy(LABELS)), r"\.npy format \(3, 0\)"),
    "not a shape": (npz(images=npy(IMAGES).replace(b"(6, 4", b"(6j,4"), labels=npy(LABELS)), r"damaged or unreadable"),
    "negative": (npz(images=claim((-6, -4, 4)) + IMAGES.tobytes(), labels=npy(LABELS)), r"which is not uint8 \[-6, -4"),
    "claims too much": (npz(images=claim((10**12, 4, 4)) + b"\0", labels=npy(LABELS)), r"holds 1 bytes, which is not"),
}


@pytest.mark.parametrize("case", NPZ_CASES)
def test_refuses_npz(tmp_path, case):
    refused("npz", tmp_path, *NPZ_CASES[case])


MAT_CASES = {
    "empty file": (b"", r"must be a little-endian MATLAB 5 file"),
    "hdf5": (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM", r"must be a little-endian MATLAB 5 file"),
    "lacks y": (mat(True, X=SVHN), r"must hold numeric arrays X and y"),
    "text": (mat(True, X="text", y="text"), r"X is"),
    "cells": (mat(True, X=np.array([{}, 1], dtype=object), y=np.ones((2, 1))), r"must hold numeric arrays|truncated"),
    "shape": (
        mat(True, X=SVHN[:28], y=np.ones((2, 1))),
        r"X is \[28, 32, 3, 2\], y \[2, 1\]; must be \[32, 32, 3, N\]",
    ),
    "count": (mat(True, X=SVHN, y=np.ones((3, 1))), r"X is \[32, 32, 3, 2\], y \[3, 1\]"),
    "floats": (mat(True, X=SVHN / 1, y=np.ones((2, 1))), r"images are float64"),
    "label 11": (mat(True, X=SVHN, y=np.array([[11], [1]])), r"y must lie in 1 to 10"),
    "half label": (mat(True, X=SVHN, y=np.array([[0.5], [1]])), r"y must lie in 1 to 10"),
    "truncated": (GOOD_MAT[1][:-9], r"truncated"),
    "truncated, compressed": (GOOD_MAT[0][:-9], r"truncated"),
    "type that segfaults SciPy": (
        GOOD_MAT[1][:184] + b"\x8d" + GOOD_MAT[1][185:],
        r"X is of type 141; must be",
    ),
}


@pytest.mark.parametrize("case", MAT_CASES)
def test_refuses_mat(tmp_path, case):
    refused("mat", tmp_path, *MAT_CASES[case])


def test_mat_labels_may_be_doubles(tmp_path):
    images, labels, _ = read("mat", tmp_path, mat(True, X=SVHN, y=np.array([[10.0], [3.0]])))
    assert labels.tolist() == [0, 3]
    np.testing.assert_array_equal(images, SVHN.transpose(3, 0, 1, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i4", np.int64, np.uint64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_of_any_integers_and_order(tmp_path, dtype, order):
    content = npz(images=npy(np.asarray(IMAGES, order=order)), labels=npy(LABELS.astype(dtype)))
    images, labels, _ = read("npz", tmp_path, content)
    np.testing.assert_array_equal(images[..., 0], IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_a_header_that_claims_terabytes_costs_no_memory(tmp_path):
    """Whatever the body: even a gzipped one that unpacks to a thousand times its size."""
    shape, body = (10**6, 1000, 1000), np.zeros(1 << 20, np.uint8)
    tracemalloc.start()
    refused("idx", tmp_path, idx(body, shape), r"truncated: its header claims \[1000000, 1000, 1000\]")
    refused("gz", tmp_path, gzip.compress(idx(body, shape)), r"truncated: its header claims \[1000000, 1000, 1000\]")
    refused(
        "npz",
        tmp_path,
        npz(images=claim(shape) + body.tobytes(), labels=npy(LABELS)),
        r"which is not uint8 \[1000000, ",
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_directory_entry_that_claims_terabytes_is_refused(tmp_path):
    content = bytearray(GOOD_NPZ)
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))  # of images, the first
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)
    refused("npz", tmp_path, bytes(content), r"images claims more bytes than the file can hold")


def test_a_header_longer_than_any_array_of_numbers_has_is_not_parsed(tmp_path):
    """Five thousand digits, which Python's parser would take megabytes for."""
    digits = b"9" * 5000 + b"\n"
    content = npz(images=b"\x93NUMPY\x01\0" + struct.pack("<H", len(digits)) + digits, labels=npy(LABELS))
    tracemalloc.start()
    try:
        refused("npz", tmp_path, content, "damaged or unreadable")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
