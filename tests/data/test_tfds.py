"""Data sets that TFDS prepared: real ones where TensorFlow is installed to prepare them, else written here by hand."""

import dataclasses
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers.parts import thirds
from pixelgan_jax.data.sources import load
from pixelgan_jax.errors import InputError

ROOT = Path(__file__).parents[2]

READ = """
import sys
import numpy as np
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
dataset = load(Data(sys.argv[1], sys.argv[2], 0, labels=0, validation=1, seed=0, levels=2, binarisation="threshold"))
assert "tensorflow" not in sys.modules
(images, labels, _), (test_images, test_labels, _) = dataset[:2]
np.savez(sys.argv[3], images=images, labels=labels, test_images=test_images, test_labels=test_labels)
"""


def data(name: str, folder="") -> Data:
    return Data(name, str(folder), classes=0, labels=0, validation=1, seed=0, levels=2, binarisation="threshold")


def feature(value: np.ndarray | int) -> tf_feature_pb2.Feature:
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        Image.fromarray(value.squeeze()).save(buffer, "PNG")
        return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[buffer.getvalue()]))
    return tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[value]))


def write_prepared(folder: Path, name: str, version: str, features=None, file_format="array_record", **parts) -> Path:
    """Lays out, without TensorFlow, what `download_and_prepare` would; returns the folder of the version."""
    place = folder / name / version
    place.mkdir(parents=True)
    for part, examples in parts.items():
        writer = ArrayRecordWriter(str(place / f"{name}-{part}.array_record-00000-of-00001"), "group_size:1")
        for example in examples:
            content = tf_feature_pb2.Features(feature={key: feature(value) for key, value in example.items()})
            writer.write(tf_example_pb2.Example(features=content).SerializeToString())
        writer.close()
    template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    splits = [
        {"name": part, "shardLengths": [str(len(examples))], "numBytes": "1", "filepathTemplate": template}
        for part, examples in parts.items()
    ]
    info = {"name": name, "version": version, "fileFormat": file_format, "splits": splits}
    (place / "dataset_info.json").write_text(json.dumps(info))
    if features is not None:
        tfds.features.FeaturesDict(features).save_config(place)
    return place


def write_own(folder: Path, count: int = 3, **changes) -> tuple[Path, np.ndarray]:
    """A data set that TFDS has no code for; `changes` are features, None to leave one out."""
    images = np.random.RandomState(0).randint(0, 256, (count, 4, 5, 3), dtype=np.uint8)
    features = {"image": tfds.features.Image(shape=(4, 5, 3)), "label": tfds.features.ClassLabel(num_classes=3)}
    features = {key: value for key, value in {**features, **changes}.items() if value is not None}
    examples = [{"image": image, "label": i % 3} for i, image in enumerate(images)]
    return write_prepared(folder, "own_images", "1.0.0", features, train=examples, test=examples[:2]), images


def test_prepared_data_set_of_the_users_own(tmp_path):
    _, images = write_own(tmp_path, count=2003)  # more than two batches of the reader
    dataset = load(data("own_images", tmp_path))
    np.testing.assert_array_equal(dataset.train.images, images)
    np.testing.assert_array_equal(dataset.train.labels, np.arange(2003) % 3)
    np.testing.assert_array_equal(dataset.test.images, images[:2])
    assert dataset.classes == 3 and dataset.train.labels.dtype == np.int32


def test_small_norb_is_reduced_and_labelled_by_category(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (4, 96, 96, 1), dtype=np.uint8)
    others = {"instance": 0, "label_azimuth": 3, "label_elevation": 2, "label_lighting": 1}
    examples = [
        {"image": image, "image2": 255 - image, "label_category": i % 2, **others} for i, image in enumerate(images)
    ]
    write_prepared(tmp_path, "smallnorb", "2.0.0", train=examples, test=examples[:2])
    dataset = load(data("smallnorb", tmp_path))
    assert dataset.train.images.shape == (4, 32, 32, 1)
    np.testing.assert_array_equal(dataset.train.images, thirds(images))
    assert dataset.train.labels.tolist() == [0, 1, 0, 1]


def read_elsewhere(name: str, folder: Path, saved: Path) -> dict[str, np.ndarray]:
    subprocess.run([sys.executable, "-c", READ, name, str(folder), str(saved)], cwd=ROOT, check=True)
    with np.load(saved) as arrays:
        return dict(arrays)


def test_reading_imports_no_tensorflow(tmp_path):
    _, images = write_own(tmp_path)
    np.testing.assert_array_equal(read_elsewhere("own_images", tmp_path, tmp_path / "read.npz")["images"], images)


DOWNLOAD = """
import sys
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
dataset = load(Data("fashion_mnist", sys.argv[1], download=True))
assert len(dataset.train.images) == 60000 and len(dataset.test.images) == 10000 and dataset.classes == 10
"""


# Not importorskip: preparing and reading are other processes', and TensorFlow need not be in this one.
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="preparing with TFDS needs tensorflow")
@pytest.mark.slow
def test_download_prepares_what_is_not_there_and_reads_what_is(shared_data, tmp_path):
    """The files lie where TFDS looks before it asks the network. The first process is killed while it prepares."""
    raw = shared_data / "fashion_mnist"
    shutil.copytree(raw, tmp_path / "downloads" / "manual")
    killed = subprocess.Popen([sys.executable, "-c", DOWNLOAD, str(tmp_path)], stderr=subprocess.DEVNULL, cwd=ROOT)
    while killed.poll() is None and not list(tmp_path.glob("fashion_mnist/*incomplete*/*")):
        time.sleep(0.05)
    killed.kill()
    assert killed.wait() == -9 and not list(tmp_path.glob("fashion_mnist/*/dataset_info.json"))
    for _ in range(2):
        subprocess.run([sys.executable, "-c", DOWNLOAD, str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
        shutil.rmtree(tmp_path / "downloads", ignore_errors=True)
    [info] = tmp_path.glob("fashion_mnist/*/dataset_info.json")
    assert json.loads(info.read_text())["fileFormat"] == "array_record"

    read = read_elsewhere("fashion_mnist", tmp_path, tmp_path / "read.npz")
    expected = load(data("fashion_mnist", raw))
    for part, prefix in (("train", ""), ("test", "test_")):
        images, labels, _ = getattr(expected, part)
        got = read[f"{prefix}images"], read[f"{prefix}labels"]
        assert got[0].shape == images.shape and got[0].dtype == np.uint8
        # TFDS shuffles what it prepares
        rows = (np.column_stack([y.astype(np.uint8), x.reshape(len(x), -1)]) for x, y in ((images, labels), got))
        assert len({tuple(sorted(map(bytes, row))) for row in rows}) == 1


def test_download_without_tensorflow_is_refused(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: name != "tensorflow" and found(name, *more) or None
    )
    with pytest.raises(InputError, match=r"^config\.data\.download: preparing 'mnist' needs TensorFlow: `pip install "):
        load(dataclasses.replace(data("mnist", tmp_path), download=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="preparing with TFDS needs tensorflow")
def test_a_download_that_fails_is_one_line(tmp_path):
    """A file of another checksum than TFDS's."""
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (manual / f"{name}-ubyte.gz").write_bytes(b"no such thing")
    with pytest.raises(InputError, match=r"^config\.data\.download: 'fashion_mnist': TFDS says: ") as caught:
        load(dataclasses.replace(data("fashion_mnist", tmp_path), download=True))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no_such_thing", "emnist/no_such_config"])
def test_unknown_name(name, tmp_path):
    with pytest.raises(
        InputError, match=r"^config\.data\.name: .* is not allowed: must be \"digits\", a TFDS name"
    ) as caught:
        load(data(name, tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "svhn_cropped", "smallnorb", "emnist/letters"])
def test_not_prepared(name, tmp_path):
    with pytest.raises(InputError, match=rf"^config\.data\.dir: '{name}' is not prepared in ") as caught:
        load(data(name, tmp_path))
    message = str(caught.value)
    assert str(tmp_path) in message and "\n" not in message and not list(tmp_path.iterdir())
    assert (
        f"tfds.builder('{name}', data_dir='{tmp_path}', file_format='array_record').download_and_prepare()" in message
    )
    assert message.endswith("raw files (docs/data.md) are not there either") == (name in ("mnist", "svhn_cropped"))


def test_not_prepared_in_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"smallnorb' is not prepared in TFDS's default folder; prepare it with"):
        load(data("smallnorb"))


def test_prepared_in_a_format_that_needs_tensorflow(tmp_path):
    write_prepared(tmp_path, "fashion_mnist", "3.0.1", file_format="tfrecord", train=[{}], test=[{}])
    with pytest.raises(InputError, match=r"3\.0\.1 is not in array_record format; delete it and prepare it with"):
        load(data("fashion_mnist", tmp_path))


FEATURES = tfds.features
UNFIT = {
    "no image": ({"image": None}, r"must have a feature image, and label where there are labels$"),
    "sizes vary": (
        {"image": FEATURES.Image(shape=(None, None, 3))},
        r"images are \(None, None, 3\); must all have",
    ),
    "deep": ({"image": FEATURES.Image(shape=(4, 5, 1), dtype=np.uint16)}, r"its images must be uint8"),
    "transparent": ({"image": FEATURES.Image(shape=(4, 5, 4))}, r"C 1 or 3"),
    "nested": ({"image": FEATURES.FeaturesDict({"left": FEATURES.Image()})}, r"its images must be uint8"),
    "floating labels": ({"label": FEATURES.Tensor(shape=(), dtype=np.float32)}, r"its label must be one integer an im"),
    "many labels": ({"label": FEATURES.Tensor(shape=(2,), dtype=np.int64)}, r"its label must be one integer an image"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_features_that_do_not_fit(tmp_path, case):
    changes, message = UNFIT[case]
    write_own(tmp_path, **changes)
    with pytest.raises(InputError, match=rf"^config\.data\.name: 'own_images' is not allowed: .*{message}"):
        load(data("own_images", tmp_path))


def test_images_without_labels_and_a_validation_part_of_their_own(tmp_path):
    """As TFDS's binarized_mnist."""
    pixels = np.random.RandomState(0).randint(0, 2, (6, 4, 4), dtype=np.uint8) * 255
    rows = [{"image": each} for each in pixels]
    features = {"image": tfds.features.Image(shape=(4, 4, 1))}
    write_prepared(tmp_path, "own_images", "1.0.0", features, train=rows[:3], test=rows[3:5], validation=rows[5:])
    found = load(data("own_images", tmp_path))
    assert found.classes == 0 and found.train.labels.tolist() == [-1] * 3
    np.testing.assert_array_equal(found.train.images[..., 0], pixels[:3])
    np.testing.assert_array_equal(found.validation.images[..., 0], pixels[5:])


def test_splits_that_are_not_there(tmp_path):
    features = {"image": tfds.features.Image(shape=(2, 2, 1)), "label": tfds.features.ClassLabel(num_classes=2)}
    image = {"image": np.zeros((2, 2), np.uint8), "label": 1}
    write_prepared(tmp_path, "own_images", "1.0.0", features, train=[image], validation=[image])
    with pytest.raises(InputError, match=r"has splits train, validation; must have train and test, with images"):
        load(data("own_images", tmp_path))


@pytest.mark.parametrize("damage", ["shard missing", "shard cut", "info cut", "not an image"])
def test_damaged(tmp_path, damage):
    place, _ = write_own(tmp_path)
    shard = place / "own_images-train.array_record-00000-of-00001"
    if damage == "shard missing":
        shard.unlink()
    elif damage == "shard cut":
        shard.write_bytes(shard.read_bytes()[:-10])
    elif damage == "info cut":
        (place / "dataset_info.json").write_text("{")
    else:
        shard.unlink()
        write_prepared(tmp_path / "other", "own_images", "1.0.0", train=[{"image": 1, "label": 1}] * 3)
        (tmp_path / "other" / "own_images" / "1.0.0" / shard.name).rename(shard)
    with pytest.raises(InputError) as caught:
        load(data("own_images", tmp_path))
    assert "own_images" in str(caught.value) and "\n" not in str(caught.value)


def test_tfds_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"^config\.data\.name: 'mnist' is no file or folder .* `pip install tensorfl"):
        load(data("mnist"))


def test_array_record_is_not_installed(tmp_path):
    """Elsewhere: TFDS keeps the package once it has imported it."""
    write_own(tmp_path)
    blocked = "import sys; sys.modules['array_record'] = None" + READ
    command = [sys.executable, "-c", blocked, "own_images", str(tmp_path), str(tmp_path / "read.npz")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("pixelgan_jax.errors.InputError: config.data.name: 'own_images' is no file or folder here")
    assert "`pip install tensorflow-datasets array_record pillow`" in last
