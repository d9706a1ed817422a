"""Gathered tables and figures as Markdown: what `--mode table` and `--mode figure` print, and results/RESULTS.md."""

from __future__ import annotations

import math
import statistics
from collections import Counter
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


def titled(metric: Metric) -> str:
    return metric.title + (f", {metric.unit}" if metric.unit in ("%", "nats") else "")


def grid(header: list[str], rows: list[list[str]]) -> str:
    """A table; a text may have a bar of its own, as q(z|x) has."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines) + "\n"


def _entry(cell: dict[str, Any], headlines: Sequence[str], note: str | None) -> str:
    """A table's entry: the mean of the first of the headlines that it has, an error in % or another number with its
    unit, a note, and how many seeds are missing from it."""
    done = _done(cell)
    if not done:
        return cell["runs"][0]["status"]
    key = first_of(headlines, done[0]["test"])
    if key is None:
        return "–"
    metric = BY_KEY[key]
    text = _number(done, metric) + (f" {metric.unit}" if metric.unit != "%" else "")
    few = f" ({len(done)} of {len(cell['runs'])} seeds)" if len(done) < len(cell["runs"]) else ""
    return text + (f" ({note})" if note else "") + few


def table(gathered: dict[str, Any]) -> str:
    """The table itself: a row for each recipe, then the published rows, errors in %; and one such of each further
    metric that the plan asks for, ours alone."""
    return "\n".join([_headlines(gathered), *(_of_metric(gathered, key) for key in gathered.get("metrics", ()))])


def _of_metric(gathered: dict[str, Any], key: str) -> str:
    """A grid of one metric of our cells."""
    metric, columns = BY_KEY[key], gathered["columns"]
    rows = [
        [title, *(_number(_done(cell), metric) if cell else "–" for cell in found)]
        for title, found in _rows(gathered).items()
    ]
    return grid([f"test: {titled(metric)}", *columns.values()], rows)


def _rows(gathered: dict[str, Any]) -> dict[str, list[dict[str, Any] | None]]:
    """The cells of every row of which some run is done, by its title, a place for each column."""
    cells = {cell["name"]: cell for cell in gathered["cells"]}
    rows = {
        title: [cells.get(f"{row}/{column}") for column in gathered["columns"]]
        for row, title in gathered["rows"].items()
    }
    return {title: found for title, found in rows.items() if any(cell and _done(cell) for cell in found)}


def _headlines(gathered: dict[str, Any]) -> str:
    """The grid of every cell's headline, ours and the published."""
    columns, notes, rows = gathered["columns"], gathered.get("notes", {}), _rows(gathered)
    headlines = gathered.get("headlines") or HEADLINES
    header = ["test error, %" if headlines == HEADLINES else "test", *columns.values()]
    ours = [
        [title, *(_entry(cell, headlines, notes.get(cell["name"])) if cell else "–" for cell in found)]
        for title, found in rows.items()
    ]
    published = [
        [f"{title} (published)", *(" ".join(entries.get(column, ["–"])) for column in columns)]
        for title, entries in gathered["published"].items()
    ]
    left_out = [title for title in gathered["rows"].values() if title not in rows]
    return grid(header, ours + published) + (f"\nNothing was run of: {'; '.join(left_out)}.\n" if left_out else "")


def figure(gathered: dict[str, Any]) -> str:
    """A figure's numbers: a column for each cell, mean ± standard deviation where there are several seeds. Where labels
    name the classes of every cell, what tells clusters and labels apart would say the same again."""
    runs = [run.get("numbers", {}) | run["test"] for cell in gathered["cells"] for run in _done(cell)]
    found = {key for row in [*runs, *gathered["reference"].values()] for key, value in row.items() if _is_number(value)}
    left_out = {
        "examples",
        "labelled_examples",
        *(OF_CLUSTERS if all(cell["labels"] for cell in gathered["cells"]) else ()),
    }
    shown = [metric for metric in METRICS if metric.key in found - left_out]
    titles, cells, reference = gathered.get("titles", {}), gathered["cells"], gathered["reference"]
    header = ["test", *(titles.get(cell["name"], cell["name"]) for cell in cells), *reference]
    rows = [
        [
            titled(metric),
            *(_number(_done(cell), metric) if _done(cell) else cell["runs"][0]["status"] for cell in cells),
            *(_number([{"test": values}], metric) for values in reference.values()),
        ]
        for metric in shown
    ]
    return grid(header, rows)


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
    verdict = "holds" if all(holds for holds, _ in checked) else "does not hold"
    numbers = "; ".join(text for _, text in checked)
    return f"**{asked['source']}**: {asked['text']}. **Here this {verdict} by our bounds.** {_capital(numbers)}.\n"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _check(gathered: dict[str, Any], check: dict[str, Any]) -> tuple[bool, str]:
    metric, less = BY_KEY[check["metric"]], check.get("less")
    unit = f" {metric.unit}" if metric.unit else ""
    bounds = [(word, check[key]) for key, word in (("at_least", "at least"), ("at_most", "at most")) if key in check]
    wanted = " and ".join(f"{word} {number(bound, metric.unit)}" for word, bound in bounds)
    titles = gathered.get("titles", {})
    subject = f"{metric.title[0].lower()}{metric.title[1:]} of “{titles.get(check['cell'], check['cell'])}”"
    subject += f" less that of “{titles.get(less, less)}”" if less else ""
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
    """What every cell of which some run is done was made with, what it cost, each seed's error, and the command that
    makes it again; what most were made with is said once."""
    cells = [(cell, _done(cell)) for cell in gathered["cells"]]
    made = Counter(_made_with(run) for _, done in cells for run in done)
    most = made.most_common(1)[0][0] if made else ""
    parts = [f"Made with {most}, where nothing else is said.\n"] if made else []
    for cell, done in cells:
        if done:
            told = [*_cost(done, most), *_by_seed(cell, done, gathered.get("headlines", ()))]
            lines = [f"**{cell['name']}**", "", f"```sh\n{cell['command']}\n```", "", *(f"- {line}" for line in told)]
            parts.append("\n".join(lines) + "\n")
    left_out: dict[str, list[str]] = {}
    for cell in (cell for cell, done in cells if not done):
        why = "; ".join(dict.fromkeys(run["status"] for run in cell["runs"]))
        left_out.setdefault(why, []).append(f"`{cell['name']}`")
    parts += [f"{_capital(status)}: {', '.join(names)}.\n" for status, names in left_out.items()]
    return "\n".join(parts)


def _made_with(run: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"{run['device']['count']} × {run['device']['kind']}; {versions}"


def _cost(done: list[dict[str, Any]], most: str) -> list[str]:
    made = [text for text in dict.fromkeys(map(_made_with, done)) if text != most]
    commits = "; ".join(dict.fromkeys(str(run["git_commit"]) for run in done))
    steps = "; ".join(dict.fromkeys(str(run["step"]) for run in done))
    seconds = [run["train"]["seconds"] + run["train"]["compile_seconds"] for run in done]
    spent = sum(each * run["device"]["count"] for each, run in zip(seconds, done, strict=True)) / 3600
    return [
        "; ".join([*made, f"commit {commits}"]),
        f"{mean_and_sd(seconds, 's')} s a run of {steps} steps, compiling included and evaluating not; {spent:.2f}"
        " device-hours in all",
    ]


def _by_seed(cell: dict[str, Any], done: list[dict[str, Any]], headlines: Sequence[str]) -> list[str]:
    lines = []
    keys = {*HEADLINES[:2], *CHOSEN_BY[:2], "clusters_used"} if not cell["labels"] else {"error"}
    keys |= {*headlines}
    for metric in METRICS:
        if done and metric.key in keys and all(metric.key in run["test"] for run in done):
            each = [f"seed {run['seed']}: {number(run['test'][metric.key], metric.unit)}" for run in done]
            lines.append(f"{titled(metric)}, on test: {', '.join(each)}")
    shares = BY_KEY["class_shares"]
    for run in done:
        if shares.key in run.get("numbers", {}):
            each = ", ".join(number(share, "%") for share in run["numbers"][shares.key])
            lines.append(f"seed {run['seed']}: {titled(shares)}, from 0 up: {each}")
    others: dict[str, list[str]] = {}
    for run in cell["runs"]:
        if run["status"] != "done":
            others.setdefault(run["status"], []).append(str(run["seed"]))
    lines += [f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}: {status}" for status, seeds in others.items()]
    return lines + [f"seed {run['seed']}: warning: {text}" for run in done for text in run.get("warnings", [])]
