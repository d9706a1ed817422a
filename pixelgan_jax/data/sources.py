"""What a reader found becomes images uint8 [N, H, W, C] and classes int32 [N], every part checked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers import named
from pixelgan_jax.data.readers.parts import Part, Parts
from pixelgan_jax.errors import InputError

MOST_CLASSES = 65536
ONE_FILE_TEST = 10000  # most test images that are split off where the files have none of their own
DARK = 128  # a data set whose largest pixel is below this was probably not of 0 to 255
UNLABELLED = -1


class Split(NamedTuple):
    """Images uint8 [N, H, W, C], C = 1 or 3, and their classes int32 [N], 0 to K - 1, or -1 of an image without; files:
    what each image's own is called, [N], or None where they share one."""

    images: np.ndarray
    labels: np.ndarray
    files: np.ndarray | None = None

    def at(self, rows: np.ndarray | slice) -> Split:
        """The images of these indices, or those that a mask says."""
        return Split(*(None if values is None else values[rows] for values in self))


class Dataset(NamedTuple):
    """`train` is everything that is neither `test` nor, where the data have their own, `validation`. classes: how many
    there are; 0 where the images have no labels, or all the same. names: theirs. notes: what there is to say of the
    images, in a line each."""

    train: Split
    test: Split
    classes: int
    validation: Split | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load(data: Data, parts: Parts | None = None) -> Dataset:
    """The data set that `data.name` and `data.dir` name, of `parts` where `named.read` has read them before, under
    whatever seed; nothing is written, but with `data.download`.

    Raises InputError naming the field or the file, and what is allowed.
    """
    parts = _apart(named.read(data) if parts is None else parts)
    dataset = _checked(_with_test(parts, data), data)
    notes = [
        f"no image is taken from {part}, which has no labels; --mode predict takes them" for part in parts.unlabelled
    ]
    if dataset.validation is not None and data.validation:
        own = f"the data's own {len(dataset.validation.images):,} validation images are training images too"
        notes.append(f"{own}; config.data.validation=0 keeps them for validation")
    if data.name == "digits" and data.dir:
        told = "these come with scikit-learn; config.data.name may name a folder"
        notes.append(f"no image is taken from config.data.dir: {told}")
    dataset = dataset._replace(notes=(*dataset.notes, *notes))
    height, width = dataset.train.images.shape[1:3]
    if data.side not in (0, height) or data.side not in (0, width):
        told = f"the images stay {height}×{width}: config.data.side resizes picture files alone"
        dataset = dataset._replace(notes=(*dataset.notes, told))
    return _first_classes(dataset, data.classes) if data.classes else dataset


def _apart(parts: Parts) -> Parts:
    """The parts, of which test images without a label, where training images have some, are for prediction alone."""
    test = parts.test

    def labelled(part: Part) -> bool:
        return part.labels is not None and bool((part.labels != UNLABELLED).any())

    if test is None or labelled(test) or not labelled(parts.train):
        return parts
    return parts._replace(test=None, unlabelled={**parts.unlabelled, "test": lambda: test})


def _called(kind: int, parts: Parts) -> str:
    return parts.names[kind] if parts.names else str(kind)


class Unsplit(NamedTuple):
    """A part of a data set as it lies: its images uint8 [N, H, W, C], scaled; what each is called; what its label is
    called, "" of an image without. part: "" where the files make no parts."""

    part: str
    images: np.ndarray
    names: list[str]
    labels: list[str]


def unsplit(data: Data) -> tuple[list[Unsplit], tuple[str, ...]]:
    """Every image of a data set, part by part, none drawn or left out, and what there is to say of what its reader took
    (`Parts.notes`). Raises InputError as `load`."""
    parts, found = named.read(data), []
    others = {name: read() for name, read in parts.unlabelled.items()}
    for name in ("train", "validation", "test"):
        part = others.get(name, getattr(parts, name))
        if part is not None:
            values = _values(part, f"{data.name}: {name}")
            if parts.names and values.max() >= len(parts.names):
                raise InputError(f"{data.name}: {name} label {values.max()} has no name; there are {len(parts.names)}")
            labels = [("" if value == UNLABELLED else _called(value, parts)) for value in values.tolist()]
            names = list(map(str, range(len(part.images)) if part.files is None else part.files))
            alone = parts.test is None and parts.validation is None and not others
            found.append(Unsplit("" if alone else name, _scaled(part.images, data), names, labels))
    return found, parts.notes


def _first_classes(dataset: Dataset, count: int) -> Dataset:
    """The images of classes 0 to count - 1."""
    if not 2 <= count <= dataset.classes:
        allowed = f"must be 0, or from 2 to the data's {dataset.classes}" if dataset.classes else "must be 0: no labels"
        raise InputError(f"config.data.classes: {count} is not allowed: {allowed}")

    def kept(split: Split | None) -> Split | None:
        return split and split.at((split.labels >= 0) & (split.labels < count))

    train, test, validation = map(kept, (dataset.train, dataset.test, dataset.validation))
    for name, split in (("training", train), ("test", test), ("validation", validation)):
        if split is not None and not len(split.images):
            raise InputError(f"config.data.classes: {count} is not allowed: leaves no {name} image of its classes")
    notes = dataset.notes
    if unlabelled := int(np.sum(dataset.train.labels == UNLABELLED)):
        notes += (f"{unlabelled:,} training images without labels are left out, since config.data.classes is set",)
    return Dataset(train, test, count, validation, dataset.names[:count], notes)


def _with_test(parts: Parts, data: Data) -> Parts:
    """The parts, a fifth of the training images being test where the files have no test images of their own; of every
    class one image stays in training."""
    if parts.test is not None:
        return parts
    count = min(len(parts.train.images) // 5, ONE_FILE_TEST)
    if not count:
        raise InputError(
            f"{data.name}: {len(parts.train.images)} images; must be at least 5, a fifth of which are test"
        )
    # Streams 0 and 1 of the seed make the splits of `data/splits.py`.
    order = np.random.RandomState([data.seed, 2]).permutation(len(parts.train.images))
    train, test = order[:-count], order[-count:]
    values = _values(parts.train, f"{data.name}: train")
    if not leave_one_of_each(train, test, values):
        told = f"{len(values)} images of {len(np.unique(values))} classes; must be more, since a fifth are test"
        raise InputError(f"{data.name}: {told}")
    return parts._replace(train=parts.train.at(train), test=parts.train.at(test))


def leave_one_of_each(train: np.ndarray, held_out: np.ndarray, values: np.ndarray) -> bool:
    """Swaps indices in place until every class keeps a training image: one that is held out of a class that has none
    left, for a training image whose class has others. train and held_out are indices into the labels `values`. False
    where there are too few images for it."""
    kinds, own = np.unique(values, return_inverse=True)
    there = np.bincount(own[train], minlength=len(kinds))
    spare = iter(range(len(train) - 1, -1, -1))
    for kind in np.flatnonzero((there == 0) & (kinds != UNLABELLED)):
        place = next((i for i in spare if there[own[train[i]]] > 1 or values[train[i]] == UNLABELLED), None)
        if place is None:
            return False
        given = np.flatnonzero(own[held_out] == kind)[0]
        there[own[train[place]]] -= 1
        train[place], held_out[given] = held_out[given], train[place]
    return True


def _checked(parts: Parts, data: Data) -> Dataset:
    given = {"train": parts.train, "test": parts.test, "validation": parts.validation}
    there = {name: part for name, part in given.items() if part is not None}
    shapes = {name: part.images.shape[1:] for name, part in there.items()}
    for name, shape in shapes.items():
        if shape != shapes["train"]:
            told = f"{list(shapes['train'])} and {list(shape)}"
            raise InputError(f"{data.name}: train and {name} images are {told}; must have the same shape")
    values = {name: _values(part, f"{data.name}: {name}") for name, part in there.items()}
    kinds = np.unique(values["train"][values["train"] != UNLABELLED])
    if len(kinds) > MOST_CLASSES:
        raise InputError(f"{data.name}: {len(kinds)} different train labels; must be at most {MOST_CLASSES} classes")
    if parts.names and len(kinds) and kinds[-1] >= len(parts.names):
        raise InputError(f"{data.name}: train label {kinds[-1]} has no name; there are {len(parts.names)}")
    splits = {}
    for name, part in there.items():
        unknown = np.setdiff1d(values[name], [UNLABELLED, *kinds])
        if len(unknown):
            raise InputError(f"{data.name}: {name} label {unknown[0]} is no train label; must be one of those")
        labels = np.where(values[name] == UNLABELLED, UNLABELLED, np.searchsorted(kinds, values[name]))
        splits[name] = Split(_scaled(part.images, data), labels.astype(np.int32), part.files)
    names = tuple(_called(kind, parts) for kind in kinds)
    if len(kinds) < 2:  # nothing to tell apart
        splits = {name: split._replace(labels=np.full_like(split.labels, UNLABELLED)) for name, split in splits.items()}
        names = ()
    notes = (*parts.notes, *_too_dark(splits["train"].images, data))
    return Dataset(splits["train"], splits["test"], len(names), splits.get("validation"), names, notes)


def _values(part: Part, where: str) -> np.ndarray:
    """The labels of a part, int64 [N], as its files count them; -1 of an image without."""
    if part.labels is None:
        return np.full(len(part.images), UNLABELLED, np.int64)
    labels = part.labels
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise InputError(f"{where} labels are {list(labels.shape)} and not one-hot; must be one 1 in a row of 0")
        labels = labels.argmax(axis=1)
    if len(labels) and (labels.min() < UNLABELLED or labels.max() > np.iinfo(np.int32).max):
        told = f"labels go from {labels.min()} to {labels.max()}"
        raise InputError(f"{where} {told}; must be from 0 to {np.iinfo(np.int32).max}, or -1 of an image that has none")
    return labels.astype(np.int64)


def _scaled(images: np.ndarray, data: Data) -> np.ndarray:
    """Images with every pixel times `data.scale`, rounded."""
    largest = int(images.max()) * data.scale
    if largest > 255.5:
        raise InputError(
            f"config.data.scale: {data.scale} is not allowed: makes a pixel {largest:g}; must be at most 255"
        )
    return scale_pixels(images, data.scale)


def scale_pixels(images: np.ndarray, factor: float) -> np.ndarray:
    """uint8 images with every pixel times `factor`, rounded, at most 255."""
    if factor == 1:
        return images
    table = np.minimum(np.rint(np.arange(256) * factor), 255).astype(np.uint8)
    return table[images]


def _too_dark(images: np.ndarray, data: Data) -> tuple[str, ...]:
    largest = int(images.max())
    if largest >= DARK:
        return ()
    if not largest:
        return ("every pixel is 0: the images are black",)
    factor = data.scale * 255 / largest
    return (
        f"the largest pixel is {largest} of 255, so the images are nearly black; if {largest} is their white, set"
        f" config.data.scale={factor:.6g}",
    )
