"""Which images are validation and which are labelled: seeded, and the same on every machine for good.

NumPy's RandomState is used because its streams are frozen; [seed, 0] draws the validation images, [seed, 1] the
labelled ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import UNLABELLED, Dataset, Split, leave_one_of_each
from pixelgan_jax.errors import InputError


class Splits(NamedTuple):
    """labelled: which of `train` have labels that training may see, int32 [L], none where `data.labels` is 0."""

    train: Split
    labelled: np.ndarray
    validation: Split
    test: Split


def validation_indices(examples: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, validation): sorted, disjoint indices that together are 0 to examples - 1; `count` are validation.

    Raises InputError naming config.data.validation where no training image would be left.
    """
    if not 1 <= count < examples:
        raise InputError(f"config.data.validation: {count} is not allowed: must be from 1 to {examples - 1}")
    order = np.random.RandomState([seed, 0]).permutation(examples)
    return np.sort(order[count:]), np.sort(order[:count])


def labelled_indices(labels: np.ndarray, count: int, classes: int, seed: int, balanced: bool = True) -> np.ndarray:
    """Sorted indices of `count` examples among `labels` [N] of 0 to classes - 1, as many of each class if `balanced`.

    A smaller count draws a subset of what a larger one draws. Raises InputError naming config.data.labels where there
    are too few examples, or balanced `count` is not a multiple of `classes` or a class has too few.
    """
    if not balanced:
        if not 0 <= count <= len(labels):
            raise InputError(f"config.data.labels: {count} is not allowed: must be at most {len(labels)}")
        return np.sort(np.random.RandomState([seed, 1]).permutation(len(labels))[:count])
    if not count:
        return np.zeros(0, np.int64)
    counts = np.bincount(labels, minlength=classes)
    most = int(counts.min()) * classes
    if count < 0 or count % classes or count > most:
        text = f"must be 0 or a multiple of {classes}, at most {most}" if most else "must be 0: some class has no image"
        raise InputError(f"config.data.labels: {count} is not allowed: {text}")
    order = np.random.RandomState([seed, 1]).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    return np.sort(by_class[starts[:, None] + np.arange(count // classes)].ravel())


def split(dataset: Dataset, data: Data) -> Splits:
    """Carves `data.validation` images and `data.labels` labelled ones out of `dataset.train`, by `data.seed`.

    Where some images have no label, both are drawn among those that have. With `data.validation` 0 the data's own
    validation images are taken, which otherwise are training images. Raises InputError naming the field that asks for
    more than there is.
    """
    train, validation = _without_validation(dataset, data)
    with_label = np.flatnonzero(train.labels != UNLABELLED)
    if data.labels and not dataset.classes:
        raise InputError(f"config.data.labels: {data.labels} is not allowed: must be 0: the images have no labels")
    drawn = labelled_indices(train.labels[with_label], data.labels, dataset.classes, data.seed, data.balanced)
    return Splits(train, with_label[drawn].astype(np.int32), validation, dataset.test)


def _without_validation(dataset: Dataset, data: Data) -> tuple[Split, Split]:
    """(train, validation)."""
    if not data.validation:
        if dataset.validation is None:
            raise InputError(
                "config.data.validation: 0 is not allowed: must be at least 1: the data have none of their own"
            )
        return dataset.train, dataset.validation
    whole = dataset.train
    if dataset.validation is not None:
        both = zip(whole, dataset.validation, strict=True)
        whole = Split(*(None if any(rows is None for rows in pair) else np.concatenate(pair) for pair in both))
    able = np.flatnonzero(whole.labels != UNLABELLED)
    able = able if len(able) else np.arange(len(whole.labels))
    left, drawn = validation_indices(len(able), data.validation, data.seed)
    if data.labels and data.balanced and not leave_one_of_each(left, drawn, whole.labels[able]):
        told = "leaves some class without an image to learn its label from"
        raise InputError(f"config.data.validation: {data.validation} is not allowed: {told}")
    held_out = np.sort(able[drawn])
    kept = np.setdiff1d(np.arange(len(whole.labels)), held_out)
    return whole.at(kept), whole.at(held_out)
