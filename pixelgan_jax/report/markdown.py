"""Gathered tables and figures as Markdown: what `--mode table` and `--mode figure` print, and results/RESULTS.md."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from pixelgan_jax.evaluation.metrics import (
    BY_KEY,
    CHOSEN_BY,
    HEADLINES,
    METRICS,
    OF_CLUSTERS,
    Metric,
    first_of,
    number,
)


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
    """A table; a text may have a bar of its own, as q(z|x) has."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines) + "\n"


def _entry(cell: dict[str, Any] | None, headlines: Sequence[str], note: str | None) -> str:
    """A table's entry: the mean of the first of the headlines that it has, an error in % or another number with its
    unit, a note, and how many seeds are missing from it."""
    if cell is None:
        return "–"
    done = _done(cell)
    if not done:
        return cell["runs"][0]["status"]
    key = first_of(headlines, done[0]["test"])
    if key is None:
        return "–"
    metric = BY_KEY[key]
    text = _number(done, metric) + (f" {metric.unit}" if metric.unit != "%" else "")
    few = f" ({len(done)} of {len(cell['runs'])} seeds)" if len(done) < len(cell["runs"]) else ""
    return f"**{text}**" + (f" ({note})" if note else "") + few


def table(gathered: dict[str, Any]) -> str:
    """The table itself: a row for each recipe, then the published rows, errors in %; and one such of each further
    metric that the plan asks for, ours alone."""
    return "\n".join([_headlines(gathered), *(_of_metric(gathered, key) for key in gathered.get("metrics", ()))])


def _of_metric(gathered: dict[str, Any], key: str) -> str:
    """A grid of one metric of our cells."""
    metric, columns = BY_KEY[key], gathered["columns"]
    cells = {cell["name"]: cell for cell in gathered["cells"]}
    rows = []
    for row, title in gathered["rows"].items():
        found = [cells.get(f"{row}/{column}") for column in columns]
        rows.append([title, *(_number(_done(cell), metric) if cell else "–" for cell in found)])
    return _grid([f"test: {_titled(metric)}", *columns.values()], rows)


def _headlines(gathered: dict[str, Any]) -> str:
    """The grid of every cell's headline, ours and the published."""
    cells = {cell["name"]: cell for cell in gathered["cells"]}
    columns, notes = gathered["columns"], gathered.get("notes", {})
    headlines = gathered.get("headlines") or HEADLINES
    header = ["test error, %" if headlines == HEADLINES else "test", *columns.values()]
    ours = [
        [title, *(_entry(cells.get(name), headlines, notes.get(name)) for name in (f"{row}/{key}" for key in columns))]
        for row, title in gathered["rows"].items()
    ]
    published = [
        [f"{title} (published)", *(" ".join(entries.get(column, ["–"])) for column in columns)]
        for title, entries in gathered["published"].items()
    ]
    return _grid(header, ours + published)


def figure(gathered: dict[str, Any]) -> str:
    """A figure's numbers: a row for each cell, mean ± standard deviation where there are several seeds. Where labels
    name the classes of every cell, what tells clusters and labels apart would say the same again."""
    runs = [run.get("numbers", {}) | run["test"] for cell in gathered["cells"] for run in _done(cell)]
    found = {key for row in [*runs, *gathered["reference"].values()] for key, value in row.items() if _is_number(value)}
    left_out = {
        "examples",
        "labelled_examples",
        *(OF_CLUSTERS if all(cell["labels"] for cell in gathered["cells"]) else ()),
    }
    shown = [metric for metric in METRICS if metric.key in found - left_out]
    rows = []
    for cell in gathered["cells"]:
        done = _done(cell)
        rows.append([cell["name"], *((_number(done, each) if done else cell["runs"][0]["status"]) for each in shown)])
    for title, values in gathered["reference"].items():
        rows.append([title, *(_number([{"test": values}], metric) for metric in shown)])
    return _grid(["", *(_titled(metric) for metric in shown)], rows)


def figure_with_claim(gathered: dict[str, Any]) -> str:
    """A figure's numbers, and under them what it is to show and whether it does."""
    return "\n".join(part for part in (figure(gathered), claim(gathered)) if part)


def claim(gathered: dict[str, Any]) -> str:
    """What is claimed of a figure, whether ours shows it, and the numbers that decide it: "" where nothing is claimed.

    gathered["claim"] is {"source": who claims it, "text": what, "checks": [check]}, and a check {"cell": name,
    "metric": key, "at_least" or "at_most" or both: bounds}, of the mean over the cell's runs; with "less": name, a cell
    or a reference, of what that is above the other's.
    """
    if "claim" not in gathered:
        return ""
    asked = gathered["claim"]
    checked = [_check(gathered, check) for check in asked["checks"]]
    verdict = "shown" if all(holds for holds, _ in checked) else "not shown"
    numbers = "; ".join(text for _, text in checked)
    return f"**{asked['source']}**: {asked['text']}. **Here: {verdict}.** {numbers[0].upper()}{numbers[1:]}.\n"


def _check(gathered: dict[str, Any], check: dict[str, Any]) -> tuple[bool, str]:
    metric, less = BY_KEY[check["metric"]], check.get("less")
    unit = f" {metric.unit}" if metric.unit else ""
    bounds = [(word, check[key]) for key, word in (("at_least", "at least"), ("at_most", "at most")) if key in check]
    wanted = " and ".join(f"{word} {number(bound, metric.unit)}" for word, bound in bounds)
    subject = f"{metric.title[0].lower()}{metric.title[1:]} of `{check['cell']}`"
    subject += f" less `{less}`’s" if less else ""
    values = [_mean(gathered, name, metric.key) for name in (check["cell"], less) if name]
    if None in values:
        return False, f"{subject}: not run, wanted {wanted}{unit}"
    value = values[0] - sum(values[1:])
    holds = check.get("at_least", -math.inf) <= value <= check.get("at_most", math.inf)
    return holds, f"{subject}: {number(value, metric.unit)}{unit}, wanted {wanted}"


def _mean(gathered: dict[str, Any], name: str, key: str) -> float | None:
    """A metric of a cell, the mean over its runs, or of a reference; None where it was not run."""
    rows = [run.get("numbers", {}) | run["test"] for each in gathered["cells"] if each["name"] == name
            for run in _done(each)] or [gathered["reference"].get(name, {})]  # fmt: skip
    values = [row[key] for row in rows if key in row]
    return statistics.fmean(values) if values else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def provenance(gathered: dict[str, Any]) -> str:
    """What every cell was made with, what it cost, each seed's error, and the command that makes it again."""
    parts = []
    for cell in gathered["cells"]:
        done = _done(cell)
        lines = [f"**{cell['name']}**", "", f"```sh\n{cell['command']}\n```", ""]
        told = _by_seed(cell, done, gathered.get("headlines", ()))
        lines += [f"- {line}" for line in _made_with(done) + told]
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


def _by_seed(cell: dict[str, Any], done: list[dict[str, Any]], headlines: Sequence[str]) -> list[str]:
    lines = []
    keys = {*HEADLINES[:2], *CHOSEN_BY[:2], "clusters_used"} if not cell["labels"] else {"error"}
    keys |= {*headlines}
    for metric in METRICS:
        if done and metric.key in keys and all(metric.key in run["test"] for run in done):
            each = [f"seed {run['seed']}: {number(run['test'][metric.key], metric.unit)}" for run in done]
            lines.append(f"{_titled(metric)}, on test: {', '.join(each)}")
    shares = BY_KEY["class_shares"]
    for run in done:
        if shares.key in run.get("numbers", {}):
            each = ", ".join(number(share, "%") for share in run["numbers"][shares.key])
            lines.append(f"seed {run['seed']}: {_titled(shares)}, from 0 up: {each}")
    others: dict[str, list[str]] = {}
    for run in cell["runs"]:
        if run["status"] != "done":
            others.setdefault(run["status"], []).append(str(run["seed"]))
    lines += [f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}: {status}" for status, seeds in others.items()]
    return lines + [f"seed {run['seed']}: warning: {text}" for run in done for text in run.get("warnings", [])]
