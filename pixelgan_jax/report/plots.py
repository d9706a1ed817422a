"""Plots as PNG bytes: code maps, pictures side by side, learning curves; and the style that all plots share."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter
from PIL import Image

from pixelgan_jax.evaluation.metrics import Metric

_INK, _FAINT = "#3b424c", "#dfe3e8"
MOST_CLASSES = 40  # of a confusion matrix, or a legend, that can be read


def figure_png(figure: Figure) -> bytes:
    figure.set_dpi(160)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once; savefig does it twice where there is a layout, once for nothing but that
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(buffer, format="png", dpi=(160, 160))
    return buffer.getvalue()


def bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=8, length=0)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=_INK, fontsize=9)
    axes.yaxis.label.set(color=_INK, fontsize=9)


def colours(count: int) -> list[Any]:
    if count <= 10:
        return list(matplotlib.colormaps["tab10"].colors[:count])
    return list(matplotlib.colormaps["turbo"](np.linspace(0.04, 0.96, count)))


def legend(axes: Axes, **options: Any) -> Legend:
    made = axes.legend(frameon=False, fontsize=8, labelcolor=_INK, handletextpad=0.4, **options)
    made.get_title().set_color(_INK)
    for handle in made.legend_handles:
        handle.set(alpha=1)
    return made


def _draw_circles(axes: Axes) -> None:
    for radius in (1, 2):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=3))
        axes.annotate(f"{radius} s.d.", (0, radius), (0, 2), textcoords="offset points", ha="center", fontsize=8,
                      color=_INK, zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    # The circles have to be seen whole, wherever the codes are.
    axes.update_datalim([(-2.2, -2.2), (2.2, 2.2)])
    axes.autoscale_view()


def _draw_map(axes: Axes, codes: np.ndarray, labels: np.ndarray, gaussian_prior: bool) -> np.ndarray:
    """Draws codes [N, 2] coloured by their labels [N]; the different labels that there are."""
    bare(axes)
    kinds = np.unique(labels)
    size = float(np.clip(6000 / max(len(codes), 1), 3, 18))
    for kind, colour in zip(kinds, colours(len(kinds)), strict=True):
        at = labels == kind
        axes.scatter(*codes[at].T, s=size, color=[colour], label=str(kind), alpha=0.75, linewidths=0)
    if gaussian_prior:
        _draw_circles(axes)
    axes.set_aspect("equal", adjustable="datalim")
    return kinds


def _label_legend(axes: Axes, kinds: np.ndarray, called: Sequence[str] = ()) -> None:
    """Of the labels, -1 of an image without one, by their names where there are any; none where they are too many."""
    if len(kinds) > MOST_CLASSES:
        return
    columns = math.ceil(len(kinds) / 16)
    made = legend(axes, title="label", title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2,
                  ncols=columns)  # fmt: skip
    for text, kind in zip(made.get_texts(), kinds, strict=True):
        text.set_parse_math(False)  # a folder may be called $x
        text.set_text("none" if kind < 0 else called[kind][: 20 // columns] if called else str(kind))


def code_map(
    codes: np.ndarray,
    labels: np.ndarray | None,
    names: tuple[str, str],
    gaussian_prior: bool,
    called: Sequence[str] = (),
) -> bytes:
    """A PNG of codes [N, 2] coloured by their labels [N], its axes called `names`, the labels as `called` says or by
    number; of more than MOST_CLASSES without a legend.

    With `gaussian_prior` circles lie one and two standard deviations of N(0, 1) from the origin.
    """
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    known = np.zeros(len(codes), int) if labels is None else np.asarray(labels)
    kinds = _draw_map(axes, codes, known, gaussian_prior)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if labels is not None:
        _label_legend(axes, kinds, called)
    return figure_png(figure)


class Map(NamedTuple):
    """One of several code maps: codes [N, 2] and labels [N]."""

    title: str
    codes: np.ndarray
    labels: np.ndarray
    gaussian_prior: bool


def titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=_INK, pad=8)


def code_maps(maps: list[Map]) -> bytes:
    """A PNG of code maps side by side, two in a row."""
    columns = min(2, len(maps))
    lines = math.ceil(len(maps) / columns)
    figure = Figure(figsize=(4.8 * columns, 4.2 * lines), layout="constrained")
    for index, each in enumerate(maps):
        axes = figure.add_subplot(lines, columns, index + 1)
        kinds = _draw_map(axes, each.codes, each.labels, each.gaussian_prior)
        titled(axes, each.title)
        if index % columns == columns - 1 or index == len(maps) - 1:
            _label_legend(axes, kinds)
    return figure_png(figure)


def gallery(shown: dict[str, np.ndarray], columns: int | None = None) -> bytes:
    """A PNG of pictures uint8 [height, width, 1 or 3] under their names, so many in a row; None: all in one."""
    columns = columns or len(shown)
    lines = math.ceil(len(shown) / columns)
    tallest = max(image.shape[0] / image.shape[1] for image in shown.values())
    figure = Figure(figsize=(4.4 * columns, (4.4 * tallest + 0.4) * lines), layout="constrained")
    for index, (title, image) in enumerate(shown.items()):
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_axis_off()
        titled(axes, title)
    return figure_png(figure)


def confusion(counts: np.ndarray, labels: list[str], predicted: list[str], kind: str, whole: int) -> bytes:
    """A PNG of a confusion matrix [labels, classes or clusters], in parts of each row; of classes with each label's
    error. whole: validation images that there are, which may be more than are counted."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = list(labels)
    if kind == "class":
        names = [f"{name}   {100 * (1 - share[row, row]):.1f} %" for row, name in enumerate(labels)]
    rotation = 90 if max(map(len, predicted)) > 2 else 0
    beside = 0.08 * max(map(len, names))  # inches of the names
    below = 0.08 * max(map(len, predicted)) if rotation else 0.2
    size = (max(1.6, 0.36 * counts.shape[1]) + beside + 0.6, max(1.8, 0.36 * counts.shape[0]) + below + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    for row, column in zip(*np.nonzero(counts), strict=True):
        ink = "white" if share[row, column] > 0.5 else _INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=ink)
    bare(axes)
    axes.grid(visible=False)
    axes.set_xticks(range(counts.shape[1]), predicted, rotation=rotation, parse_math=False)  # names may hold a $
    axes.set_yticks(range(counts.shape[0]), names, parse_math=False)
    part = f",\n{counts.sum():,} of {whole:,}\nvalidation images" if counts.sum() < whole else ""
    axes.set_xlabel(("taken for" if kind == "class" else "cluster") + part)
    axes.set_ylabel("label   its error" if kind == "class" else "label")
    return figure_png(figure)


def learning_curves(panels: dict[str, dict[str, list[list[tuple[int, float]]]]], metric: Metric) -> bytes:
    """A PNG of a metric on validation against training images seen: {panel: {curve: [(images, value) of each seed]}}.

    A curve is the mean over the seeds, where all were evaluated, its band one standard deviation to either side.
    """
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    most = max(len(curves_of) for curves_of in panels.values())
    below = 0.18 * most if most > 6 else 0.0  # inches of a legend that would hide what a panel shows
    figure = Figure(figsize=(4.8 * columns, (3.6 + below) * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for left_over in grid[len(panels) :]:
        left_over.set_axis_off()
    labels = list(dict.fromkeys(label for curves_of in panels.values() for label in curves_of))
    of_curve = dict(zip(labels, colours(len(labels)), strict=True))  # a curve has the same one in every panel
    for axes, (title, curves_of) in zip(grid, panels.items(), strict=False):
        bare(axes)
        titled(axes, textwrap.fill(title, 52))
        for label, seeds in curves_of.items():
            at: dict[int, list[float]] = {}
            for images, value in (point for seed in seeds for point in seed):
                at.setdefault(images, []).append(value)
            x = sorted(images for images, values in at.items() if len(values) == len(seeds))
            if not x:  # of a seed the last evaluation was torn off
                continue
            mean = np.array([np.mean(at[images]) for images in x])
            sd = np.array([np.std(at[images], ddof=1) if len(at[images]) > 1 else 0.0 for images in x])
            mark = "o" if len(x) < 20 else None
            axes.plot(x, mean, color=of_curve[label], linewidth=1.3, label=label, marker=mark, markersize=3)
            axes.fill_between(x, mean - sd, mean + sd, color=of_curve[label], alpha=0.2, linewidth=0)
        if axes.lines:
            axes.set_yscale("log")
            # a decade or less: its powers are too few
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_major_formatter(
            PercentFormatter(1, decimals=1) if metric.unit == "%" else StrMethodFormatter("{x:.4g}")
        )
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("training images seen")
        named = {"%": "validation error", "nats": "validation, nats an image"}
        axes.set_ylabel(named.get(metric.unit, f"validation: {metric.title}"))
        if axes.lines:
            legend(axes, **({"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)} if below else {"loc": "best"}))
    return figure_png(figure)
