"""Gathered tables and figures as Markdown: what `--mode table` and `--mode figure` print, and results/RESULTS.md."""

from __future__ import annotations

import statistics
from typing import Any

NUMBERS = {
    "error": ("error, %", 100, 2),
    "cluster_error_best_example": ("cluster error (best example), %", 100, 2),
    "cluster_error_majority": ("(majority), %", 100, 2),
    "clusters_used": ("clusters used", 1, 1),
    "confidence": ("confidence", 1, 3),
    "entropy_nats": ("entropy, nats", 1, 3),
    "sharpness": ("sharpness", 1, 3),
    "classifier_error": ("classifier's error, %", 100, 2),
    "knn_error": ("k-NN error of the code, %", 100, 2),
    "reconstruction_nats": ("reconstruction, nats", 1, 2),
    "shuffled_code_nats": ("codes shuffled, nats", 1, 2),
    "marginal_kl_nats": ("KL(q(z)‖p(z)), nats", 1, 3),
    "mutual_information_nats": ("I(z; x), nats", 1, 3),
    "bits_per_dim": ("bits per dimension", 1, 4),
}


def _done(cell: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for run in cell["runs"] if run["status"] == "done"]


def metric(cell: dict[str, Any]) -> str:
    """The test metric of a table's cell: the paper's rule where there are no labels."""
    return "error" if cell["labels"] else "cluster_error_best_example"


def spread(values: list[float], factor: float, digits: int) -> str:
    """Mean ± sample standard deviation; a single value has none."""
    mean = f"{factor * statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {factor * statistics.stdev(values):.{digits}f}"


def _number(runs: list[dict[str, Any]], name: str) -> str:
    """A number of the runs that have it, from what the figure computed or from the test split."""
    values = [(run.get("numbers", {}) | run["test"]).get(name) for run in runs]
    values = [value for value in values if value is not None]
    return spread(values, *NUMBERS[name][1:]) if values else "–"


def _grid(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _entry(cell: dict[str, Any] | None) -> str:
    """A table's entry: the mean error in %, and how many seeds are missing from it."""
    if cell is None:
        return "–"
    done = _done(cell)
    if not done:
        return cell["runs"][0]["status"]
    text = _number(done, metric(cell))
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
    found = {name for cell in gathered["cells"] for run in _done(cell) for name in run["numbers"] | run["test"]}
    found |= {name for row in gathered["reference"].values() for name in row}
    names = [name for name in NUMBERS if name in found]
    rows = [
        [cell["name"], *((_number(_done(cell), name) if _done(cell) else cell["runs"][0]["status"]) for name in names)]
        for cell in gathered["cells"]
    ]
    for title, values in gathered["reference"].items():
        rows.append([title, *(_number([{"test": values}], name) for name in names)])
    return _grid(["", *(NUMBERS[name][0] for name in names)], rows)


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
        f"{spread(seconds, 1, 0)} s a run of {kinds([str(run['step']) for run in done])} steps, compiling included and"
        f" evaluating not; {cost:.2f} device-hours in all",
    ]


def _by_seed(cell: dict[str, Any], done: list[dict[str, Any]]) -> list[str]:
    lines = []
    for name in ("error", "cluster_error_best_example", "cluster_error_majority", "clusters_used"):
        if not all(name in run["test"] for run in done) or cell["labels"] and name != "error":
            continue
        _, factor, digits = NUMBERS[name]
        if done:
            each = ", ".join(f"seed {run['seed']}: {factor * run['test'][name]:.{digits}f}" for run in done)
            lines.append(f"test {NUMBERS[name][0]}: {each}")
    lines += [f"seed {run['seed']}: {run['status']}" for run in cell["runs"] if run["status"] != "done"]
    return lines + [f"seed {run['seed']}: warning: {text}" for run in done for text in run.get("warnings", [])]
