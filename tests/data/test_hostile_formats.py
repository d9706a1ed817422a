"""Damaged files of every format: a data set comes out, or one line that names what is wrong, in bounded memory."""

import io
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelgan_jax.config import Data
from pixelgan_jax.data import sources
from pixelgan_jax.errors import InputError
from tests.data.test_files import idx, npy, npz
from tests.data.test_formats import norb
from tests.data.test_hostile_files import ROOM, damaged
from tests.hostile import bounded, check_line, listing

RANDOM = np.random.RandomState(0)
IMAGES, LABELS = RANDOM.randint(0, 256, (6, 4, 4), dtype=np.uint8), np.arange(6, dtype=np.uint8) % 2
RECORDS = np.concatenate([LABELS[:, None], RANDOM.randint(0, 256, (6, 3072), dtype=np.uint8)], axis=1)
PAIRS = norb(RANDOM.randint(0, 256, (2, 2, 6, 6), dtype=np.uint8), 0x1E3D4C55)
NORB = "smallnorb-5x46789x9x18x6x2x96x96-training", "smallnorb-5x01235x9x18x6x2x96x96-testing"


def png(image, form="PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form)
    return buffer.getvalue()


def text(rows) -> bytes:
    buffer = io.BytesIO()
    np.savetxt(buffer, rows, "%d", ",", header="label," + "p," * 15 + "p", comments="")
    return buffer.getvalue()


def parquet(count) -> bytes:
    buffer = io.BytesIO()
    cells = [{"bytes": png(image), "path": "a.png"} for image in IMAGES[:count]]
    pq.write_table(pa.table({"image": cells, "label": LABELS[:count]}), buffer)
    return buffer.getvalue()


CSV = text(np.concatenate([LABELS[:, None], IMAGES.reshape(6, -1)], axis=1))
AMAT = b"\n".join(b" ".join([b"0", b"1"] * 8) for _ in range(3))
PICTURES = ("png", "jpeg", "webp", "tiff", "ppm")
# the files of a small data set of each format, the first of which is damaged
FORMATS = {
    "keras": {"a.npz": npz(x_train=npy(IMAGES), y_train=npy(LABELS), x_test=npy(IMAGES), y_test=npy(LABELS))},
    "packed": {"a.npz": npz(**{part: npy(np.zeros((3, 98), np.uint8)) for part in ("train", "valid", "test")})},
    "kmnist": {
        f"k-{part}-{kind}.npz": npz(arr_0=npy(array))
        for part in ("train", "test")
        for kind, array in (("imgs", IMAGES), ("labels", LABELS))
    },
    "idx": {
        f"raw/{part}-{kind}-ubyte": idx(array)
        for part in ("train", "t10k")
        for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS))
    },
    "cifar": {"data_batch_1.bin": RECORDS.tobytes(), "test_batch.bin": RECORDS.tobytes()},
    "cifar's names": {
        "batches.meta.txt": b"a\nb\n",
        "data_batch_1.bin": RECORDS.tobytes(),
        "test_batch.bin": RECORDS.tobytes(),
    },
    "norb": {f"{name}-dat.mat": PAIRS for name in NORB}
    | {f"{name}-cat.mat": norb(np.arange(2, dtype="<i4"), 0x1E3D4C54) for name in NORB},
    "csv": {"train.csv": CSV, "test.csv": CSV},
    "amat": {f"binarized_mnist_{part}.amat": AMAT for part in ("train", "valid", "test")},
    "png": {f"{name}/{number}.png": png(IMAGES[number]) for number in range(3) for name in "ab"},
    "parquet": {"train-0.parquet": parquet(6), "test-0.parquet": parquet(3)},
    **{kind: {f"{number}.{kind}": png(IMAGES[number], kind) for number in range(6)} for kind in PICTURES[1:]},
}


def load(folder, name="", **fields):
    return sources.load(Data(name=str(folder / name) if name else str(folder), **fields))


@pytest.mark.parametrize("format_", FORMATS)
def test_a_sound_data_set_of_each_format_is_read(tmp_path, format_):
    write(tmp_path, FORMATS[format_])
    dataset = load(tmp_path, next(iter(FORMATS[format_])) if format_ in ("keras", "packed") else "")
    assert len(dataset.train.images) and len(dataset.test.images)


def write(folder, contents) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=max(50, settings.default.max_examples))  # 750 in all at least
@given(data=st.data())
def test_a_damaged_data_set_is_read_or_refused_in_one_line(tmp_path, format_, data):
    contents = dict(FORMATS[format_])
    first = next(iter(contents))
    contents[first] = data.draw(damaged([contents[first]]))
    write(tmp_path, contents)
    before = listing(tmp_path)
    side = data.draw(st.sampled_from([0, 0, 3])) if format_ in PICTURES else 0
    with bounded(1 << 20 if format_ in PICTURES else len(contents[first]) * ROOM):
        try:
            dataset = load(tmp_path, first if format_ in ("keras", "packed") else "", side=side)
        except InputError as error:
            check_line(error)
        else:
            assert dataset.train.images.dtype == np.uint8 and len(dataset.train.images) == len(dataset.train.labels)
    assert listing(tmp_path) == before


def test_a_picture_that_claims_to_be_vast_costs_nothing(tmp_path):
    """A PNG of 20,000 × 20,000 pixels, which are not there, beside a sound one; resized or not."""
    write(tmp_path, FORMATS["jpeg"])
    content = bytearray(png(IMAGES[0]))
    content[16:24] = (20000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "9.png").write_bytes(content)
    for side in (0, 3):
        with bounded(1 << 20), pytest.raises(InputError, match=r"9\.png: ") as caught:
            load(tmp_path, side=side)
        check_line(caught.value)


def test_a_chunk_of_a_picture_that_claims_to_be_vast_costs_nothing(tmp_path):
    """A PNG whose packed pixels claim 16 MiB; those that are there are enough."""
    write(tmp_path, FORMATS["png"])
    content = bytearray(png(IMAGES[0]))
    content[content.index(b"IDAT") - 4] = 1
    (tmp_path / "a" / "0.png").write_bytes(content)
    with bounded(1 << 20):
        assert len(load(tmp_path).train.images)
