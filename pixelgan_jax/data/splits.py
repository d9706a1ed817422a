"""Which images are validation and which are labelled: seeded, and the same on every machine for good.

NumPy's RandomState is used because its streams are frozen; [seed, 0] draws the validation images, [seed, 1] the
labelled ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import Dataset, Split
from pixelgan_jax.errors import InputError


class Splits(NamedTuple):
    """labelled: which of `train` have labels that training may see, int32 [L], class-balanced; none where `data.labels`
    is 0."""

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


def labelled_indices(labels: np.ndarray, count: int, classes: int, seed: int) -> np.ndarray:
    """Sorted indices of `count` examples, as many of each class, among `labels` [N] of 0 to classes - 1.

    A smaller count draws a subset of what a larger one draws. Raises InputError naming config.data.labels where
    `count` is not a multiple of `classes` or a class has too few examples.
    """
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

    Raises InputError naming the field that asks for more than there is.
    """
    images, labels = dataset.train
    kept, held_out = validation_indices(len(images), data.validation, data.seed)
    train = Split(images[kept], labels[kept])
    labelled = labelled_indices(train.labels, data.labels, dataset.classes, data.seed)
    return Splits(
        train=train,
        labelled=labelled.astype(np.int32),
        validation=Split(images[held_out], labels[held_out]),
        test=dataset.test,
    )
