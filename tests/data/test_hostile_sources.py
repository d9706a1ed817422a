"""Properties of data sets as a whole: any labels, names and TFDS folders load or are refused with one line."""

import io
import json
import os
import resource

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from pixelgan_jax.config import Data
from pixelgan_jax.data import sources
from pixelgan_jax.data.splits import split
from pixelgan_jax.errors import InputError
from tests.data.test_hostile_files import damaged
from tests.data.test_tfds import data, write_own
from tests.hostile import JSON, TEXT, bounded, check_line, listing

TFDS = 64 << 20  # bytes that importing it takes


@st.composite
def labels(draw) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(["u1", "i1", "<u2", ">i2", "<i4", "<i8", ">u8"])))
    bounds = np.iinfo(dtype)
    value = st.integers(0, 3) | st.sampled_from(
        [bounds.min, bounds.max, min(bounds.max, 65535), min(bounds.max, 65536)]
    )
    return np.array(draw(st.lists(value | st.integers(bounds.min, bounds.max), min_size=1, max_size=30)), dtype)


@given(labels=labels(), count=st.integers(0, 40), validation=st.integers(1, 40), seed=st.integers(0, 2**31 - 1))
def test_any_labels(tmp_path, labels, count, validation, seed):
    np.savez(tmp_path / "all.npz", images=np.zeros((len(labels), 2, 2), np.uint8), labels=labels)
    name = str(tmp_path / "all.npz")
    with bounded(2 << 20):  # 65,536 classes are counted
        try:
            data = Data(name, "", 0, count, validation, seed, 2, "threshold")
            dataset = sources.load(data)
            parts = split(dataset, data)
        except InputError as error:
            check_line(error)
            return
    assert len(parts.labelled) == count and len(parts.validation.labels) == validation
    assert 0 <= parts.train.labels.min() and parts.train.labels.max() < dataset.classes <= 65536


@given(name=TEXT.filter(bool), folder=TEXT)
def test_any_name_of_a_data_set(tmp_path, monkeypatch, name, folder):
    """Names of what lies outside of this folder are left out: what they stand for is the machine's."""
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    assume("\0" not in name + folder)  # config's to refuse
    here, places = os.getcwd(), (os.path.abspath(os.path.expanduser(text)) for text in (name, folder))
    assume(all(place.startswith(here) for place in places))
    before = listing(tmp_path)
    with bounded(TFDS):
        try:
            sources.load(Data(name, folder, 0, 0, 1, 0, 2, "threshold"))
        except InputError as error:
            check_line(error)
        else:
            assert name == "digits"
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["x" * 300, "locked"])
def test_what_the_system_will_not_open_is_named(tmp_path, name):
    """A name longer than any file's, and a folder that may not be read; root, who may, reads an empty one."""
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(InputError, match="config.data.name.*xxx|locked") as caught:
        sources.load(Data(str(tmp_path / name), "", 0, 0, 1, 0, 2, "threshold"))
    check_line(caught.value)


def picture(content: np.ndarray, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(content).save(buffer, form)
    return buffer.getvalue()


def write_records(place, records: list[bytes], part: str = "train") -> None:
    """Replaces the part's shard of write_own by one of these records."""
    shard = place / f"own_images-{part}.array_record-00000-of-00001"
    shard.unlink()
    writer = ArrayRecordWriter(str(shard), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()


def example(image: bytes, label: int = 1) -> bytes:
    held = {
        "image": tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[image])),
        "label": tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[label])),
    }
    return tf_example_pb2.Example(features=tf_feature_pb2.Features(feature=held)).SerializeToString()


GOOD = picture(np.zeros((4, 5, 3), np.uint8))


def loads_or_is_refused(folder) -> None:
    try:
        with bounded(TFDS):
            dataset = sources.load(data("own_images", folder))
    except InputError as error:
        check_line(error)
        assert "own_images" in str(error)
    else:
        assert dataset.train.images.shape[1:] == (4, 5, 3)


@given(record=damaged([example(GOOD)]) | st.binary(max_size=50) | damaged([GOOD]).map(example))
def test_tfds_records_of_any_bytes(tmp_path_factory, record):
    folder = tmp_path_factory.mktemp("tfds")
    place, _ = write_own(folder)
    write_records(place, [record, example(GOOD), example(GOOD)])
    loads_or_is_refused(folder)


@pytest.mark.filterwarnings("default")  # TFDS has warnings of its own for odd descriptions
@given(
    name=st.sampled_from(["dataset_info.json", "features.json", "own_images-train.array_record-00000-of-00001"]),
    field=st.sampled_from(["name", "version", "fileFormat", "splits", "type", "featuresDict", "pythonClassName"])
    | TEXT,
    value=JSON,
    data=st.data(),
)
def test_tfds_folders_with_any_file_changed(tmp_path_factory, name, field, value, data):
    folder = tmp_path_factory.mktemp("tfds")
    place, _ = write_own(folder)
    content = (place / name).read_bytes()
    if name.endswith(".json") and data.draw(st.booleans()):
        content = json.dumps(json.loads(content) | {field: value}).encode()
    else:
        content = data.draw(damaged([content]))
    (place / name).write_bytes(content)
    loads_or_is_refused(folder)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (picture(np.zeros((9000, 9000), np.uint8)), "an image of 9000 × 9000 pixels, not 4 × 5"),
        (picture(np.zeros((5, 4, 3), np.uint8)), "an image of 5 × 4 pixels, not 4 × 5"),
        (picture(np.zeros((4, 5), np.uint8)), "cannot reshape"),
        (picture(np.zeros((4, 5, 4), np.uint8)), "cannot reshape"),
        (picture(np.zeros((4, 5, 3), np.uint8), "GIF"), "cannot identify image file"),
        # a format that Pillow has a program run for
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 4\n%%EndComments\n", "cannot identify image file"),
    ],
    ids=["gigantic", "turned", "grey", "transparent", "gif", "postscript"],
)
def test_a_record_that_is_not_the_picture_it_should_be_is_refused_unopened(tmp_path, record, message):
    place, _ = write_own(tmp_path)
    write_records(place, [example(record)] * 3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=rf"damaged or unreadable: {message}"):
        sources.load(data("own_images", tmp_path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kilobytes


@pytest.mark.parametrize("count", ["1000000000000", "4", "-1", "0"])
def test_a_tfds_description_that_claims_other_numbers_of_images_is_refused(tmp_path, count):
    place, _ = write_own(tmp_path)
    info = json.loads((place / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"] = [count]
    (place / "dataset_info.json").write_text(json.dumps(info))
    with bounded(TFDS), pytest.raises(InputError, match="own_images"):
        sources.load(data("own_images", tmp_path))


def test_a_record_without_a_label_is_refused(tmp_path):
    place, _ = write_own(tmp_path)
    write_records(place, [example(GOOD), example(GOOD).replace(b"label", b"lapel"), example(GOOD)])
    with pytest.raises(InputError, match="damaged or unreadable"):
        sources.load(data("own_images", tmp_path))
