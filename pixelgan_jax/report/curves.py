"""The training curves of a run, from its metrics.jsonl, as PNG bytes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from pixelgan_jax.evaluation.metrics import BY_KEY, METRICS, OF_CLUSTERS, SPLIT, VALIDATION, Metric
from pixelgan_jax.report.plots import bare, colours, figure_png, legend, titled


class _Curve(NamedTuple):
    key: str  # of metrics.jsonl
    metric: Metric


def _panels(rows: list[dict[str, Any]]) -> dict[str, list[_Curve]]:
    """The curves of each panel, by its title, as far as the rows have their keys: panels of losses first, then those
    of validation, then a panel of its own for every validation metric that the table of metrics does not know."""
    present = {key for row in rows for key, value in row.items() if isinstance(value, int | float)}
    if VALIDATION + "error" in present:  # clusters that are the classes would say the same again
        present -= {VALIDATION + key for key in OF_CLUSTERS}
    panels: dict[str, list[_Curve]] = {}
    for prefix in ("", VALIDATION):
        for metric in METRICS:
            if metric.panel and prefix + metric.key in present:
                panels.setdefault(metric.panel, []).append(_Curve(prefix + metric.key, metric))
    for key in dict.fromkeys(key for row in rows for key in row if key in present):
        own = key.removeprefix(VALIDATION)
        if own != key and own not in BY_KEY:
            panels[key] = [_Curve(key, Metric(own, own, "", "", ""))]
    return panels


def _name(curve: _Curve, beside: list[_Curve]) -> str:
    """What a curve of these of a panel is called, with its split where the panel shows a split's metric in training;
    nothing where the panel's title says it all."""
    if all(other.key.startswith(VALIDATION) for other in beside):
        return curve.metric.curve
    part = "validation" if curve.key.startswith(VALIDATION) else "training" if curve.metric in SPLIT else ""
    return ", ".join(filter(None, (part, curve.metric.curve)))


def _draw_panel(axes: Axes, title: str, curves: list[_Curve], rows: list[dict[str, Any]]) -> None:
    bare(axes)
    titled(axes, title)
    for curve, colour in zip(curves, colours(len(curves)), strict=True):
        key = curve.key
        points = [(row["step"], np.nan if row[key] is None else row[key]) for row in rows if key in row]
        mark = "o" if len(points) < 20 else None
        name = _name(curve, curves)
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, label=name, marker=mark, markersize=3)
        if curve.metric.equilibrium:
            value, written = curve.metric.equilibrium
            axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(written, (1, value), (3, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center", fontsize=8, color=colour)  # fmt: skip
    if any(_name(curve, curves) for curve in curves):
        legend(axes, loc="best")
    if curves[0].metric.unit == "%":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    # The same span everywhere, so that one can look from panel to panel.
    axes.set_xlim(0, rows[-1]["step"] * 1.02 + 1)
    axes.set_xlabel("step")


def training_curves(rows: list[dict[str, Any]]) -> bytes | None:
    """A PNG of the curves in rows of metrics.jsonl, a panel for each quantity there is; None without any."""
    panels = _panels(rows)
    if not panels:
        return None
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 2.7 * lines), layout="constrained")
    for index, (title, curves) in enumerate(panels.items()):
        _draw_panel(figure.add_subplot(lines, columns, index + 1), title, curves, rows)
    return figure_png(figure)
