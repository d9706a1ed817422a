"""Every format that is read, in the layout in which people have it, made here with real arrays."""

import gzip
import io
import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load, unsplit
from pixelgan_jax.data.splits import split
from pixelgan_jax.errors import InputError

RANDOM = np.random.RandomState(0)
TRAIN, TEST = (RANDOM.randint(0, 256, (count, 6, 6), dtype=np.uint8) for count in (20, 8))
LABELS, TEST_LABELS = np.arange(20) % 4, np.arange(8) % 4
COLOURED = RANDOM.randint(0, 256, (20, 32, 32, 3), dtype=np.uint8)


def data(name, **fields) -> Data:
    return Data(name=str(name), **{"validation": 4} | fields)


def expect(dataset, train=TRAIN, labels=LABELS, test=TEST, test_labels=TEST_LABELS, classes=4):
    """The data set holds these images and classes."""
    for found, images, told in ((dataset.train, train, labels), (dataset.test, test, test_labels)):
        images = images if images.ndim == 4 else images[..., None]
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, told)
        assert found.images.dtype == np.uint8 and found.labels.dtype == np.int32
    assert dataset.classes == classes == len(dataset.names)


def refused(name, message, **fields) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(data(name, **fields))
    assert "\n" not in str(caught.value)


def test_keras_npz(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=TRAIN, y_train=LABELS, x_test=TEST, y_test=TEST_LABELS)
    expect(load(data(tmp_path / "mnist.npz")))


def test_keras_npz_with_validation_images(tmp_path):
    there = {"x_val": TEST, "y_val": TEST_LABELS, "extra": LABELS}
    np.savez(tmp_path / "all.npz", x_train=TRAIN, y_train=LABELS, x_test=TEST, y_test=TEST_LABELS, **there)
    dataset = load(data(tmp_path / "all.npz", validation=0))
    np.testing.assert_array_equal(dataset.validation.images[..., 0], TEST)
    assert dataset.notes == ("all.npz: extra not read",)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_own_validation_images_that_are_trained_on_are_told_of(tmp_path, name):
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=LABELS)
    for part in ("test", name):
        np.savez(tmp_path / f"{part}.npz", images=TEST, labels=TEST_LABELS)
    told = "the data's own 8 validation images are training images too; config.data.validation=0 keeps them for"
    assert load(data(tmp_path)).notes == (f"{told} validation",)
    assert load(data(tmp_path, validation=0)).notes == ()


def test_medmnist_npz_and_its_own_validation_images(tmp_path):
    column = LABELS[:, None].astype(np.uint8)  # [N, 1], as all of MedMNIST's
    np.savez(
        tmp_path / "pathmnist.npz",
        **{"train_images": COLOURED, "train_labels": column, "val_images": COLOURED[:5], "val_labels": column[:5]},
        **{"test_images": COLOURED[5:13], "test_labels": column[5:13]},
    )
    dataset = load(data(tmp_path / "pathmnist.npz"))
    expect(dataset, COLOURED, LABELS, COLOURED[5:13], LABELS[5:13])
    own = split(dataset, data("", validation=0))
    np.testing.assert_array_equal(own.validation.images, COLOURED[:5])
    assert len(own.train.images) == 20
    mixed = split(dataset, data("", validation=3))  # then they are training images like the others
    assert len(mixed.train.images) == 22 and len(mixed.validation.images) == 3


def test_data_without_validation_images_of_their_own(tmp_path):
    np.savez(tmp_path / "all.npz", images=TRAIN, labels=LABELS)
    with pytest.raises(InputError, match=r"^config\.data\.validation: 0 .* have none of their own"):
        split(load(data(tmp_path / "all.npz")), data("", validation=0))


@pytest.mark.parametrize("told", [np.eye(4, dtype=int)[LABELS], LABELS[:, None]], ids=["one-hot", "column"])
def test_labels_in_columns(tmp_path, told):
    np.savez(tmp_path / "all.npz", images=TRAIN, labels=told)
    dataset = load(data(tmp_path / "all.npz"))
    whole = np.concatenate([dataset.train.labels, dataset.test.labels])
    np.testing.assert_array_equal(np.bincount(whole), [5, 5, 5, 5])


def test_positional_npz(tmp_path):
    np.savez(tmp_path / "all.npz", TRAIN, LABELS)
    dataset = load(data(tmp_path / "all.npz"))
    assert dataset.classes == 4 and len(dataset.train.images) == 16 and len(dataset.test.images) == 4


@pytest.mark.parametrize("array", ["images", "arr_0"])
def test_npz_without_labels(tmp_path, array):
    np.savez(tmp_path / "all.npz", **{array: TRAIN})
    dataset = load(data(tmp_path / "all.npz"))
    assert dataset.classes == 0 and dataset.names == () and np.all(dataset.train.labels == -1)
    parts = split(dataset, data("", validation=4))
    assert len(parts.train.images) == 12 and len(parts.labelled) == 0
    with pytest.raises(InputError, match=r"^config\.data\.labels: 2 .* the images have no labels"):
        split(dataset, data("", labels=2))


def test_one_class_is_no_label(tmp_path):
    np.savez(tmp_path / "all.npz", images=TRAIN, labels=np.ones(20, int))
    dataset = load(data(tmp_path / "all.npz"))
    assert dataset.classes == 0 and np.all(dataset.train.labels == -1)


def test_kmnist_npz(tmp_path):
    for part, images, labels in (("train", TRAIN, LABELS), ("test", TEST, TEST_LABELS)):
        np.savez_compressed(tmp_path / f"kmnist-{part}-imgs.npz", images)
        np.savez_compressed(tmp_path / f"kmnist-{part}-labels.npz", labels.astype(np.uint8))
    expect(load(data(tmp_path)))


def idx(array, kind=8) -> bytes:
    return bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, prefix="", test="t10k", end="", train=TRAIN, asked=TEST) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, images, labels in (("train", train, LABELS), (test, asked, TEST_LABELS)):
        for name, content in (("images-idx3", idx(images)), ("labels-idx1", idx(labels.astype(np.uint8)))):
            path = folder / f"{prefix}{part}-{name}-ubyte{end}"
            path.write_bytes(gzip.compress(content) if end else content)


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw", "KMNIST/raw"])
def test_idx_as_torchvision_lays_it(tmp_path, place):
    write_idx(tmp_path / place, end=".gz")
    expect(load(data(tmp_path)))


def test_torchvisions_folder_of_several_data_sets(tmp_path):
    """A name finds its own; a path has to say which."""
    for name, images in (("FashionMNIST", 255 - TRAIN), ("MNIST", TRAIN)):
        (tmp_path / name / "raw").mkdir(parents=True)
        write_idx(tmp_path / name / "raw", train=images)
    refused(tmp_path, r"holds FashionMNIST/raw and MNIST/raw; must be one, as config\.data\.name=\S*/FashionMNIST/raw$")
    for name, images in (("mnist", TRAIN), ("fashion_mnist", 255 - TRAIN), (str(tmp_path / "MNIST"), TRAIN)):
        found = load(data(name, dir="" if "/" in name else str(tmp_path)))
        np.testing.assert_array_equal(found.train.images[..., 0], images)
    shutil.rmtree(tmp_path / "FashionMNIST")
    with pytest.raises(InputError):  # nor does another's stand in for one that is missing
        load(data("fashion_mnist", dir=str(tmp_path)))
    load(data(tmp_path, dir="elsewhere"))  # which says nothing of a path
    (tmp_path / "MNIST").rename(tmp_path / "mine")
    load(data("fashion_mnist", dir=str(tmp_path)))  # a folder that is called as none is whose it is said to be


def test_idx_of_another_data_set(tmp_path):
    write_idx(tmp_path, prefix="letters-", test="test")
    expect(load(data(tmp_path)))


def test_emnist_is_turned_upright(tmp_path):
    write_idx(tmp_path, "emnist-letters-", "test", ".gz", TRAIN.swapaxes(1, 2), TEST.swapaxes(1, 2))
    expect(load(data(tmp_path)))


def test_one_of_several_idx_sets(tmp_path):
    write_idx(tmp_path, "emnist-digits-", "test", train=TRAIN[::-1])
    write_idx(tmp_path, "emnist-letters-", "test", ".gz", TRAIN.swapaxes(1, 2), TEST.swapaxes(1, 2))
    refused(tmp_path, r"holds emnist-digits-, emnist-letters-; must be one: .* as in .*/emnist-digits-$")
    expect(load(data(tmp_path / "emnist-letters")))


def test_qmnist_labels(tmp_path):
    write_idx(tmp_path, prefix="qmnist-", test="test")
    for part, labels in (("train", LABELS), ("test", TEST_LABELS)):
        (tmp_path / f"qmnist-{part}-labels-idx1-ubyte").unlink()
        rows = np.stack([labels, *np.full((7, len(labels)), 9)], axis=1).astype(">i4")
        (tmp_path / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(gzip.compress(idx(rows, 12)))
    expect(load(data(tmp_path)))


def test_qmnist_labels_of_no_columns(tmp_path):
    write_idx(tmp_path, prefix="qmnist-", test="test")
    (tmp_path / "qmnist-train-labels-idx1-ubyte").unlink()
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(idx(np.zeros((20, 0), ">i4"), 12))
    refused(tmp_path, r"qmnist-train-labels-idx2-int: is \[20, 0\]; must have at least one column")


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [0, 2, 7, 30], [100, 200, 65536, 70000]])
def test_classes_are_the_labels_that_occur(tmp_path, values):
    """From 1, with gaps, however large: their own values are the classes' names."""
    values = np.array(values)
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=values[LABELS])
    np.savez(tmp_path / "test.npz", images=TEST, labels=values[TEST_LABELS])
    dataset = load(data(tmp_path))
    expect(dataset)
    assert dataset.names == tuple(str(value) for value in values)


def test_images_without_a_label_among_others(tmp_path):
    """They train; validation and the labelled images are drawn among the others."""
    labels = np.where(np.arange(20) < 12, LABELS, -1)
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=labels.astype(np.int16))
    np.savez(tmp_path / "test.npz", images=TEST, labels=TEST_LABELS)
    dataset = load(data(tmp_path))
    expect(dataset, labels=labels)
    parts = split(dataset, data("", validation=3, labels=4))
    assert np.all(parts.validation.labels >= 0) and np.all(parts.train.labels[parts.labelled] >= 0)
    assert np.sum(parts.train.labels == -1) == 8 and len(parts.train.images) == 17
    np.testing.assert_array_equal(np.bincount(parts.train.labels[parts.labelled]), [1, 1, 1, 1])


def test_labelled_images_need_not_be_balanced(tmp_path):
    labels = np.array([0] * 13 + [1] * 5 + [-1] * 2)
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=labels)
    np.savez(tmp_path / "test.npz", images=TEST, labels=TEST_LABELS % 2)
    dataset = load(data(tmp_path))
    parts = split(dataset, data("", validation=2, labels=16, balanced=False))
    assert np.all(parts.train.labels[parts.labelled] >= 0) and len(parts.labelled) == 16
    with pytest.raises(InputError, match=r"^config\.data\.labels: 17 .* must be at most 16$"):
        split(dataset, data("", validation=2, labels=17, balanced=False))


def test_csv_as_a_spreadsheet_saves_it(tmp_path):
    """With a byte order mark."""
    rows = "\n".join(",".join(map(str, [label, *range(9)])) for label in (0, 1, 0, 1, 0))
    (tmp_path / "own.csv").write_text(f"label,{','.join('abcdefghi')}\n{rows}\n", encoding="utf-8-sig")
    found = load(data(tmp_path / "own.csv"))
    assert found.classes == 2 and found.train.images[0].ravel().tolist() == list(range(9))


def test_packed_binarised_mnist(tmp_path):
    bits = RANDOM.randint(0, 2, (10, 784), dtype=np.uint8)
    rows = np.packbits(bits, axis=1)
    np.savez(tmp_path / "binarized_mnist_packed.npz", train=rows[:5], valid=rows[5:8], test=rows[8:])
    dataset = load(data(tmp_path / "binarized_mnist_packed.npz"))
    np.testing.assert_array_equal(dataset.train.images, 255 * bits[:5].reshape(5, 28, 28, 1))
    by_name = load(data("binarized_mnist", dir=str(tmp_path)))
    np.testing.assert_array_equal(by_name.test.images, 255 * bits[8:].reshape(2, 28, 28, 1))
    np.testing.assert_array_equal(
        split(dataset, data("", validation=0)).validation.images.reshape(3, -1), 255 * bits[5:8]
    )
    assert dataset.classes == 0


def test_binarised_mnist_amat(tmp_path):
    bits = RANDOM.randint(0, 2, (6, 784))
    for part, rows in (("train", bits[:3]), ("valid", bits[3:4]), ("test", bits[4:])):
        np.savetxt(tmp_path / f"binarized_mnist_{part}.amat", rows, fmt="%d")
    for dataset in (load(data(tmp_path)), load(data("binarized_mnist", dir=str(tmp_path)))):
        np.testing.assert_array_equal(dataset.train.images, 255 * bits[:3].reshape(3, 28, 28, 1))
        np.testing.assert_array_equal(dataset.test.images, 255 * bits[4:].reshape(2, 28, 28, 1))


def test_a_folder_without_binarised_mnist_is_refused(tmp_path):
    with pytest.raises(InputError, match="binarized_mnist"):
        load(data("binarized_mnist", dir=str(tmp_path)))
    np.savetxt(tmp_path / "binarized_mnist_train.amat", np.zeros((2, 784)), fmt="%d")
    with pytest.raises(InputError, match="binarized_mnist_valid.amat"):
        load(data("binarized_mnist", dir=str(tmp_path)))


@pytest.mark.parametrize("name", ["all.npz", "train.npz"])
def test_labels_of_another_name_are_told_of(tmp_path, name):
    np.savez(tmp_path / name, images=TRAIN, label=LABELS)
    if name == "train.npz":
        np.savez(tmp_path / "test.npz", images=TEST)
    dataset = load(data(tmp_path / name if name == "all.npz" else tmp_path))
    assert dataset.classes == 0
    assert dataset.notes == (f"{name}: label not read: labels must be called labels",)


def test_kaggles_csv(tmp_path):
    header = "label," + ",".join(f"pixel{number}" for number in range(36))
    rows = np.concatenate([LABELS[:, None], TRAIN.reshape(20, -1)], axis=1)
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",", header=header, comments="")
    judged = ",".join(f"pixel{number}" for number in range(36))  # without labels: for the judges
    np.savetxt(tmp_path / "test.csv", TEST.reshape(8, -1), "%d", ",", header=judged, comments="")
    for name in (tmp_path, tmp_path / "train.csv"):
        dataset = load(data(name))
        assert dataset.classes == 4 and len(dataset.train.images) == 16 and len(dataset.test.images) == 4
        assert {image.tobytes() for image in dataset.train.images} < {image.tobytes() for image in TRAIN}
    assert load(data(tmp_path)).notes == (
        "no image is taken from test, which has no labels; --mode predict takes them",
    )
    (train, test), notes = unsplit(data(tmp_path))
    assert (train.part, test.part, notes) == ("train", "test", ()) and set(test.labels) == {""}
    np.testing.assert_array_equal(test.images[..., 0], TEST)


@pytest.mark.parametrize("beginning", ["", "fashion-mnist_"])
def test_csv_without_header(tmp_path, beginning):
    rows = np.concatenate([LABELS[:, None], TRAIN.reshape(20, -1)], axis=1)
    np.savetxt(tmp_path / f"{beginning}train.csv", rows, "%d", ",")
    np.savetxt(tmp_path / f"{beginning}test.csv", rows[:8], "%d", ",")
    expect(load(data(tmp_path)), test=TRAIN[:8], test_labels=LABELS[:8])


@pytest.mark.parametrize("labelled", [True, False])
def test_csv_whose_header_counts_its_columns(tmp_path, labelled):
    """As pandas writes an array."""
    rows = TRAIN.reshape(20, -1)
    rows = np.concatenate([LABELS[:, None], rows], axis=1) if labelled else rows
    header = ",".join(map(str, range(rows.shape[1])))
    np.savetxt(tmp_path / "own.csv", rows, "%d", ",", header=header, comments="")
    (found,), _ = unsplit(data(tmp_path / "own.csv"))
    np.testing.assert_array_equal(found.images[..., 0], TRAIN)
    assert found.labels == [str(label) if labelled else "" for label in LABELS]


@pytest.mark.parametrize("columns", ["id,{pixels},label", "Id,label,{pixels}", ",label,{pixels}"])
def test_csv_whose_header_says_where_the_label_is(tmp_path, columns):
    header = columns.format(pixels=",".join(f"pixel{number}" for number in range(36)))
    at = header.split(",").index("label")
    rows = np.insert(TRAIN.reshape(20, -1), at - 1, LABELS, axis=1)
    rows = np.insert(rows, 0, np.arange(20) + 500, axis=1)
    np.savetxt(tmp_path / "own.csv", rows, "%d", ",", header=header, comments="")
    (found,), _ = unsplit(data(tmp_path / "own.csv"))
    np.testing.assert_array_equal(found.images[..., 0], TRAIN)
    assert found.labels == list(map(str, LABELS))


def test_csv_of_emnist_is_turned_upright_as_its_other_files_are(tmp_path):
    for part, images, labels in (("train", TRAIN, LABELS), ("test", TEST, TEST_LABELS)):
        rows = np.concatenate([labels[:, None], images.swapaxes(1, 2).reshape(len(images), -1)], axis=1)
        np.savetxt(tmp_path / f"emnist-letters-{part}.csv", rows, "%d", ",")
    expect(load(data(tmp_path)))


@pytest.mark.parametrize("row", ["{},7,1", "{},1,640,480", "{},0,1,0,0"])
def test_a_csv_that_tells_of_pictures_is_not_taken_for_them(tmp_path, row):
    for number in range(20):
        (tmp_path / "train" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(TRAIN[number]).save(tmp_path / "train" / str(number % 2) / f"{number}.png")
    table = "\n".join(["id,a,b,c,d"[: row.count(",") * 2 + 2], *(row.format(number) for number in range(20))])
    (tmp_path / "train.csv").write_text(table + "\n")
    assert load(data(tmp_path)).classes == 2


def test_endings_may_be_in_capitals(tmp_path):
    np.savez(tmp_path / "own.npz", images=TRAIN, labels=LABELS)
    (tmp_path / "own.npz").rename(tmp_path / "OWN.NPZ")
    np.savetxt(tmp_path / "OWN.CSV", TRAIN.reshape(20, -1), "%d", ",")
    write_parquet(tmp_path / "OWN.PARQUET", TRAIN)
    for ending in ("NPZ", "CSV", "PARQUET"):
        (found,), _ = unsplit(data(tmp_path / f"OWN.{ending}"))
        np.testing.assert_array_equal(found.images[..., 0], TRAIN)


def test_several_data_sets_in_a_folder_are_refused(tmp_path):
    for name in ("k49", "kmnist"):
        (tmp_path / f"{name}-train-imgs.npz").write_bytes(b"")
    refused(tmp_path, "holds k49-train-imgs.npz, kmnist-train-imgs.npz; must hold one of them")
    for name in ("cifar-10-batches-bin/data_batch_1.bin", "cifar-100-binary/train.bin"):
        (tmp_path / "both" / name).parent.mkdir(parents=True)
        (tmp_path / "both" / name).write_bytes(b"")
    refused(tmp_path / "both", "holds cifar-10-batches-bin, cifar-100-binary; must hold one of them")


def test_test_images_without_labels_are_for_prediction_alone(tmp_path):
    """Whether they are called so or have none at all."""
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=LABELS)
    for unlabelled in ({}, {"labels": np.full(8, -1)}):
        np.savez(tmp_path / "test.npz", images=TEST, **unlabelled)
        dataset = load(data(tmp_path))
        assert (len(dataset.train.images), len(dataset.test.images)) == (16, 4) and dataset.test.labels.min() >= 0
        assert dataset.notes == ("no image is taken from test, which has no labels; --mode predict takes them",)
        assert [part.part for part in unsplit(data(tmp_path))[0]] == ["train", "test"]


def test_labelled_test_images_beside_training_images_without_labels_are_refused(tmp_path):
    """And not left out without a word."""
    np.savetxt(tmp_path / "train.csv", TRAIN.reshape(20, -1), "%d", ",")
    np.savetxt(tmp_path / "test.csv", np.concatenate([TEST_LABELS[:, None], TEST.reshape(8, -1)], axis=1), "%d", ",")
    refused(tmp_path, "test label 0 is no train label")


def test_csv_without_header_keeps_a_first_row_without_a_label(tmp_path):
    rows = np.concatenate([LABELS[:, None], TRAIN.reshape(20, -1)], axis=1)
    rows[0, 0] = -1
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",")
    np.savetxt(tmp_path / "test.csv", rows[1:9], "%d", ",")
    labels = np.where(np.arange(20) == 0, -1, LABELS)
    expect(load(data(tmp_path)), labels=labels, test=TRAIN[1:9], test_labels=LABELS[1:9])


def test_the_first_classes_alone_have_no_image_without_a_label(tmp_path):
    labels = np.where(np.arange(20) < 3, -1, LABELS)
    np.savez(tmp_path / "train.npz", images=TRAIN, labels=labels)
    np.savez(tmp_path / "test.npz", images=TEST, labels=TEST_LABELS)
    dataset = load(data(tmp_path, classes=2))
    found = dataset.train.labels
    assert set(found) == {0, 1} and len(found) == np.sum((labels == 0) | (labels == 1))
    assert dataset.notes == ("3 training images without labels are left out, since config.data.classes is set",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,a,b\n1,2,3\n", "2 pixels; must be a square"),
        ("label,a\n1,300\n", "pixels go from 300 to 300"),
        ("label,a\n1,x\n", "damaged or unreadable"),
        ("a,b,label\n1,2\n", "names 3 columns and has rows of 2; must be as many"),
        ("label,a\n1.0,0.5\n", "must be whole numbers, pixels of 0 to 255"),
        ("1.0e0,0.5\n1.0e0,0.5\n", "at row 0, .*must be whole numbers, pixels of 0 to 255"),
        ("label,a\n", "rows of"),
        ("target,a\n1,2\n", "has 2 columns of numbers; must be the pixels of a square, .*called label"),
        ("", "rows of|damaged"),
    ],
)
def test_csv_that_is_no_images(tmp_path, text, message):
    (tmp_path / "own.csv").write_text(text)
    refused(tmp_path / "own.csv", rf"own\.csv: .*({message})")


@pytest.mark.parametrize("place", ["", "cifar-10-batches-bin"])
def test_cifar_10_binary(tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    records = np.concatenate([LABELS[:, None], COLOURED.transpose(0, 3, 1, 2).reshape(20, -1)], axis=1).astype(np.uint8)
    for number, rows in enumerate(np.split(records, 5), 1):
        (folder / f"data_batch_{number}.bin").write_bytes(rows.tobytes())
    (folder / "test_batch.bin").write_bytes(records[:8].tobytes())
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\ncat\n\n")
    dataset = load(data(tmp_path))
    expect(dataset, COLOURED, LABELS, COLOURED[:8], LABELS[:8])
    assert dataset.names == ("airplane", "automobile", "bird", "cat")
    assert not dataset.notes
    (folder / "data_batch_5.bin").unlink()
    assert load(data(tmp_path)).notes == (f"{folder.name}: only 4 of 5 files data_batch_….bin found",)
    (folder / "data_batch_1.bin").write_bytes(records.tobytes()[:-1])
    refused(tmp_path, r"data_batch_1\.bin: .* must be a whole number of records of 3073")


def test_cifar_100_binary_has_its_fine_classes(tmp_path):
    pixels = COLOURED.transpose(0, 3, 1, 2).reshape(20, -1)
    records = np.concatenate([np.full((20, 1), 3), LABELS[:, None], pixels], axis=1).astype(np.uint8)
    for part, rows in (("train", records), ("test", records[:8])):
        (tmp_path / f"{part}.bin").write_bytes(rows.tobytes())
    expect(load(data(tmp_path)), COLOURED, LABELS, COLOURED[:8], LABELS[:8])


def norb(array, magic) -> bytes:
    shape = [*array.shape, *[1] * (3 - array.ndim)]  # never fewer than three sizes
    return struct.pack(f"<ii{len(shape)}i", magic, array.ndim, *shape) + array.tobytes()


def test_small_norb(tmp_path):
    pairs = RANDOM.randint(0, 256, (4, 2, 96, 96), dtype=np.uint8)
    for name, rows in (("5x46789x9x18x6x2x96x96-training", pairs), ("5x01235x9x18x6x2x96x96-testing", pairs[:2])):
        (tmp_path / f"smallnorb-{name}-dat.mat").write_bytes(norb(rows, 0x1E3D4C55))
        labels = np.arange(len(rows), dtype="<i4") % 2
        (tmp_path / f"smallnorb-{name}-cat.mat").write_bytes(norb(labels, 0x1E3D4C54))
    dataset = load(data(tmp_path))
    means = pairs[:, 0].reshape(4, 32, 3, 32, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(dataset.train.images[..., 0], np.rint(means))
    np.testing.assert_array_equal(dataset.train.labels, [0, 1, 0, 1])
    path = tmp_path / "smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat"
    path.write_bytes(path.read_bytes()[:-1])
    refused(tmp_path, r"training-dat\.mat: holds \d+ bytes, which is not uint8 \[4, 2, 96, 96\]")


@pytest.mark.parametrize("name", ["validation", "val"])
def test_arrays_may_have_a_validation_part(tmp_path, name):
    for part, images, labels in (("train", TRAIN, LABELS), ("test", TEST, TEST_LABELS), (name, TEST, TEST_LABELS)):
        np.savez(tmp_path / f"{part}.npz", images=images, labels=labels)
    assert len(load(data(tmp_path)).validation.images) == len(TEST)


@pytest.mark.parametrize("white", [1, 16])
def test_dark_images_are_told_of_and_scaled_only_where_asked(tmp_path, white):
    dark = (TRAIN.astype(int) * white // 255).astype(np.uint8)
    dark[0, 0, 0] = white
    np.savez(tmp_path / "train.npz", images=dark, labels=LABELS)
    np.savez(tmp_path / "test.npz", images=dark[:8], labels=LABELS[:8])
    dataset = load(data(tmp_path))
    (note,) = dataset.notes
    assert note.startswith(f"the largest pixel is {white} of 255") and dataset.train.images.max() == white
    factor = float(re.search(r"config\.data\.scale=([\d.]+)$", note)[1])
    (note,) = load(data(tmp_path, scale=factor / 2.5)).notes  # it names the whole factor, not what is missing of it
    assert float(re.search(r"config\.data\.scale=([\d.]+)$", note)[1]) == pytest.approx(factor, rel=0.3)
    dataset = load(data(tmp_path, scale=factor))
    assert dataset.notes == () and dataset.train.images.max() == 255
    np.testing.assert_array_equal(dataset.test.images[..., 0], np.rint(dark[:8] * factor))
    refused(tmp_path, r"^config\.data\.scale: .* must be at most", scale=255.0 / white + 1)


def test_a_pickle_is_refused_with_what_reads_it(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x04.")
    refused(tmp_path, r"holds data_batch_1; must hold images in one of the formats of docs/data\.md")


def test_fixed_binarised_mnist(shared_data):
    dataset = load(data(shared_data / "binarized_mnist/binarized_mnist_packed.npz"))
    assert dataset.train.images.shape == (50000, 28, 28, 1) and dataset.validation.images.shape == (10000, 28, 28, 1)
    assert set(np.unique(dataset.test.images)) == {0, 255}


def test_svhn_reduced(shared_data):
    dataset = load(data(shared_data / "svhn_reduced"))
    assert np.sum(dataset.train.labels == -1) == 10207 and np.sum(dataset.train.labels >= 0) == 4434
    assert dataset.classes == 10 and dataset.test.images.shape == (15825, 32, 32, 3)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path, images, labels=None, names=None, column="image"):
    """As the Hugging Face hub stores a data set: pictures as structs of bytes and path, names in the metadata."""
    cells = [{"bytes": png(image), "path": f"{number}.png"} for number, image in enumerate(images)]
    table = pa.table({column: cells} | ({} if labels is None else {"label": pa.array(labels, pa.int64())}))
    if names:
        features = {column: {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


def test_parquet_of_the_hugging_face_hub(tmp_path):
    names = ["bag", "boot", "coat", "shirt"]
    write_parquet(tmp_path / "mnist" / "train-00000-of-00002.parquet", TRAIN[:12], LABELS[:12], names)
    write_parquet(tmp_path / "mnist" / "train-00001-of-00002.parquet", TRAIN[12:], LABELS[12:], names)
    write_parquet(tmp_path / "mnist" / "test-00000-of-00001.parquet", TEST, TEST_LABELS, names)
    dataset = load(data(tmp_path))
    expect(dataset)
    assert dataset.names == tuple(names) and not dataset.notes
    assert load(data(tmp_path / "mnist", side=3)).train.images.shape == (20, 3, 3, 1)


def test_parquet_without_some_or_all_labels(tmp_path):
    """Nulls are -1; test images without a label are for prediction alone."""
    write_parquet(tmp_path / "train-0.parquet", TRAIN, [None, *LABELS[1:].tolist()])
    write_parquet(tmp_path / "test-0.parquet", TEST, [None] * 8)
    dataset = load(data(tmp_path))
    assert dataset.classes == 4 and len(dataset.test.images) == 4
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert sorted(labels) == sorted([-1, *LABELS[1:]])


def test_parquet_whose_files_call_the_classes_otherwise(tmp_path):
    write_parquet(tmp_path / "train-0.parquet", TRAIN, LABELS, ["bag", "boot", "coat", "shirt"])
    write_parquet(tmp_path / "test-0.parquet", TEST, TEST_LABELS, ["boot", "bag", "coat", "shirt"])
    refused(tmp_path, r"train-0\.parquet: its classes are not called as those of the other files; must be the same")


def test_parquet_of_which_a_file_is_missing_is_told_of(tmp_path):
    whole = tmp_path / "train-00000-of-00002.parquet"
    write_parquet(whole, TRAIN, LABELS)
    write_parquet(tmp_path / "test-00000-of-00001.parquet", TEST, TEST_LABELS)
    for path in (tmp_path, whole):
        assert load(data(path)).notes == ("train-00000-of-00002.parquet: only 1 of 2 files found",)


def test_parquet_in_one_file_in_colour_without_labels(tmp_path):
    write_parquet(tmp_path / "all.parquet", COLOURED, column="img")
    dataset = load(data(tmp_path / "all.parquet"))
    assert dataset.train.images.shape == (16, 32, 32, 3) and dataset.classes == 0
    assert {image.tobytes() for image in (*dataset.train.images, *dataset.test.images)} == {
        image.tobytes() for image in COLOURED
    }


def test_parquet_that_is_no_pictures_is_told_apart(tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", r"a\.parquet: has columns text; must have pictures in one called image or img")
    pq.write_table(pa.table({"image": [{"bytes": None, "path": "/etc/passwd"}]}), tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", r"b\.parquet: row 0 has no picture of its own")
    pq.write_table(pa.table({"image": [png(TRAIN[0])] * 5, "label": list("abcde")}), tmp_path / "c.parquet")
    refused(tmp_path / "c.parquet", r"c\.parquet: labels are string; must be integers")
    (tmp_path / "several").mkdir()
    for name in ("one", "two"):
        write_parquet(tmp_path / "several" / name / "train-0.parquet", TRAIN)
    refused(tmp_path / "several", r"several: holds several data sets; must be one of .*one, .*two")
    write_parquet(tmp_path / "untrained" / "test-0.parquet", TRAIN)
    refused(tmp_path / "untrained", r"untrained: has no training images")
