"""A data set's name becomes images uint8 [N, H, W, C] and labels int32 [N], both parts checked."""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pixelgan_jax.config import Data
from pixelgan_jax.data.files import read_idx, read_npz, read_svhn_mat
from pixelgan_jax.errors import InputError

ALLOWED = '"digits", a TFDS name, or a path to a folder or a .npz file'
TFDS_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_.\-]+)*")
IDX_DATASETS = ("mnist", "fashion_mnist")
MOST_LABEL = 65535
ONE_FILE_TEST = 10000  # most test images that a single .npz gives up
TFDS_BATCH = 1000
RECORD_FORMATS = ("PNG", "JPEG", "BMP")  # Pillow has formats that other programs read for it


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
    return _checked(pair, data.name)


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
    if separated and TFDS_NAME.fullmatch(name):
        # With community data sets the list would be asked of the network.
        return name.split("/")[0] not in _import_tfds(name).list_builders(with_community_datasets=False)
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
        raise InputError(f"config.data.name: {data.name!r}: no such file or folder; must be {ALLOWED}")
    if path.suffix != ".npz":
        raise InputError(f"config.data.name: {data.name!r} is not allowed: must be {ALLOWED}")
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


def block_means(images: np.ndarray, side: int) -> np.ndarray:
    """Means, rounded, of side × side blocks: uint8 [N, H, W, C] -> uint8 [N, H / side, W / side, C]."""
    n, h, w, c = images.shape
    blocks = images.reshape(n, h // side, side, w // side, side, c)
    return np.rint(blocks.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)


def _missing_package(name: str, error: ImportError) -> InputError:
    needs = "`pip install tensorflow-datasets array_record pillow`"
    return InputError(
        f"config.data.name: {name!r} is no file or folder here, and TFDS's needs {needs} ({_one_line(error)})"
    )


def _import_tfds(name: str) -> ModuleType:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise _missing_package(name, error) from error
    return tfds


def _hide_gpus_from_tensorflow() -> None:
    """Keeps TensorFlow off the memory that JAX needs, should TFDS or the caller have imported it.

    Reading array_record files with TFDS does not import TensorFlow, and it is not imported here for this.
    """
    if tensorflow := sys.modules.get("tensorflow"):
        with suppress(RuntimeError):  # its devices are in use already, by someone else's choice
            tensorflow.config.set_visible_devices([], "GPU")


def _one_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".:")


def _from_tfds(data: Data) -> tuple[Split, Split]:
    name, folder = data.name, os.path.expanduser(data.dir)
    if not TFDS_NAME.fullmatch(name):
        raise InputError(f"config.data.name: {name!r} is not allowed: must be {ALLOWED}")
    tfds = _import_tfds(name)
    try:
        builder = tfds.builder(name, data_dir=folder or None)
    except Exception as error:  # a data set's own module runs here: it may raise anything
        text = f"{name!r} is not allowed: must be {ALLOWED}; TFDS says: {_one_line(error)}"
        raise InputError(f"config.data.name: {text}") from error
    _hide_gpus_from_tensorflow()
    where = f", data_dir={folder!r}" if folder else ""
    call = f"tfds.builder({name!r}{where}, file_format='array_record').download_and_prepare()"
    command = f'`python -c "import tensorflow_datasets as tfds; {call}"`'
    prepare = f"{command}, which needs `pip install tensorflow-cpu importlib_resources`"
    if not builder.info.splits:
        place = repr(folder) if folder else "TFDS's default folder"
        raise InputError(f"config.data.dir: {name!r} is not prepared in {place}; prepare it with {prepare}")
    try:
        return tuple(_tfds_split(tfds, builder, part) for part in ("train", "test"))
    except InputError as error:
        raise InputError(f"config.data.name: {name!r} is not allowed: {error}") from None
    except ImportError as error:
        raise _missing_package(name, error) from error
    except NotImplementedError as error:
        text = f"{builder.data_path} is not in array_record format; delete it and prepare it with {prepare}"
        raise InputError(f"config.data.dir: {text}") from error
    except Exception as error:  # on damaged files the readers raise what their C++ and protobuf layers do
        raise InputError(f"{builder.data_path}: damaged or unreadable: {_one_line(error)}") from error


def _pixels(record: bytes | np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The image [H, W, C] of a record; what its own header claims is checked before anything is unpacked."""
    if isinstance(record, np.ndarray):  # a tensor, not a picture file
        return record
    with Image.open(io.BytesIO(record), formats=RECORD_FORMATS) as picture:
        if picture.size != (shape[1], shape[0]):
            raise ValueError(f"an image of {picture.size[1]} × {picture.size[0]} pixels, not {shape[0]} × {shape[1]}")
        return np.asarray(picture, np.uint8).reshape(shape)


def _tfds_split(tfds: ModuleType, builder: Any, part: str) -> Split:
    small_norb = builder.name == "smallnorb"
    label = "label_category" if small_norb else "label"
    features, kinds = builder.info.features, tfds.features
    if part not in builder.info.splits or not builder.info.splits[part].num_examples:
        raise InputError(f"has splits {', '.join(builder.info.splits)}; must have train and test, with images")
    if not isinstance(features, kinds.FeaturesDict) or "image" not in features or label not in features:
        raise InputError(f"must have features image and {label}")
    image = features["image"]
    if not isinstance(image, kinds.Image | kinds.Tensor) or image.np_dtype != np.uint8:
        raise InputError("its images must be uint8")
    if len(image.shape) != 3 or None in image.shape or image.shape[2] not in (1, 3):
        raise InputError(f"its images are {image.shape}; must all have one shape [H, W, C], C 1 or 3")
    if (
        not isinstance(features[label], kinds.Tensor)
        or features[label].shape
        or not np.issubdtype(features[label].np_dtype, np.integer)
    ):
        raise InputError(f"its {label} must be one integer an image")
    undecoded = [key for key in features if isinstance(features[key], kinds.Image)]
    source = builder.as_data_source(split=part, decoders={key: tfds.decode.SkipDecoding() for key in undecoded})
    images, labels = [], []
    for start in range(0, len(source), TFDS_BATCH):
        examples = source.__getitems__(range(start, min(start + TFDS_BATCH, len(source))))
        batch = np.stack([_pixels(example["image"], image.shape) for example in examples])
        images.append(block_means(batch, 3) if small_norb else batch)
        labels.extend(int(example[label]) for example in examples)
    return Split(np.concatenate(images), np.array(labels, np.int64))
