"""`--mode table` and `--mode figure`: trains what is missing of an experiment's cells, gathers and draws.

Such an experiment has, beside get_config(), a get_plan() that returns {"cells": {name: (experiment, {field: value})}}
and, for a table, "columns" {key: title} and "rows" {key: title} of its cells, which are called row/column, and
"published" {title: {column: (text, mark)}}; for a figure, its "drawing", one of drawings.DRAWINGS.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixelgan_jax.commands.cells import DONE, NO_DATA, Cell, Parse, Task, gather, plan, train
from pixelgan_jax.errors import InputError
from pixelgan_jax.report import markdown, plots
from pixelgan_jax.report.drawings import DRAWINGS
from pixelgan_jax.training import logs
from pixelgan_jax.training.workdir import prepare, write_json, write_whole

PARTS = {"table": ("title", "cells", "columns", "rows", "published"), "figure": ("title", "cells", "drawing")}
MODES = tuple(PARTS)


class Incomplete(Exception):
    """Some runs are missing; the message says which and why. What there is has been gathered and drawn."""


def execute(
    mode: str, file: str, asked: dict[str, Any], seeds: int, workdir: Path, overrides: dict[str, str], parse: Parse
) -> None:
    """Trains, gathers and draws; writes <workdir>/NAME.json and NAME.png and prints what they hold.

    A table is written before the first run and after every one, so that it can be read, or the command stopped, at any
    time; a figure, which takes longer to draw, at the end.

    Raises InputError for a plan that does not fit the mode, and Incomplete at the end where runs are missing other
    than for want of data.
    """
    lacking = [part for part in PARTS[mode] if not isinstance(asked, dict) or part not in asked]
    if lacking:
        allowed = f"must have {', '.join(PARTS[mode])}"
        raise InputError(f"--mode {mode}: get_plan() of {file} has no {lacking[0]!r}; {allowed}")
    cells = plan(file, asked["cells"], seeds, workdir, overrides, parse)
    path = workdir / Path(file).stem
    for outcomes in train(cells):
        prepare(workdir)
        if mode == "table":
            gathered = _write(path, _table, mode, asked, cells, outcomes)
    if mode == "figure":
        gathered = _write(path, _figure, mode, asked, cells, outcomes)
    print((markdown.table if mode == "table" else markdown.figure)(gathered), flush=True)
    print(f"{mode}: {path}.json and .png", flush=True)
    missing = [f"{place}: {outcome}" for place, outcome in outcomes.items() if outcome not in (DONE, NO_DATA)]
    if missing:
        raise Incomplete(f"{len(missing)} of {len(outcomes)} runs are missing: {'; '.join(missing)}")


def _write(
    path: Path, draw: Callable, mode: str, asked: dict, cells: list[Cell], outcomes: dict[Path, str]
) -> dict[str, Any]:
    gathered = {"kind": mode, "name": path.name, "cells": [gather(cell, outcomes) for cell in cells]}
    png = draw(gathered, asked, cells, outcomes)
    write_json(Path(f"{path}.json"), gathered)
    if png is not None:
        write_whole(Path(f"{path}.png"), png)
    return gathered


def _done(cell: Cell, outcomes: dict[Path, str]) -> list[Task]:
    return [task for task in cell.tasks if outcomes[task.workdir] == DONE]


def _table(gathered: dict[str, Any], asked: dict, cells: list[Cell], outcomes: dict[Path, str]) -> bytes | None:
    gathered |= {part: asked[part] for part in ("title", "columns", "rows", "published")}
    curves = {}
    for cell, row in zip(cells, gathered["cells"], strict=True):
        done = _done(cell, outcomes)
        if done and row["labels"]:
            recipe, _, column = cell.name.partition("/")
            panel = curves.setdefault(asked["rows"][recipe], {})
            panel[asked["columns"][column]] = row["curves"] = [_curve(task) for task in done]
    return plots.error_curves(curves) if curves else None


def _curve(task: Task) -> list[tuple[int, float]]:
    """(images seen, validation error) at every evaluation."""
    rows = [row for row in logs.read(task.workdir) if row.get("validation_error") is not None]
    return [(row["step"] * task.config.train.batch_size, row["validation_error"]) for row in rows]


def _figure(gathered: dict[str, Any], asked: dict, cells: list[Cell], outcomes: dict[Path, str]) -> bytes | None:
    gathered |= {"title": asked["title"], "drawing": asked["drawing"], "reference": {}}
    done = {cell.name: _done(cell, outcomes) for cell in cells}
    done = {name: tasks for name, tasks in done.items() if tasks}
    if not done:
        return None
    png, numbers, gathered["reference"] = DRAWINGS[asked["drawing"]](done)
    for cell in gathered["cells"]:
        finished = [run for run in cell["runs"] if run["status"] == DONE]
        for run, values in zip(finished, numbers.get(cell["name"], []), strict=True):
            run["numbers"] = values
    return png
