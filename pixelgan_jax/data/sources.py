"""A data set's name becomes images uint8 [N, H, W, C] and labels int32 [N], both parts checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data import tfds
from pixelgan_jax.data.files import read_idx, read_npz, read_svhn_mat
from pixelgan_jax.errors import InputError

IDX_DATASETS = ("mnist", "fashion_mnist")
MOST_LABEL = 65535
ONE_FILE_TEST = 10000  # most test images that a single .npz gives up


class Split(NamedTuple):
    """Images uint8 [N, H, W, C], C = 1 or 3, and their labels int32 [N]."""

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """`train` is everything that is not `test`; labels lie in 0 to classes - 1."""

    train: Split
    test: Split
    classes: int


def load(data: Data) -> Dataset:
    """Reads the data set that `data.name` and `data.dir` name; nothing is downloaded or written.

    The name is "digits", a path (it exists, begins with "." "~" or "/", ends in .npz, or has a separator and is not
    TFDS's), or a TFDS name. A name with no separator is TFDS's wherever `data.dir` is set, whatever folder has it too.
    Raises InputError naming the field or the file, and what is allowed.
    """
    if data.name == "digits":
        pair = _digits()
    elif _is_path(data):
        pair = _from_path(data)
    else:
        pair = _from_raw_files(data) or _from_tfds(data)
    dataset = _checked(pair, data.name)
    return _first_classes(dataset, data.classes) if data.classes else dataset


def _first_classes(dataset: Dataset, count: int) -> Dataset:
    """The images of classes 0 to count - 1."""
    if not 2 <= count <= dataset.classes:
        allowed = f"must be 0, or from 2 to the data's {dataset.classes}"
        raise InputError(f"config.data.classes: {count} is not allowed: {allowed}")
    pair = (Split(*(rows[split.labels < count] for rows in split)) for split in dataset[:2])
    return Dataset(*pair, count)


def _checked(pair: tuple[Split, Split], name: str) -> Dataset:
    for part, split in zip(("train", "test"), pair, strict=True):
        if split.labels.min() < 0 or split.labels.max() > MOST_LABEL:
            low, high = split.labels.min(), split.labels.max()
            raise InputError(f"{name}: {part} labels go from {low} to {high}; must lie in 0 to {MOST_LABEL}")
    train, test = (Split(split.images, split.labels.astype(np.int32)) for split in pair)
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = f"{list(train.images.shape[1:])} and {list(test.images.shape[1:])}"
        raise InputError(f"{name}: train and test images are {shapes}; must have the same shape")
    classes = int(train.labels.max()) + 1
    if classes < 2:
        raise InputError(f"{name}: every train label is 0; must have at least 2 classes")
    if test.labels.max() >= classes:
        raise InputError(f"{name}: test label {test.labels.max()} is above every train label; at most {classes - 1}")
    return Dataset(train, test, classes)


def _parted(images: np.ndarray, labels: np.ndarray, order: np.ndarray, count: int) -> tuple[Split, Split]:
    """(train, test), the last `count` of `order` being test."""
    return tuple(Split(images[rows], labels[rows]) for rows in (order[:-count], order[-count:]))


def _digits() -> tuple[Split, Split]:
    from sklearn.datasets import load_digits  # slow to import and for this only

    digits = load_digits()
    images = np.rint(digits.images[..., None] * 255 / 16).astype(np.uint8)
    # RandomState's stream never changes, so these 400 test images are the same for good.
    return _parted(images, digits.target, np.random.RandomState(0).permutation(len(images)), 400)


def _is_path(data: Data) -> bool:
    name = data.name
    if name.startswith((".", "~", "/")) or name.endswith(".npz"):
        return True
    separated = "/" in name or os.sep in name
    if os.path.exists(name) and (separated or not data.dir):
        return True
    if separated and tfds.NAME.fullmatch(name):
        return not tfds.has(name)
    return separated


def _from_path(data: Data) -> tuple[Split, Split]:
    path = Path(os.path.expanduser(data.name))
    if os.path.isdir(path):
        if any(os.path.exists(path / f"{part}.npz") for part in ("train", "test")):
            return Split(*read_npz(path / "train.npz")), Split(*read_npz(path / "test.npz"))
        pair = _from_idx_folder(path)
        if pair is None:
            raise InputError(f"{path}: must hold train.npz and test.npz, or the four IDX files under their usual names")
        return pair
    if not os.path.exists(path):
        raise InputError(f"config.data.name: {data.name!r}: no such file or folder; must be {tfds.ALLOWED}")
    if path.suffix != ".npz":
        raise InputError(f"config.data.name: {data.name!r} is not allowed: must be {tfds.ALLOWED}")
    images, labels = read_npz(path)
    count = min(len(images) // 5, ONE_FILE_TEST)
    if not count:
        raise InputError(f"{path}: {len(images)} images; must be at least 5, a fifth of which are test")
    # Streams 0 and 1 of the seed make the splits of `data/splits.py`.
    return _parted(images, labels, np.random.RandomState([data.seed, 2]).permutation(len(images)), count)


def _idx_file(folder: Path, part: str, kind: str, rank: int) -> Path:
    """The first of the usual names that exists; if none does, the most usual."""
    names = [f"{part}-{kind}{mark}idx{rank}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if os.path.exists(folder / name)), folder / names[0])


def _from_idx_folder(folder: Path) -> tuple[Split, Split] | None:
    """None where the folder has no IDX file at all."""
    train, test = (
        (_idx_file(folder, part, "images", 3), _idx_file(folder, part, "labels", 1)) for part in ("train", "t10k")
    )
    if not any(os.path.exists(file) for file in train + test):
        return None
    return Split(*read_idx(*train)), Split(*read_idx(*test))


def _from_raw_files(data: Data) -> tuple[Split, Split] | None:
    """The published files of a TFDS data set, where `data.dir` holds them; else None."""
    folder = Path(os.path.expanduser(data.dir))
    if data.dir and data.name in IDX_DATASETS:
        return _from_idx_folder(folder)
    if data.dir and data.name == "svhn_cropped":
        train, test = folder / "train_32x32.mat", folder / "test_32x32.mat"
        if os.path.exists(train) or os.path.exists(test):
            return Split(*read_svhn_mat(train)), Split(*read_svhn_mat(test))
    return None


def _from_tfds(data: Data) -> tuple[Split, Split]:
    train, test = tfds.read(data.name, os.path.expanduser(data.dir))
    return Split(*train), Split(*test)
