"""What a reader gives: a data set as its files hold it, before labels become classes and parts become splits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Part(NamedTuple):
    """Images uint8 [N, H, W, C], C = 1 or 3; labels integers [N], [N, 1] or one-hot [N, K], -1 of an image that has
    none, or None where no image has one."""

    images: np.ndarray
    labels: np.ndarray | None


class Parts(NamedTuple):
    """test: None where the files do not say which images are test. names: of the classes, where labels count them from
    0. notes: what was done to the images, in a line each. files: of each part, what its images' own are called."""

    train: Part
    test: Part | None = None
    validation: Part | None = None
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = MappingProxyType({})
