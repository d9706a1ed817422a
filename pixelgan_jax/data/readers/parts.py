"""What a reader gives: a data set as its files hold it, before labels become classes and parts become splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """Images uint8 [N, H, W, C], C = 1 or 3; labels integers [N], [N, 1] or one-hot [N, K], -1 of an image that has
    none, or None where no image has one; files: what each image's own is called, [N], or None where they share one."""

    images: np.ndarray
    labels: np.ndarray | None
    files: np.ndarray | None = None

    def at(self, rows: np.ndarray | slice) -> Part:
        """The images of these indices, in their order."""
        return Part(*(None if values is None else values[rows] for values in self))


class Parts(NamedTuple):
    """test: None where the files do not say which images are test. names: of the classes, where labels count them from
    0. notes: what was done to the images, in a line each. unlabelled: by their names, what reads the parts without
    labels, as Kaggle's test images are, of data whose training images have some: prediction alone takes them."""

    train: Part
    test: Part | None = None
    validation: Part | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    unlabelled: Mapping[str, Callable[[], Part]] = MappingProxyType({})


def thirds(images: np.ndarray) -> np.ndarray:
    """Means, rounded, of blocks of 3×3 pixels: uint8 [N, H, W, C] -> uint8 [N, H / 3, W / 3, C]."""
    n, h, w, c = images.shape
    blocks = images.reshape(n, h // 3, 3, w // 3, 3, c)
    return np.rint(blocks.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
