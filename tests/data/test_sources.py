"""The data sets this repository's users have on disk; TFDS's are in test_tfds.py, damaged files in test_files.py."""

import dataclasses
import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from sklearn.datasets import load_digits

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers.parts import thirds
from pixelgan_jax.data.sources import load
from pixelgan_jax.errors import InputError

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def data(name, folder="", seed=0) -> Data:
    return Data(
        str(name), str(folder), classes=0, labels=0, validation=1, seed=seed, levels=2, binarisation="threshold"
    )


def pictures(count: int, shape=(4, 4), seed=0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (count, *shape), dtype=np.uint8)


def write_npz(folder: Path, **changes) -> Path:
    """A folder of train.npz and test.npz, 10 and 4 images of 2 classes, but for the arrays in `changes`."""
    arrays = {"train_images": pictures(10), "train_labels": np.arange(10) % 2}
    arrays |= {"test_images": pictures(4, seed=1), "test_labels": np.arange(4) % 2, **changes}
    for part in ("train", "test"):
        np.savez(folder / f"{part}.npz", images=arrays[f"{part}_images"], labels=arrays[f"{part}_labels"])
    return folder


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, end="", mark="-") -> tuple[np.ndarray, ...]:
    labels = np.arange(10, dtype=np.uint8) % 3
    arrays = pictures(10, (5, 4)), labels, pictures(4, (5, 4), seed=1), labels[:4]
    for name, array in zip(IDX, arrays, strict=True):
        content = idx(array)
        path = folder / (name.replace("-idx", f"{mark}idx") + end)
        path.write_bytes(gzip.compress(content) if end else content)
    return arrays


def test_digits():
    dataset = load(data("digits"))
    assert dataset.train.images.shape == (1397, 8, 8, 1) and dataset.test.images.shape == (400, 8, 8, 1)
    assert dataset.classes == 10 and dataset.train.labels.dtype == np.int32
    levels = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]
    assert np.unique(dataset.train.images).tolist() == levels
    digits = load_digits()
    fixed = np.random.RandomState(0).permutation(1797)[-400:]
    np.testing.assert_array_equal(dataset.test.labels, digits.target[fixed])
    np.testing.assert_array_equal(dataset.test.images[..., 0], np.take(levels, digits.images[fixed].astype(int)))


def test_digits_read_no_folder(tmp_path):
    """Who names one there may mean other images than these; a table's cells share it with other data."""
    dataset = load(dataclasses.replace(data("digits"), dir=str(tmp_path)))
    assert len(dataset.test.images) == 400
    told = "no image is taken from config.data.dir: these come with scikit-learn; config.data.name may name a folder"
    assert dataset.notes == (told,)


def test_digits_are_the_same_whatever_the_seed():
    np.testing.assert_array_equal(load(data("digits")).test.images, load(data("digits", seed=5)).test.images)


@pytest.mark.parametrize("shape", [(4, 4), (4, 6, 1), (5, 4, 3)])
def test_folder_of_npz(tmp_path, shape):
    train, test = pictures(10, shape), pictures(4, shape, seed=1)
    dataset = load(data(write_npz(tmp_path, train_images=train, test_images=test)))
    np.testing.assert_array_equal(dataset.train.images, train.reshape(10, *shape[:2], -1))
    np.testing.assert_array_equal(dataset.test.images, test.reshape(4, *shape[:2], -1))
    assert dataset.train.labels.tolist() == [0, 1] * 5 and dataset.train.labels.dtype == np.int32


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_folder_of_idx(tmp_path, end, mark):
    arrays = write_idx(tmp_path, end, mark)
    dataset = load(data(tmp_path))
    np.testing.assert_array_equal(dataset.train.images[..., 0], arrays[0])
    np.testing.assert_array_equal(dataset.train.labels, arrays[1])
    np.testing.assert_array_equal(dataset.test.images[..., 0], arrays[2])
    np.testing.assert_array_equal(dataset.test.labels, arrays[3])
    assert dataset.classes == 3


def test_one_npz_is_split_by_the_seed(tmp_path):
    images = np.arange(23, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    np.savez_compressed(tmp_path / "all.npz", images=images, labels=np.arange(23) % 2)
    first, again, other = (load(data(tmp_path / "all.npz", seed=seed)) for seed in (0, 0, 1))
    rows = [part.images[:, 0, 0, 0].tolist() for part in (first.train, first.test)]
    assert len(rows[1]) == 4 and sorted(rows[0] + rows[1]) == list(range(23))
    np.testing.assert_array_equal(first.train.labels, first.train.images[:, 0, 0, 0] % 2)
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert not np.array_equal(first.test.images, other.test.images)


def test_one_npz_gives_up_at_most_10000_test_images(tmp_path):
    np.savez(tmp_path / "all.npz", images=np.zeros((60000, 1, 1), np.uint8), labels=np.arange(60000) % 2)
    assert len(load(data(tmp_path / "all.npz")).test.images) == 10000


def test_svhn_mat_files_win_over_tfds(tmp_path):
    parts = {}
    for part, count, compress in (("train", 12, True), ("test", 5, False)):
        images = pictures(count, (32, 32, 3), seed=count)
        labels = np.arange(1, count + 1, dtype=np.uint8)[:, None] % 10 + 1  # the last digit, 0, is written 10
        content = {"X": images.transpose(1, 2, 3, 0), "y": labels}
        savemat(tmp_path / f"{part}_32x32.mat", content, do_compression=compress)
        parts[part] = images, labels[:, 0] % 10
    dataset = load(data("svhn_cropped", tmp_path))
    assert 0 in dataset.train.labels and dataset.classes == 10
    for part, (images, labels) in parts.items():
        np.testing.assert_array_equal(getattr(dataset, part).images, images)
        np.testing.assert_array_equal(getattr(dataset, part).labels, labels)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_win_over_tfds(tmp_path, name, monkeypatch):
    arrays = write_idx(tmp_path, ".gz")
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()  # where config.data.dir is set, a folder of that name is not what is meant
    np.testing.assert_array_equal(load(data(name, tmp_path)).train.images[..., 0], arrays[0])


def test_relative_and_home_paths(tmp_path, monkeypatch):
    write_npz(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (tmp_path.name, f"./{tmp_path.name}", f"../{tmp_path.parent.name}/{tmp_path.name}", "~"):
        assert len(load(data(name)).train.images) == 10, name


@pytest.mark.parametrize(("name", "size"), [("mnist", (60000, 10000, 28, 1)), ("fashion_mnist", (60000, 10000, 28, 1))])
def test_published_idx_files(shared_data, name, size):
    dataset = load(data(shared_data / name))
    assert (len(dataset.train.images), len(dataset.test.images), *dataset.test.images.shape[2:]) == size
    assert np.bincount(dataset.test.labels).shape == (10,) and dataset.classes == 10


def test_published_mnist_is_itself(shared_data):
    """The first ten labels, the mean of the pixels that everyone normalises with, and the classes' sizes."""
    dataset = load(data("mnist", shared_data / "mnist"))
    assert dataset.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert dataset.train.images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert np.bincount(dataset.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_svhn_sample(shared_data):
    dataset = load(data(shared_data / "svhn_sample"))
    assert dataset.train.images.shape == (1083, 32, 32, 3) and dataset.test.images.shape == (486, 32, 32, 3)
    assert np.bincount(dataset.train.labels).tolist() == [66, 227, 141, 134, 110, 112, 78, 70, 78, 67]


def test_the_first_classes_alone():
    whole = load(data("digits"))
    dataset = load(dataclasses.replace(data("digits"), classes=3))
    assert dataset.classes == 3 and np.unique(dataset.test.labels).tolist() == [0, 1, 2]
    for part, before in zip(dataset[:2], whole[:2], strict=True):
        np.testing.assert_array_equal(part.images, before.images[before.labels < 3])
        np.testing.assert_array_equal(part.labels, before.labels[before.labels < 3])
    for count in (1, 11):
        message = f"config.data.classes: {count} is not allowed: must be 0, or from 2 to the data's 10"
        with pytest.raises(InputError, match=message):
            load(dataclasses.replace(data("digits"), classes=count))


def test_classes_that_leave_a_part_without_images_are_refused(tmp_path):
    path = write_npz(tmp_path, train_labels=np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]), test_labels=np.full(4, 2))
    message = "config.data.classes: 2 is not allowed: leaves no test image of its classes"
    with pytest.raises(InputError, match=message):
        load(dataclasses.replace(data(path), classes=2))


def test_a_third_of_the_side_is_the_blocks_means():
    image = np.zeros((1, 6, 3, 1), np.uint8)
    image[0, :3, :, 0] = [[0, 1, 2], [3, 4, 5], [6, 7, 9]]  # 37 / 9 = 4.1
    image[0, 3:, :, 0] = [[255, 255, 255], [255, 255, 255], [255, 255, 250]]  # 2290 / 9 = 254.4
    np.testing.assert_array_equal(thirds(image)[0, :, 0, 0], [4, 254])
    image[0, 5, 2, 0] = 251  # 2291 / 9 = 254.6
    np.testing.assert_array_equal(thirds(image)[0, :, 0, 0], [4, 255])


REFUSED = {
    "labels": (
        {"train_labels": np.array([0, -2] * 5)},
        r"train labels go from -2 to 0; must be from 0 to 2147483647, or -1",
    ),
    "huge": ({"test_labels": np.array([2**64 - 1] * 4, np.uint64)}, r"test labels go from 18446744073709551615"),
    "unknown": ({"test_labels": np.array([0, 1, 2, 3])}, r"test label 2 is no train label; must be one of those"),
    "not one-hot": ({"train_labels": np.ones((10, 2), int)}, r"train labels are \[10, 2\] and not one-hot"),
    "sizes": ({"test_images": pictures(4, (5, 4))}, r"\[4, 4, 1\] and \[5, 4, 1\]; must have the same shape"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_labels_and_shapes_that_do_not_fit(tmp_path, case):
    arrays, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        load(data(write_npz(tmp_path, **arrays)))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "nowhere.npz", "~/nowhere", "no/where", "No/Where"])
def test_names_no_file_or_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"^config\.data\.name: .*: no such file or folder; must be"):
        load(data(name))


def test_an_archive_is_to_be_unpacked(tmp_path):
    (tmp_path / "own.tar.gz").touch()
    with pytest.raises(InputError, match=r"own\.tar\.gz: is an archive; must be unpacked, and config\.data\.name be"):
        load(data(str(tmp_path / "own.tar.gz")))


@pytest.mark.parametrize("name", ["Mnist", "mnist:3.0.1", "huggingface:mnist", "mnist?", "emnist letters"])
def test_names_that_are_neither_a_path_nor_tfds(name):
    with pytest.raises(InputError, match=r"^config\.data\.name: .* is not allowed: must be \"digits\""):
        load(data(name))


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "train.pickle").write_text("1,2\n")
    with pytest.raises(InputError, match=r"^config\.data\.name: .*train\.pickle' is not allowed"):
        load(data(tmp_path / "train.pickle"))


@pytest.mark.parametrize("kept", ["", *IDX])
def test_folder_with_files_missing(tmp_path, kept):
    """An empty folder is told what it must hold; one with some of the files, which is missing."""
    write_idx(tmp_path)
    for name in IDX:
        if name != kept:
            os.remove(tmp_path / name)
    message = r"idx\d-ubyte: no such file$" if kept else r"holds nothing; must hold images in one of the formats"
    with pytest.raises(InputError, match=message):
        load(data(tmp_path))


@pytest.mark.parametrize(("missing", "name"), [("test.npz", ""), ("test_32x32.mat", "svhn_cropped")])
def test_half_a_data_set(tmp_path, missing, name):
    write_npz(tmp_path)
    savemat(tmp_path / "train_32x32.mat", {"X": np.ones((32, 32, 3, 2), np.uint8), "y": np.array([[1], [2]])})
    (tmp_path / missing).unlink(missing_ok=True)
    with pytest.raises(InputError, match=rf"{missing}: no such file$"):
        load(data(name, tmp_path) if name else data(tmp_path))


def test_too_few_images_to_split(tmp_path):
    np.savez(tmp_path / "few.npz", images=pictures(4), labels=np.arange(4) % 2)
    with pytest.raises(InputError, match=r"few\.npz: 4 images; must be at least 5"):
        load(data(tmp_path / "few.npz"))


def test_a_side_is_of_pictures_alone(tmp_path):
    np.savez(tmp_path / "own.npz", images=pictures(20), labels=np.arange(20) % 2)
    told = "the images stay 4×4: config.data.side resizes picture files alone"
    for side, notes in ((9, (told,)), (4, ()), (0, ())):
        found = load(dataclasses.replace(data(tmp_path / "own.npz"), side=side))
        assert found.notes == notes and found.train.images.shape[1:] == (4, 4, 1)


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 0, 1, 1, 1, 1, 2], [-1, -1, 0, 1, 1], [1, 0, 0, 0, 0]])
def test_a_class_of_one_image_stays_in_training(tmp_path, labels, seed):
    images = pictures(len(labels))
    np.savez(tmp_path / "own.npz", images=images, labels=np.array(labels))
    found = load(data(tmp_path / "own.npz", seed=seed))
    assert len(found.test.images) == len(labels) // 5
    of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert {image.tobytes() for part in (found.train, found.test) for image in part.images} == set(of)
    for part in (found.train, found.test):  # each with its own label
        assert part.labels.tolist() == [of[image.tobytes()] for image in part.images[..., 0]]
    assert set(labels) - {-1} <= set(found.train.labels.tolist())


def test_images_of_as_many_classes_cannot_be_parted(tmp_path):
    np.savez(tmp_path / "own.npz", images=pictures(5), labels=np.arange(5))
    with pytest.raises(InputError, match=r"own\.npz: 5 images of 5 classes; must be more, since a fifth are test$"):
        load(data(tmp_path / "own.npz"))
