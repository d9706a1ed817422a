"""Plots as PNG bytes: code maps, pictures side by side, learning curves; and the style that all plots share."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Circle, Polygon
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from pixelgan_jax.evaluation.metrics import BY_KEY, CHOSEN_BY, Metric

INK, _FAINT = "#3b424c", "#dfe3e8"
# Paul Tol's muted set, which colour-blind eyes tell apart, as explore.js has it
_COLOURS = tuple("#4477aa #cc6677 #117733 #ddcc77 #88ccee #aa4499 #44aa99 #999933 #882255 #777777".split())
MOST_CLASSES = 40  # of a confusion matrix, or a legend, that can be read
JITTER = 0.03  # of codes on a triangle whose sides are 1


def figure_png(figure: Figure) -> bytes:
    figure.set_dpi(160)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once; savefig does it twice where there is a layout, once for nothing but that
    buffer = io.BytesIO()
    # lines and letters need no more colours than a palette has, which takes a third of the bytes
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(256, dither=Image.Dither.NONE)
    drawn.save(buffer, format="png", dpi=(160, 160), optimize=True)
    return buffer.getvalue()


def bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(which="both", colors=INK, labelsize=8, length=0)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)


def colours(count: int) -> list[Any]:
    if count <= len(_COLOURS):
        return list(_COLOURS[:count])
    return list(matplotlib.colormaps["turbo"](np.linspace(0.04, 0.96, count)))


def legend(axes: Axes, **options: Any) -> Legend:
    made = axes.legend(frameon=False, fontsize=8, labelcolor=INK, handletextpad=0.4, **options)
    made.get_title().set_color(INK)
    for handle in made.legend_handles:
        handle.set(alpha=1)
    return made


def _draw_circles(axes: Axes) -> None:
    for radius in (1, 2):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=3))
        axes.annotate(f"{radius} s.d.", (0, radius), (0, 2), textcoords="offset points", ha="center", fontsize=8,
                      color=INK, zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    # The circles have to be seen whole, wherever the codes are.
    axes.update_datalim([(-2.2, -2.2), (2.2, 2.2)])
    axes.autoscale_view()


def _draw_map(axes: Axes, codes: np.ndarray, labels: np.ndarray, gaussian_prior: bool) -> np.ndarray:
    """Draws codes [N, 2] coloured by their labels [N]; the different labels that there are."""
    bare(axes)
    kinds, kind_of = np.unique(labels, return_inverse=True)
    size = float(np.clip(6000 / max(len(codes), 1), 3, 18))
    colour = np.array([to_rgba(each) for each in colours(len(kinds))])
    # in no order of labels, the last of which would hide the others where they lie on one another
    order = np.random.default_rng(0).permutation(len(codes))
    axes.scatter(*codes[order].T, s=size, color=colour[kind_of[order]], alpha=0.75, linewidths=0)
    for kind, each in zip(kinds, colour, strict=True):  # for the legend
        axes.scatter([], [], s=size, color=[each], label=str(kind), linewidths=0)
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
    """One of several code maps: codes [N, 2] and labels [N]. corners: of the triangle that they lie on, [3, 2]."""

    title: str
    codes: np.ndarray
    labels: np.ndarray
    gaussian_prior: bool
    corners: np.ndarray | None = None


def titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=8)


def code_maps(maps: list[Map]) -> bytes:
    """A PNG of code maps side by side, two in a row, all to one scale.

    Codes on a triangle are moved by up to JITTER either way, since thousands of them are one corner to the last digit.
    """
    columns = min(2, len(maps))
    lines = math.ceil(len(maps) / columns)
    figure = Figure(figsize=(4.8 * columns, 4.2 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for left_over in grid[len(maps) :]:
        left_over.set_axis_off()
    for index, (axes, each) in enumerate(zip(grid, maps, strict=False)):
        codes = each.codes
        if each.corners is not None:
            codes = codes + np.random.default_rng(0).uniform(-JITTER, JITTER, codes.shape)
            axes.add_patch(Polygon(each.corners, fill=False, color=_FAINT, linewidth=1.2, zorder=0))
        kinds = _draw_map(axes, codes, each.labels, each.gaussian_prior)
        axes.set_aspect("equal", adjustable="box")
        titled(axes, each.title)
        if each.corners is not None:
            axes.set_axis_off()
        else:
            axes.set_xlabel("first coordinate of the code")
            axes.set_ylabel("second coordinate of the code")
        if index % columns == columns - 1 or index == len(maps) - 1:
            _label_legend(axes, kinds)
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
        ink = "white" if share[row, column] > 0.5 else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=ink)
    bare(axes)
    axes.grid(visible=False)
    axes.set_xticks(range(counts.shape[1]), predicted, rotation=rotation, parse_math=False)  # names may hold a $
    axes.set_yticks(range(counts.shape[0]), names, parse_math=False)
    part = f",\n{counts.sum():,} of {whole:,}\nvalidation images" if counts.sum() < whole else ""
    axes.set_xlabel(("taken for" if kind == "class" else "cluster") + part)
    axes.set_ylabel("label   its error" if kind == "class" else "label")
    return figure_png(figure)


def table_curves(gathered: dict[str, Any]) -> bytes | None:
    """`learning_curves` of a gathered table's runs, a panel a row, or one of all rows where one column alone has
    curves; None where none has."""
    curves = {cell["name"]: [run["curve"] for run in cell["runs"] if run.get("curve")] for cell in gathered["cells"]}
    rows, columns, notes = gathered["rows"], gathered["columns"], gathered.get("notes", {})
    alone = sum(any(curves.get(f"{row}/{column}") for row in rows) for column in columns) == 1
    panels: dict[str, dict[str, list]] = {}
    said: dict[tuple[str, str], str] = {}
    for row, row_title in rows.items():
        for column, title in columns.items():
            name = f"{row}/{column}"
            panel, curve = (title, row_title) if alone else (row_title, title)
            if seeds := curves.get(name):
                panels.setdefault(panel, {})[curve] = seeds
                said[panel, curve] = notes.get(name, "")
    keys = gathered.get("headlines") or CHOSEN_BY
    return learning_curves(panels, BY_KEY[keys[0]], said) if panels else None


def learning_curves(
    panels: dict[str, dict[str, list[list[tuple[int, float]]]]],
    metric: Metric,
    notes: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> bytes:
    """A PNG of a metric on validation against training images seen: {panel: {curve: [(images, value) of each seed]}}.
    notes: what stands beside the name of a (panel, curve).

    A curve is the mean over the seeds, where all were evaluated, its band what lies between the least and the greatest.
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
        titled(axes, textwrap.fill(title, 50))
        for label, seeds in curves_of.items():
            note = notes.get((title, label))
            _draw_curve(axes, f"{label} ({note})" if note else label, seeds, of_curve[label])
        _measure(axes, metric)
        if axes.lines:
            legend(axes, **({"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)} if below else {"loc": "best"}))
    return figure_png(figure)


def _draw_curve(axes: Axes, label: str, seeds: list[list[tuple[int, float]]], colour: Any) -> None:
    at: dict[int, list[float]] = {}
    for images, value in (point for seed in seeds for point in seed):
        at.setdefault(images, []).append(value)
    x = sorted(images for images, values in at.items() if len(values) == len(seeds))
    if not x:  # of a seed the last evaluation was torn off
        return
    values = np.array([at[images] for images in x])
    style = {"color": colour, "linewidth": 1.3, "marker": "o" if len(x) < 20 else None, "markersize": 3}
    axes.plot(x, values.mean(axis=1), label=textwrap.fill(label, 40), **style)
    axes.fill_between(x, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)


def _measure(axes: Axes, metric: Metric) -> None:
    """Scales and names of a panel's axes: errors by their logarithm."""
    if metric.unit == "%":
        if axes.lines:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))  # a decade or less: its powers are few
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    else:
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.4g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("training images seen")
    named = {"%": "validation error", "nats": "validation, nats an image"}
    axes.set_ylabel(named.get(metric.unit, f"validation: {metric.title}"))
