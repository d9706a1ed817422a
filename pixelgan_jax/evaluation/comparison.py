"""What a figure says of trained runs in numbers: of samples, beside real images; of codes, beside labels.

Shapes: N images, uint8 [N, H, W, C], and D code width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

from pixelgan_jax.config import Data
from pixelgan_jax.data.levels import to_uint8
from pixelgan_jax.data.sources import Split, load
from pixelgan_jax.data.splits import Splits, split
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import scores, trained
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import Code, Method

NEIGHBOURS = 5


class Real(NamedTuple):
    """What samples are held against: real test images, as a decoder models them: at its levels, binarised where it
    binarises; a classifier that learnt real training images so, and its error on these; and what
    `scores.score_rows` says of them, a row for each class."""

    images: np.ndarray
    judge: MLPClassifier
    error: float
    rows: dict[str, float]


def splits(data: Data) -> Splits:
    """Raises InputError where the data cannot be had."""
    return split(load(data), data)


def real(cell: str, data: Data, model: Trained) -> Real:
    """Of the cell's data, as `model` has them. Raises InputError where there is no classifier to be had."""
    parts = judged(cell, model.method, data, splits(data))
    judge = scores.classifier(_as_modelled(model, parts.train), parts.train.labels)
    images, labels = _as_modelled(model, parts.test), parts.test.labels
    rows = scores.score_rows(judge, [images[labels == label] for label in np.unique(labels)])
    return Real(images, judge, scores.error(judge, images, labels), rows)


def judged(cell: str, method: Method, data: Data, parts: Splits) -> Splits:
    """What has labels. Raises InputError where there is no classifier of samples to be had of it."""
    if method.targets is None:
        told = f"the method {method.name!r} has no likelihood"
        raise InputError(f"cell {cell}: {told}: must have one, for a classifier of samples")
    parts = labelled(cell, data, parts)
    counts = np.bincount(parts.train.labels)
    if counts.min() < 2 or counts.sum() < 10 * len(counts):  # of each some are held out of a tenth
        told = f"{counts.sum()} labelled training images of {len(counts)} classes, {counts.min()} of one"
        raise InputError(f"cell {cell}: {told}: must be 10 a class, and 2 of each, for a classifier of samples")
    return parts


def labelled(cell: str, data: Data, parts: Splits) -> Splits:
    """Only what has labels can be judged. Raises InputError where nothing has."""
    named = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    if not all((part.labels >= 0).any() for part in named.values()):
        raise InputError(f"cell {cell}: config.data.name: {data.name!r} is not allowed: a figure needs labelled images")
    return parts._replace(**{name: part.at(part.labels >= 0) for name, part in named.items()})


def _as_modelled(model: Trained, part: Split) -> np.ndarray:
    keys = trained.evaluation_keys(model.config.train.seed, len(part.images))
    return np.asarray(to_uint8(model.method.targets(part.images, keys[: len(part.images)]), model.method.levels))


def from_prior(model: Trained, count: int, seed: int) -> np.ndarray:
    """z ~ p(z), then x ~ p(x | z)."""
    return _drawn(model, trained.prior_codes(model, seed, count), seed)


def _drawn(model: Trained, codes: np.ndarray, seed: int) -> np.ndarray:
    return trained.draw(model, codes, seed, temperature=model.config.sample.temperature)


def compare_rows(model: Trained, with_real: Real, asked: Sequence[int]) -> dict[str, float]:
    """Of samples of every category, the rest of the code from the prior, what `scores.score_rows` says, variance and
    sharpness as a multiple of real images' of one class; asked: the classes that the categories are."""
    categories, seed = model.method.code.categories, model.config.sample.seed
    codes = trained.prior_codes(model, seed, scores.ROW * categories)
    codes[:, :categories] = np.repeat(np.eye(categories), scores.ROW, axis=0)
    said = scores.score_rows(with_real.judge, np.split(_drawn(model, codes, seed), categories), asked)
    known = {key: value for key, value in with_real.rows.items() if key in ("row_variance", "sharpness") and value}
    ratios = {f"{key}_ratio": said.pop(key) / value for key, value in known.items()}
    return said | ratios | {"classifier_error": with_real.error}


def mappable(cell: str, method: Method) -> Code:
    """Its code, which fits a map. Raises InputError where it does not."""
    code = method.code
    if not method.encode:
        raise InputError(f"cell {cell}: has no codes of images: must have an encoder")
    if (code.categories, code.dimensions) not in ((0, 2), (3, 0)):
        raise InputError(
            f"cell {cell}: {code.categories} categories and {code.dimensions} dimensions are not allowed: must be a"
            " code that fits a map, 3 categories or 2 dimensions"
        )
    return code


def encoded(model: Trained, images: np.ndarray) -> np.ndarray:
    """f(x, n), [N, D]."""
    return trained.rows(model, model.method.encode, (images, trained.evaluation_keys(0, len(images))))


def knn_error(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, right: np.ndarray) -> float:
    """Of codes `asked` [N, D] whose labels are `right` [N], by the nearest of the known codes and their labels."""
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(known))).fit(known, labels)
    return float(1.0 - neighbours.score(asked, right))
