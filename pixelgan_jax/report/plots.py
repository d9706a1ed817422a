"""Plots as PNG bytes: the code space and the training curves."""

from __future__ import annotations

import io
import math
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

_INK, _FAINT = "#3b424c", "#dfe3e8"


def _figure_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=8, length=0)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.label.set(color=_INK, fontsize=9)
    axes.yaxis.label.set(color=_INK, fontsize=9)


def _colours(count: int) -> list[Any]:
    if count <= 10:
        return list(matplotlib.colormaps["tab10"].colors[:count])
    return list(matplotlib.colormaps["turbo"](np.linspace(0.04, 0.96, count)))


def _legend(axes: Axes, **options: Any) -> None:
    legend = axes.legend(frameon=False, fontsize=8, labelcolor=_INK, handletextpad=0.4, **options)
    legend.get_title().set_color(_INK)
    for handle in legend.legend_handles:
        handle.set(alpha=1)


def _draw_circles(axes: Axes) -> None:
    for radius in (1, 2):
        axes.add_patch(Circle((0, 0), radius, fill=False, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=3))
        axes.annotate(f"{radius} s.d.", (0, radius), (0, 2), textcoords="offset points", ha="center", fontsize=8,
                      color=_INK, zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    # The circles have to be seen whole, wherever the codes are.
    axes.update_datalim([(-2.2, -2.2), (2.2, 2.2)])
    axes.autoscale_view()


def _draw_map(axes: Axes, codes: np.ndarray, labels: np.ndarray, gaussian_prior: bool) -> int:
    """Draws codes [N, 2] coloured by their labels [N]; how many different labels there are."""
    _bare(axes)
    kinds = np.unique(labels)
    size = float(np.clip(6000 / max(len(codes), 1), 3, 18))
    for kind, colour in zip(kinds, _colours(len(kinds)), strict=True):
        at = labels == kind
        axes.scatter(*codes[at].T, s=size, color=[colour], label=str(kind), alpha=0.75, linewidths=0)
    if gaussian_prior:
        _draw_circles(axes)
    axes.set_aspect("equal", adjustable="datalim")
    return len(kinds)


def _label_legend(axes: Axes, kinds: int) -> None:
    _legend(axes, title="label", title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2,
            ncols=math.ceil(kinds / 16))  # fmt: skip


def code_map(codes: np.ndarray, labels: np.ndarray | None, names: tuple[str, str], gaussian_prior: bool) -> bytes:
    """A PNG of codes [N, 2] coloured by their labels [N], its axes called `names`.

    With `gaussian_prior` circles lie one and two standard deviations of N(0, 1) from the origin.
    """
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    kinds = _draw_map(axes, codes, np.zeros(len(codes), int) if labels is None else np.asarray(labels), gaussian_prior)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if labels is not None:
        _label_legend(axes, kinds)
    return _figure_png(figure)


class Map(NamedTuple):
    """One of several code maps: codes [N, 2] and labels [N]."""

    title: str
    codes: np.ndarray
    labels: np.ndarray
    gaussian_prior: bool


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=_INK, pad=8)


def code_maps(maps: list[Map]) -> bytes:
    """A PNG of code maps side by side, two in a row."""
    columns = min(2, len(maps))
    lines = math.ceil(len(maps) / columns)
    figure = Figure(figsize=(4.8 * columns, 4.2 * lines), layout="constrained")
    for index, each in enumerate(maps):
        axes = figure.add_subplot(lines, columns, index + 1)
        kinds = _draw_map(axes, each.codes, each.labels, each.gaussian_prior)
        _titled(axes, each.title)
        if index % columns == columns - 1 or index == len(maps) - 1:
            _label_legend(axes, kinds)
    return _figure_png(figure)


def gallery(shown: dict[str, np.ndarray]) -> bytes:
    """A PNG of pictures uint8 [height, width, 1 or 3] side by side under their names."""
    tallest = max(image.shape[0] / image.shape[1] for image in shown.values())
    figure = Figure(figsize=(4.4 * len(shown), 4.4 * tallest + 0.4), layout="constrained")
    for index, (title, image) in enumerate(shown.items()):
        axes = figure.add_subplot(1, len(shown), index + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_axis_off()
        _titled(axes, title)
    return _figure_png(figure)


def error_curves(panels: dict[str, dict[str, list[list[tuple[int, float]]]]]) -> bytes:
    """A PNG of validation error against training images seen: {panel: {curve: [(images, error) of each seed]}}.

    A curve is the mean over the seeds that were evaluated there, its band one standard deviation to either side.
    """
    figure = Figure(figsize=(4.8 * len(panels), 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
    labels = list(dict.fromkeys(label for curves_of in panels.values() for label in curves_of))
    colours = dict(zip(labels, _colours(len(labels)), strict=True))  # a curve has the same one in every panel
    for axes, (title, curves_of) in zip(grid[0], panels.items(), strict=True):
        _bare(axes)
        _titled(axes, title)
        for label, seeds in curves_of.items():
            at: dict[int, list[float]] = {}
            for images, error in (point for seed in seeds for point in seed):
                at.setdefault(images, []).append(error)
            x, mean = sorted(at), np.array([np.mean(at[images]) for images in sorted(at)])
            sd = np.array([np.std(at[images], ddof=1) if len(at[images]) > 1 else 0.0 for images in x])
            mark = "o" if len(x) < 20 else None
            axes.plot(x, mean, color=colours[label], linewidth=1.3, label=label, marker=mark, markersize=3)
            axes.fill_between(x, mean - sd, mean + sd, color=colours[label], alpha=0.2, linewidth=0)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))  # a decade or less: its powers are too few
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("training images seen")
        axes.set_ylabel("validation error")
        _legend(axes, loc="best")
    return _figure_png(figure)


class _Panel(NamedTuple):
    title: str
    labels: dict[str, str]  # of a key of metrics.jsonl: how its curve is called, unless the title says it all
    levels: dict[str, tuple[float, str]] = {}  # of a key: where it lies at equilibrium, and how that is written
    percent: bool = False


_PANELS = (
    _Panel(
        "Reconstruction, nats per image",
        {
            "reconstruction_nats": "training",
            "validation_reconstruction_nats": "validation",
            "validation_shuffled_code_nats": "validation, codes shuffled",
        },
    ),
    _Panel(
        "Adversarial losses, nats",
        {"discriminator_loss": "discriminator", "generator_loss": "generator"},
        {"discriminator_loss": (math.log(4), "ln 4"), "generator_loss": (math.log(2), "ln 2")},
    ),
    _Panel("Supervised loss, nats", {"supervised_loss": ""}),
    _Panel(
        "Validation error",
        {
            "validation_error": "classification",
            "validation_cluster_error_best_example": "clusters, best example",
            "validation_cluster_error_majority": "clusters, majority",
            "validation_cluster_error_hungarian": "clusters, one-to-one",
        },
        percent=True,
    ),
    _Panel("Validation: clusters and labels", {"validation_nmi": "NMI", "validation_ari": "ARI"}),
    _Panel(
        "Validation: code, nats",
        {"validation_marginal_kl_nats": "KL(q(z)‖p(z))", "validation_mutual_information_nats": "I(z; x)"},
    ),
    _Panel(
        "Validation: code, largest deviation from the prior",
        {"validation_code_mean_deviation": "mean", "validation_code_sd_ratio_deviation": "s.d., relative"},
    ),
    _Panel("Validation: clusters used", {"validation_clusters_used": ""}),
    _Panel("Validation: negative ELBO, nats per image", {"validation_negative_elbo_nats": ""}),
    _Panel("Validation: bits per dimension", {"validation_bits_per_dim": ""}),
)


def _panels(rows: list[dict[str, Any]]) -> list[_Panel]:
    present = {key: None for row in rows for key, value in row.items() if isinstance(value, int | float)}
    known = {key for panel in _PANELS for key in panel.labels} | {"validation_examples"}
    others = [key for key in present if key.startswith("validation_") and key not in known]
    panels = [*_PANELS, *(_Panel(key, {key: ""}) for key in others)]
    panels = [
        panel._replace(labels={key: label for key, label in panel.labels.items() if key in present}) for panel in panels
    ]
    return [panel for panel in panels if panel.labels]


def _draw_panel(axes: Axes, panel: _Panel, rows: list[dict[str, Any]]) -> None:
    _bare(axes)
    _titled(axes, panel.title)
    for (key, label), colour in zip(panel.labels.items(), _colours(len(panel.labels)), strict=True):
        points = [(row["step"], np.nan if row[key] is None else row[key]) for row in rows if key in row]
        mark = "o" if len(points) < 20 else None
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, label=label, marker=mark, markersize=3)
        if key in panel.levels:
            value, name = panel.levels[key]
            axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(name, (1, value), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center", fontsize=8, color=colour)  # fmt: skip
    if any(panel.labels.values()):
        _legend(axes, loc="best")
    if panel.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    # The same span everywhere, so that one can look from panel to panel.
    axes.set_xlim(0, rows[-1]["step"] * 1.02 + 1)
    axes.set_xlabel("step")


def curves(rows: list[dict[str, Any]]) -> bytes | None:
    """A PNG of the training curves in rows of metrics.jsonl, one panel for each quantity there is; None without any."""
    panels = _panels(rows)
    if not panels:
        return None
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 2.7 * lines), layout="constrained")
    for index, panel in enumerate(panels):
        _draw_panel(figure.add_subplot(lines, columns, index + 1), panel, rows)
    return _figure_png(figure)
