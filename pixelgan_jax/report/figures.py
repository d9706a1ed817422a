"""What a figure shows of its cells: a picture, and numbers beside it (`evaluation.comparison`).

Every drawing takes the finished tasks of each cell, {cell: [Task]}, and what cells are called, {cell: text}, by their
names where that is not said; it gives (PNG, {cell: [numbers of each task]}, further rows of numbers by name). The
picture shows each cell's first task.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.stats import norm

from pixelgan_jax.config import Config, Data
from pixelgan_jax.data.splits import Splits
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import comparison, scores, trained
from pixelgan_jax.evaluation.comparison import Real
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import Method
from pixelgan_jax.report import pictures, plots

Numbers = dict[str, Any]
Drawing = tuple[bytes, dict[str, list[Numbers]], dict[str, Numbers]]


REAL = "real test images"  # what samples' numbers are held against is called
SHOWN_REAL = "real images"  # and those that are shown
STEPS = 10  # of a walk along either dimension of a code
# of codes on the simplex: the corners, counter-clockwise
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])


class Task(NamedTuple):
    """An ordinary run: one seed of a cell of a table or a figure."""

    experiment: str
    config: Config
    workdir: Path


def samples(done: dict[str, list[Task]], titles: dict[str, str]) -> Drawing:
    """Samples from the prior side by side, and how much they look like a class, how sharp they are (`scores`).

    They are held against real images as the first cell's decoder models them, which are shown beside the cells. Below,
    of every code of two Gaussian dimensions: what it draws along them. Raises InputError where the first cell's method
    has no likelihood.
    """
    cell, (first, *_) = next(iter(done.items()))
    real = comparison.real(cell, first.config.data, trained.load(first.workdir))
    shown, walks, numbers = {}, {}, {}
    for name, tasks in done.items():
        numbers[name], title = [], titles.get(name, name)
        for task in tasks:
            model, seed = trained.load(task.workdir), task.config.sample.seed
            check_same_shape(name, model.method, real.images.shape[1:])
            drawn = comparison.from_prior(model, scores.SCORED, seed)
            numbers[name].append(scores.score(real.judge, drawn))
            if title not in shown:
                shown[title] = drawn[: task.config.sample.count]
                if model.method.code.categories == 0 and model.method.code.dimensions == 2:
                    walks[f"{title}: its first dimension →, second ↑"] = trained.draw(model, walk(), seed)
    shown[SHOWN_REAL] = real.images[: first.config.sample.count]
    reference = scores.score(real.judge, real.images) | {"classifier_error": real.error}
    panels = {name: pictures.square(images) for name, images in (shown | walks).items()}
    return pictures.gallery(panels, columns=len(shown)), numbers, {REAL: reference}


def walk() -> np.ndarray:
    """Codes [STEPS², 2] of two Gaussian dimensions on a grid of their quantiles, the first to the right and the second
    up, a row after another."""
    quantiles = norm.ppf((np.arange(STEPS) + 0.5) / STEPS)
    across, up = np.meshgrid(quantiles, quantiles[::-1])
    return np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)


def codes(done: dict[str, list[Task]], titles: dict[str, str]) -> Drawing:
    """The codes of the test images, coloured by label, and how far they tell the classes apart.

    A 2-D Gaussian code is its own map; of three categories q(z | x) lies on a triangle. `knn_error`: of 5 nearest
    neighbours among the codes of the validation images. Raises InputError for other codes.
    """
    maps, numbers = [], {}
    for name, tasks in done.items():
        numbers[name] = []
        for task in tasks:
            model = trained.load(task.workdir)
            code = comparison.mappable(name, model.method)
            parts = comparison.labelled(name, task.config.data, comparison.splits(task.config.data))
            known, asked = (comparison.encoded(model, part.images) for part in (parts.validation, parts.test))
            error = comparison.knn_error(known, parts.validation.labels, asked, parts.test.labels)
            numbers[name].append({"knn_error": error})
            if len(numbers[name]) == 1:
                title, labels = titles.get(name, name), parts.test.labels
                if code.categories:
                    maps.append(plots.Map(title, asked @ CORNERS, labels, gaussian_prior=False, corners=CORNERS))
                else:
                    maps.append(plots.Map(title, asked, labels, gaussian_prior=True))
    return plots.code_maps(maps), numbers, {}


def rows(done: dict[str, list[Task]], titles: dict[str, str]) -> Drawing:
    """Samples of each cluster, or class, a row each, as the run's own report has them, and of more such samples how
    alike they are in content and in style, by a classifier of the real training images as the decoder models them.

    There are no numbers where the method has no likelihood or the data too few labels, or cannot be read. Raises
    InputError where a run has no such picture.
    """
    shown, numbers = {}, {}
    real: dict[tuple[str, Data], Real | None] = {}
    for name, tasks in done.items():
        kind = "classes" if tasks[0].config.data.labels else "clusters"
        path = tasks[0].workdir / "samples" / f"{kind}.png"
        if not path.exists():
            raise InputError(f"{path}: is missing; --mode sample of this run draws it")
        shown[titles.get(name, name)] = np.asarray(Image.open(path).convert("RGB"))
        numbers[name] = []
        for task in tasks:
            model = trained.load(task.workdir)
            same = model.method.name, dataclasses.replace(task.config.data, labels=0, seed=0)
            if same not in real:
                real[same] = _real_if_any(name, task.config.data, model)
            asked = range(model.method.code.categories) if kind == "classes" else ()
            numbers[name].append(comparison.compare_rows(model, real[same], asked) if real[same] else {})
    return pictures.gallery(shown), numbers, {}


def _real_if_any(name: str, data: Data, model: Trained) -> Real | None:
    """None, and a line that says why, where there is no classifier to be had."""
    try:
        return comparison.real(name, data, model)
    except InputError as error:
        print(f"no numbers of its samples: {error}", flush=True)
        return None


DRAWINGS: dict[str, Callable[[dict[str, list[Task]], dict[str, str]], Drawing]] = {
    "samples": samples,
    "codes": codes,
    "rows": rows,
}


def check_same_shape(cell: str, method: Method, shape: tuple[int, ...]) -> None:
    """Raises InputError where the cell's images are of another shape than those that they are held against."""
    if method.shape != tuple(shape):
        told = f"{list(method.shape)}, those that it is held against {list(shape)}"
        raise InputError(f"cell {cell}: its images are {told}; must be the same")


def check_cell(drawing: str, cell: str, is_first: bool, data: Data, method: Method, parts: Splits) -> None:
    """Raises InputError where a run cannot be in such a drawing, as can be told before it is trained; is_first: of the
    drawing's first cell."""
    if drawing == "samples" and not (method.prior and method.draw):
        raise InputError(f"cell {cell}: has no samples: must have a prior of its code and a decoder")
    if drawing == "samples" and is_first:
        comparison.judged(cell, method, data, parts)
    if drawing == "codes":
        comparison.mappable(cell, method)
        comparison.labelled(cell, data, parts)
    if drawing == "rows" and not (method.code.categories and method.draw):
        raise InputError(f"cell {cell}: has no rows of samples: must have a categorical code and a decoder")
