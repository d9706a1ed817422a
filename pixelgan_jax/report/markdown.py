"""Gathered tables and figures as Markdown: what `--mode table` and `--mode figure` print, and results/RESULTS.md."""

from __future__ import annotations

import statistics
from typing import Any

from pixelgan_jax.evaluation.metrics import BY_KEY, CHOSEN_BY, HEADLINES, METRICS, Metric, first_of, number


def _done(cell: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in cell["runs"] if run["status"] == "done"]


def mean_and_sd(values: list[float], unit: str | None) -> str:
    """Mean ± sample standard deviation, as numbers of this unit are written; a single value has none."""
    return number(statistics.fmean(values), unit, statistics.stdev(values) if len(values) > 1 else None)


def _number(runs: list[dict[str, Any]], metric: Metric) -> str:
    """A metric of the runs that have it, from what the figure computed or from the test split."""
    values = [(run.get("numbers", {}) | run["test"]).get(metric.key) for run in runs]
    values = [value for value in values if value is not None]
    return mean_and_sd(values, metric.unit) if values else "–"


def _titled(metric: Metric) -> str:
    return metric.title + (f", {metric.unit}" if metric.unit in ("%", "nats") else "")


def _grid(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _entry(cell: dict[str, Any] | None) -> str:
    """A table's entry: the mean headline, an error in % or another number with its unit, and how many seeds are missing
    from it."""
    if cell is None:
        return "–"
    done = _done(cell)
    if not done:
        return cell["runs"][0]["status"]
    metric = BY_KEY[first_of(HEADLINES, done[0]["test"])]
    text = _number(done, metric) + (f" {metric.unit}" if metric.unit != "%" else "")
    few = f" ({len(done)} of {len(cell['runs'])} seeds)" if len(done) < len(cell["runs"]) else ""
    return f"**{text}**{few}"


def table(gathered: dict[str, Any]) -> str:
    """The table itself: a row for each recipe, then the published rows, errors in %."""
    cells = {cell["name"]: cell for cell in gathered["cells"]}
    columns = gathered["columns"]
    header = ["test error, %", *columns.values()]
    ours = [
        [title, *(_entry(cells.get(f"{row}/{column}")) for column in columns)]
        for row, title in gathered["rows"].items()
    ]
    published = [
        [f"{title} (published)", *(" ".join(entries.get(column, ["–"])) for column in columns)]
        for title, entries in gathered["published"].items()
    ]
    return _grid(header, ours + published)


def figure(gathered: dict[str, Any]) -> str:
    """A figure's numbers: a row for each cell, mean ± standard deviation where there are several seeds."""
    runs = [run.get("numbers", {}) | run["test"] for cell in gathered["cells"] for run in _done(cell)]
    found = {key for row in [*runs, *gathered["reference"].values()] for key, value in row.items() if _is_number(value)}
    shown = [metric for metric in METRICS if metric.key in found - {"examples"}]
    rows = []
    for cell in gathered["cells"]:
        done = _done(cell)
        rows.append([cell["name"], *((_number(done, each) if done else cell["runs"][0]["status"]) for each in shown)])
    for title, values in gathered["reference"].items():
        rows.append([title, *(_number([{"test": values}], metric) for metric in shown)])
    return _grid(["", *(_titled(metric) for metric in shown)], rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def provenance(gathered: dict[str, Any]) -> str:
    """What every cell was made with, what it cost, each seed's error, and the command that makes it again."""
    parts = []
    for cell in gathered["cells"]:
        done = _done(cell)
        lines = [f"**{cell['name']}**", "", f"```sh\n{cell['command']}\n```", ""]
        lines += [f"- {line}" for line in (_made_with(done) + _by_seed(cell, done))]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _made_with(done: list[dict[str, Any]]) -> list[str]:
    def kinds(texts: list[str]) -> str:
        return "; ".join(dict.fromkeys(texts))

    if not done:
        return []
    devices = [f"{run['device']['count']} × {run['device']['kind']}" for run in done]
    versions = [", ".join(f"{name} {version}" for name, version in run["versions"].items()) for run in done]
    seconds = [run["train"]["seconds"] + run["train"]["compile_seconds"] for run in done]
    cost = sum(spent * run["device"]["count"] for spent, run in zip(seconds, done, strict=True)) / 3600
    return [
        f"{kinds(devices)}; {kinds(versions)}; commit {kinds([str(run['git_commit']) for run in done])}",
        f"{mean_and_sd(seconds, 's')} s a run of {kinds([str(run['step']) for run in done])} steps, compiling included"
        f" and evaluating not; {cost:.2f} device-hours in all",
    ]


def _by_seed(cell: dict[str, Any], done: list[dict[str, Any]]) -> list[str]:
    lines = []
    keys = {*HEADLINES[:2], *CHOSEN_BY[:2], "clusters_used"} if not cell["labels"] else {"error"}
    for metric in METRICS:
        if done and metric.key in keys and all(metric.key in run["test"] for run in done):
            each = [f"seed {run['seed']}: {number(run['test'][metric.key], metric.unit)}" for run in done]
            lines.append(f"{_titled(metric)}, on test: {', '.join(each)}")
    lines += [f"seed {run['seed']}: {run['status']}" for run in cell["runs"] if run["status"] != "done"]
    return lines + [f"seed {run['seed']}: warning: {text}" for run in done for text in run.get("warnings", [])]
