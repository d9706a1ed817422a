"""What a figure shows of its cells: a picture, and numbers beside it.

Every drawing takes the finished tasks of each cell, {cell: [Task]}, and gives (PNG, {cell: [numbers of each task]},
further rows of numbers by name). The picture shows each cell's first task. Shapes: N images.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.stats import norm
from sklearn.neighbors import KNeighborsClassifier

from pixelgan_jax.config import Config, Data
from pixelgan_jax.data.levels import to_uint8
from pixelgan_jax.data.sources import Split, load
from pixelgan_jax.data.splits import Splits, split
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import scores, trained
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import Code, Method
from pixelgan_jax.report import pictures, plots

Numbers = dict[str, Any]
Drawing = tuple[bytes, dict[str, list[Numbers]], dict[str, Numbers]]


NEIGHBOURS = 5
STEPS = 10  # of a walk along either dimension of a code
# of codes on the simplex: the corners, counter-clockwise
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])


class Task(NamedTuple):
    """An ordinary run: one seed of a cell of a table or a figure."""

    experiment: str
    config: Config
    workdir: Path


def samples(done: dict[str, list[Task]]) -> Drawing:
    """Samples from the prior side by side, and how much they look like a class, how sharp they are (`scores`).

    The classifier learns the real training images; the rows beside the cells are real test images. Both as the first
    cell's decoder models them: at its levels, binarised where it binarises. Below, of every code of two Gaussian
    dimensions: what it draws along them. Raises InputError where the first cell's method has no likelihood.
    """
    cell, (first, *_) = next(iter(done.items()))
    model = trained.load(first.workdir)
    parts = _judged(cell, model.method, first.config.data, _read(first))
    judge = scores.classifier(_as_modelled(model, parts.train), parts.train.labels)
    real = _as_modelled(model, parts.test)
    shown, walks, numbers = {}, {}, {}
    for name, tasks in done.items():
        numbers[name] = []
        for task in tasks:
            drawer, seed = trained.load(task.workdir), task.config.sample.seed
            drawn = _from_prior(drawer, scores.SCORED, seed)
            numbers[name].append(scores.score(judge, drawn))
            if name not in shown:
                shown[name] = drawn[: task.config.sample.count]
                if drawer.method.code.categories == 0 and drawer.method.code.dimensions == 2:
                    walks[f"{name}, along its code"] = trained.draw(drawer, walk(), seed)[0]
    shown["real images"] = real[: first.config.sample.count]
    reference = scores.score(judge, real) | {"classifier_error": scores.error(judge, real, parts.test.labels)}
    panels = {name: pictures.square(images) for name, images in (shown | walks).items()}
    return plots.gallery(panels, columns=len(shown)), numbers, {"real test images": reference}


def walk() -> np.ndarray:
    """Codes [STEPS², 2] of two Gaussian dimensions on a grid of their quantiles, the first to the right and the second
    up, a row after another."""
    quantiles = norm.ppf((np.arange(STEPS) + 0.5) / STEPS)
    across, up = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)


def _read(task: Task) -> Splits:
    return split(load(task.config.data), task.config.data)


def _judged(cell: str, method: Method, data: Data, parts: Splits) -> Splits:
    """What has labels. Raises InputError where there is no classifier of samples to be had of it."""
    if method.targets is None:
        told = f"the method {method.name!r} has no likelihood"
        raise InputError(f"cell {cell}: {told}: must have one, for a classifier of samples")
    parts = _labelled(cell, data, parts)
    counts = np.bincount(parts.train.labels)
    if counts.min() < 2 or counts.sum() < 10 * len(counts):  # of each some are held out of a tenth
        told = f"{counts.sum()} labelled training images of {len(counts)} classes, {counts.min()} of one"
        raise InputError(f"cell {cell}: {told}: must be 10 a class, and 2 of each, for a classifier of samples")
    return parts


def _labelled(cell: str, data: Data, parts: Splits) -> Splits:
    """Only what has labels can be judged. Raises InputError where nothing has."""
    named = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    if not all((part.labels >= 0).any() for part in named.values()):
        raise InputError(f"cell {cell}: config.data.name: {data.name!r} is not allowed: a figure needs labelled images")
    return parts._replace(**{name: part.at(part.labels >= 0) for name, part in named.items()})


def _as_modelled(model: Trained, part: Split) -> np.ndarray:
    """The images, uint8, at the levels that the decoder models."""
    keys = trained.evaluation_keys(model.config.train.seed, len(part.images))
    return np.asarray(to_uint8(model.method.targets(part.images, keys[: len(part.images)]), model.method.levels))


def _from_prior(model: Trained, count: int, seed: int) -> np.ndarray:
    """z ~ p(z), then x ~ p(x | z): uint8 [N, H, W, C]."""
    temperature = model.config.sample.temperature
    return trained.draw(model, trained.prior_codes(model, seed, count), seed, temperature=temperature)[0]


def codes(done: dict[str, list[Task]]) -> Drawing:
    """The codes of the test images, coloured by label, and how far they tell the classes apart.

    A 2-D Gaussian code is its own map; of three categories q(z | x) lies on a triangle. `knn_error`: of 5 nearest
    neighbours among the codes of the validation images. Raises InputError for other codes.
    """
    maps, numbers = [], {}
    for name, tasks in done.items():
        numbers[name] = []
        for task in tasks:
            model = trained.load(task.workdir)
            code, parts = _mappable(name, model.method), _labelled(name, task.config.data, _read(task))
            known, asked = (_encoded(model, part.images) for part in (parts.validation, parts.test))
            neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(known))).fit(known, parts.validation.labels)
            numbers[name].append({"knn_error": float(1.0 - neighbours.score(asked, parts.test.labels))})
            if len(numbers[name]) == 1:
                flat = asked @ CORNERS if code.categories else asked
                maps.append(plots.Map(name, flat, parts.test.labels, gaussian_prior=code.dimensions == 2))
    return plots.code_maps(maps), numbers, {}


def _mappable(name: str, method: Method) -> Code:
    code = method.code
    if (code.categories, code.dimensions) not in ((0, 2), (3, 0)):
        raise InputError(
            f"cell {name}: {code.categories} categories and {code.dimensions} dimensions are not allowed: must be a"
            " code that fits a map, 3 categories or 2 dimensions"
        )
    return code


def _encoded(model: Trained, images: np.ndarray) -> np.ndarray:
    """f(x, n), [N, D]."""
    return trained.rows(model, model.method.encode, (images, trained.evaluation_keys(0, len(images))))


def rows(done: dict[str, list[Task]]) -> Drawing:
    """Samples of each cluster, or class, a row each, as the run's own report has them, and of more such samples how
    alike they are in content and in style, by a classifier of the real training images as the decoder models them.

    There are no numbers where the method has no likelihood or the data too few labels, or cannot be read. Raises
    InputError where a run has no such picture.
    """
    shown, numbers = {}, {}
    real: dict[tuple[str, Data], _Real | None] = {}
    for name, tasks in done.items():
        kind = "classes" if tasks[0].config.data.labels else "clusters"
        path = tasks[0].workdir / "samples" / f"{kind}.png"
        if not path.exists():
            raise InputError(f"{path}: is missing; --mode sample of this run draws it")
        shown[name] = np.asarray(Image.open(path).convert("RGB"))
        numbers[name] = []
        for task in tasks:
            model = trained.load(task.workdir)
            same = model.method.name, dataclasses.replace(task.config.data, labels=0, seed=0)
            if same not in real:
                real[same] = _real_rows(name, task, model)
            asked = range(model.method.code.categories) if kind == "classes" else ()
            numbers[name].append(_held_against(real[same], model, asked) if real[same] else {})
    return plots.gallery(shown), numbers, {}


class _Real(NamedTuple):
    """What rows of samples are held against: a classifier of real images, its error on real test images, and what is
    said of these, a row for each class."""

    judge: scores.MLPClassifier
    error: float
    said: dict[str, float]


def _real_rows(name: str, task: Task, model: Trained) -> _Real | None:
    """Of the cell's data; None, and a line that says why, where there is no classifier to be had."""
    try:
        parts = _judged(name, model.method, task.config.data, _read(task))
    except InputError as error:
        print(f"no numbers of its samples: {error}", flush=True)
        return None
    judge = scores.classifier(_as_modelled(model, parts.train), parts.train.labels)
    images, labels = _as_modelled(model, parts.test), parts.test.labels
    said = scores.score_rows(judge, [images[labels == label] for label in np.unique(labels)])
    return _Real(judge, scores.error(judge, images, labels), said)


def _held_against(real: _Real, model: Trained, asked: Sequence[int]) -> Numbers:
    """Of samples of every category, the rest of the code from the prior; asked: the classes that the categories are."""
    categories, settings = model.method.code.categories, model.config.sample
    codes = trained.prior_codes(model, settings.seed, scores.ROW * categories)
    codes[:, :categories] = np.repeat(np.eye(categories), scores.ROW, axis=0)
    drawn = trained.draw(model, codes, settings.seed, temperature=settings.temperature)[0]
    said = scores.score_rows(real.judge, np.split(drawn, categories), asked)
    ratios = {f"{key}_ratio": said.pop(key) / real.said[key] for key in ("row_variance", "sharpness") if real.said[key]}
    return said | ratios | {"classifier_error": real.error}


DRAWINGS: dict[str, Callable[[dict[str, list[Task]]], Any]] = {"samples": samples, "codes": codes, "rows": rows}


def check_cell(drawing: str, cell: str, is_first: bool, data: Data, method: Method, parts: Splits) -> None:
    """Raises InputError where a run cannot be in such a drawing, as can be told before it is trained; is_first: of the
    drawing's first cell."""
    if drawing == "samples" and is_first:
        _judged(cell, method, data, parts)
    if drawing == "codes":
        _mappable(cell, method)
        _labelled(cell, data, parts)
    if drawing == "rows" and not (method.code.categories and method.draw):
        raise InputError(f"cell {cell}: has no rows of samples: must have a categorical code and a decoder")
