"""Properties of the readers of data: any damage loads or is refused with one line, in time and in bounded memory."""

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgan_jax.data.readers.files import read_idx, read_npz
from pixelgan_jax.data.readers.mat import read_svhn_mat
from pixelgan_jax.errors import InputError
from tests.data.test_files import GOOD_MAT, GOOD_NPZ, IMAGES, LABELS, SVHN, idx, mat, npy, npz, read
from tests.hostile import TEXT, bounded, check_line, listing

# NumPy warns of headers written by Python 2 and of old names of dtypes, zipfile of a name that is there twice
pytestmark = [pytest.mark.filterwarnings(how) for how in ("default", "ignore:Duplicate name")]

BIG = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
ROOM = 1032  # as many bytes may a packed one stand for


def check(kind: str, folder: Path, content: bytes, claim: int = 0) -> None:
    """Reads the content as a file of that kind; it has images and labels, or is refused."""
    with bounded(claim + len(content)):
        try:
            images, labels, _ = read(kind, folder, content)
        except InputError as error:
            check_line(error)
            assert f"{folder}/" in str(error)
            return
    assert images.dtype == np.uint8 and images.shape[3] in (1, 3) and len(images) == len(labels) > 0
    assert labels.dtype.kind in "iu" and images.flags.c_contiguous


@st.composite
def damaged(draw, contents: list[bytes]) -> bytes:
    """One of the contents after a few changes, mostly at its ends: bytes and numbers replaced, inserted, cut out,
    repeated; or cut short, or lengthened."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 4))):
        near = st.integers(0, min(200, len(content))) | st.integers(0, len(content))
        at = draw(st.sampled_from([draw(near), len(content) - draw(near)]))
        kind = draw(st.sampled_from(["byte", "number", "insert", "cut", "repeat"]))
        if kind == "byte":
            content[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "number":
            content[at : at + 4] = struct.pack(draw(st.sampled_from("<>")) + "I", draw(BIG))
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=9))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 50))]
        else:
            content[at:at] = content[at : at + draw(st.integers(1, 50))]
    return bytes(content[: draw(st.just(len(content)) | st.integers(0, len(content)))]) + draw(st.binary(max_size=3))


@pytest.mark.parametrize("kind", ["idx", "gz", "npz", "mat"])
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path, kind, content):
    check(kind, tmp_path, content, len(content) * ROOM)


@given(content=damaged([idx(IMAGES)]))
def test_damaged_idx(tmp_path, content):
    check("idx", tmp_path, content)


@given(content=damaged([idx(LABELS), idx(IMAGES)]))
def test_damaged_idx_labels(tmp_path, content):
    (tmp_path / "images").write_bytes(idx(IMAGES))
    (tmp_path / "labels").write_bytes(content)
    with bounded(0):
        try:
            assert len(read_idx(tmp_path / "images", tmp_path / "labels")[1]) == len(IMAGES)
        except InputError as error:
            check_line(error)


@given(shape=st.lists(BIG | st.integers(0, 9), max_size=5), body=st.integers(0, 5000), packed=st.booleans())
def test_idx_that_claims_any_shape(tmp_path, shape, body, packed):
    content = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + bytes(body)
    check("gz" if packed else "idx", tmp_path, gzip.compress(content) if packed else content, body)


@given(content=damaged([gzip.compress(idx(IMAGES)), gzip.compress(idx(IMAGES)) * 2]))
def test_damaged_gzip(tmp_path, content):
    check("gz", tmp_path, content, len(content) * ROOM)


@given(content=damaged([gzip.compress(idx(IMAGES))]), packed=damaged([idx(IMAGES)]))
def test_damaged_idx_in_a_sound_gzip(tmp_path, content, packed):
    check("gz", tmp_path, gzip.compress(packed), len(packed))


@given(content=damaged([GOOD_NPZ]))
def test_damaged_npz(tmp_path, content):
    check("npz", tmp_path, content, len(content) * ROOM)


@given(content=damaged([npy(IMAGES), npy(LABELS), npy(IMAGES[..., None])]), labels=st.booleans())
def test_damaged_array_in_a_sound_npz(tmp_path, content, labels):
    members = {"images": npy(IMAGES), "labels": content} if labels else {"images": content, "labels": npy(LABELS)}
    check("npz", tmp_path, npz(**members), len(content))


DESCRIPTIONS = st.sampled_from(
    [
        "|u1",
        "<u1",
        "|i1",
        "|b1",
        "<f8",
        "|O",
        "O",
        "<U99",
        "|S9",
        "|V9",
        "<M8[s]",
        "<i8",
        ">i4",
        "(3,)u1",
        "x",
        "",
        "V0",
    ]
)
SHAPES = st.lists(st.sampled_from([6, 4, 0, -1, 10**12, 2**63, 10**300]) | st.integers(-9, 99), max_size=5).map(tuple)


@given(
    header=st.fixed_dictionaries(
        {}, optional={"descr": DESCRIPTIONS, "fortran_order": st.booleans(), "shape": SHAPES}
    ).map(repr)
    | TEXT,
    version=st.sampled_from([(1, 0), (2, 0), (3, 0), (0, 0), (255, 255)]),
    longer=BIG | st.just(0),
    body=st.integers(0, 5000),
)
def test_npy_of_any_header(tmp_path, header, version, longer, body):
    encoded = header.encode("utf-8", "surrogatepass") + b"\n"
    form = "<H" if version == (1, 0) else "<I"
    length = struct.pack(form, min(len(encoded) + longer, 2 ** (8 * struct.calcsize(form)) - 1))
    content = b"\x93NUMPY" + bytes(version) + length + encoded + bytes(body)
    check("npz", tmp_path, npz(images=content, labels=npy(LABELS)), len(content))


@given(
    names=st.lists(st.sampled_from(["images.npy", "labels.npy", "../out.npy", "/out.npy", "a\nb\x1b[2J"]) | TEXT),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
)
def test_npz_of_any_members(tmp_path, names, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in names:
            if name and (name.isprintable() or "\n" in name):
                archive.writestr(name, npy(LABELS if "labels" in name else IMAGES))
    before = listing(tmp_path)
    check("npz", tmp_path, buffer.getvalue(), 10_000)
    assert {path.name for path in listing(tmp_path)} - {path.name for path in before} <= {"file.npz"}


@given(content=damaged(GOOD_MAT))
def test_damaged_mat(tmp_path, content):
    check("mat", tmp_path, content, 16_000)


def packed_mat(content: bytes) -> bytes:
    """A MAT file whose one element is this, packed."""
    packed = zlib.compress(content)
    return GOOD_MAT[0][:128] + struct.pack("<II", 15, len(packed)) + packed


ELEMENTS = [mat(False, X=SVHN)[128:], mat(False, y=np.array([[1], [10]], np.uint8))[128:]]


@given(content=damaged(ELEMENTS), packed=st.booleans())
def test_damaged_element_of_a_sound_mat(tmp_path, content, packed):
    whole = packed_mat(content) if packed else GOOD_MAT[1][:128] + content
    check("mat", tmp_path, whole + b"".join(mat(True, y=np.ones((2, 1)))[128:] for _ in range(1)), 16_000)


KINDS = st.sampled_from([0, 1, 2, 5, 6, 9, 14, 15, 16, 2**16 + 1]) | BIG


@given(elements=st.lists(st.tuples(KINDS, BIG | st.integers(0, 99), st.binary(max_size=40)), max_size=6))
def test_mat_of_any_elements(tmp_path, elements):
    content = b"".join(struct.pack("<II", kind, size) + body for kind, size, body in elements)
    inside = struct.pack("<II", 14, len(content)) + content
    for each in (content, inside, packed_mat(inside)[128:]):
        check("mat", tmp_path, GOOD_MAT[0][:128] + each)


BOMB = 32 << 20  # zeros, which pack to about 32 KiB


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("gz", gzip.compress(idx(np.zeros(0, np.uint8), (6, 4, 4)) + bytes(BOMB))),
        ("npz", npz(images=npy(IMAGES) + bytes(BOMB), labels=npy(LABELS))),
        ("npz", npz(images=b"\x93NUMPY\2\0" + struct.pack("<I", BOMB - 12) + bytes(BOMB), labels=npy(LABELS))),
        ("mat", packed_mat(ELEMENTS[0] + bytes(BOMB))),
        ("mat", packed_mat(struct.pack("<II", 14, 99) + bytes(BOMB))),
    ],
    ids=["gzip", "npy data", "npy header", "mat data", "mat element"],
)
def test_what_unpacks_to_far_more_than_it_claims_is_refused_in_little_memory(tmp_path, kind, content):
    assert len(content) < 100_000
    with bounded(100_000), pytest.raises(InputError):
        read(kind, tmp_path, content)


def test_a_matrix_of_a_million_empty_elements_is_refused_in_little_memory(tmp_path):
    content = struct.pack("<II", 14, 8 << 20) + bytes(8 << 20)
    with bounded(8 << 20), pytest.raises(InputError):
        read("mat", tmp_path, GOOD_MAT[1][:128] + content)
    with bounded(8 << 20), pytest.raises(InputError):
        read("mat", tmp_path, packed_mat(content))


class Evil:
    """Would make a file where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("where", ["images", "labels"])
def test_nothing_is_unpickled(tmp_path, where):
    mark = tmp_path / "unpickled"
    objects = np.array([Evil(mark)] * 6, dtype=object)
    arrays = {"images": IMAGES, "labels": LABELS} | {where: objects}
    for name, content in {
        "objects.npz": npz(**{key: npy(array) for key, array in arrays.items()}),
        "raw.npz": npz(**{key: pickle.dumps(array) for key, array in arrays.items()}),
        "whole.npz": pickle.dumps(objects),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            read_npz(tmp_path / name)
        with pytest.raises(InputError):
            read_svhn_mat(tmp_path / name)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Evil(mark))).close()
    assert mark.exists()  # so it would have
