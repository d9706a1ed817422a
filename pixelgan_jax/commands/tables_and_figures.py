"""`--mode table` and `--mode figure`: trains what is missing of an experiment's cells, gathers and draws.

Such an experiment has, beside get_config(), a get_plan() that returns a "title" and "cells" {name: (experiment, {field:
value})}; for a table, "columns" {key: title} and "rows" {key: title} of its cells, which are called row/column,
"published" {title: {column: (text, mark)}} and, where there is something to say of a cell, "notes" {cell: text}; where
errors are not what it is about, "headlines", the keys of metrics of which a cell shows the first that it has, and
"metrics", the keys of those that have a table of their own below; for a figure, its "drawing", one of figures.DRAWINGS,
where cells have other titles than their names "titles" {cell: text}, and, where a source claims something of it, a
"claim": markdown.claim says what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixelgan_jax.commands.plans import (
    DONE,
    NO_DATA,
    Cell,
    Row,
    committed_at,
    committed_run,
    finished,
    gather,
    plan,
    train,
)
from pixelgan_jax.commands.run import Run
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.metrics import BY_KEY, CHOSEN_BY, VALIDATION, VECTORS, first_of
from pixelgan_jax.report import markdown, plots
from pixelgan_jax.report.figures import DRAWINGS, REAL, SHOWN_REAL, Task, check_cell, check_same_shape
from pixelgan_jax.training import logs
from pixelgan_jax.training.workdir import prepare, read_json, write_json, write_whole

PARTS = {"table": ("title", "cells", "columns", "rows", "published"), "figure": ("title", "cells", "drawing")}
MODES = tuple(PARTS)

Outcomes = dict[Path, str]


class Incomplete(Exception):
    """Some runs are missing; the message says which and why. What there is has been gathered and drawn."""


def execute(
    mode: str, file: str, asked: Any, own_data: str, seeds: int, workdir: Path, overrides: dict[str, Any]
) -> None:
    """Trains, gathers and draws what get_plan() of `file`, `asked`, says; own_data: the data set of its get_config().

    Writes <workdir>/NAME.json and NAME.png before the first run and after every one, so that they can be read, or the
    command stopped, at any time, and prints what they hold at the end; a figure, which takes longer to draw, is drawn
    only then. Raises InputError for a plan that does not fit the mode, and Incomplete at the end where runs are missing
    other than for want of data.
    """
    _check(mode, asked, f"--mode {mode}: get_plan() of {file}")
    cells = plan(file, asked["cells"], own_data, seeds, workdir, overrides)
    path, committed = workdir / Path(file).stem, committed_at(file)
    _say_what_is_committed(cells, committed)
    gather_and_write = _table if mode == "table" else _figure

    shapes: list[tuple[int, ...]] = []

    def drawable(cell: Cell, started: Run) -> None:
        if mode == "figure":
            first = cell is cells[0]
            check_cell(asked["drawing"], cell.name, first, started.config.data, started.method, started.splits)
            shapes.append(started.method.shape)
            if asked["drawing"] == "samples":
                check_same_shape(cell.name, started.method, shapes[0])

    for outcomes in train(cells, drawable):
        prepare(workdir)
        gathered = gather_and_write(path, asked, cells, outcomes)
    if mode == "figure":
        _draw(path, gathered, cells, outcomes, committed)
    print(markdown.table(gathered) if mode == "table" else markdown.figure_with_claim(gathered), flush=True)
    print(f"{mode}: {path}.json and .png", flush=True)
    missing = [f"{place}: {outcome}" for place, outcome in outcomes.items() if outcome not in (DONE, NO_DATA)]
    if missing:
        raise Incomplete(f"{len(missing)} of {len(outcomes)} runs are missing: {'; '.join(missing)}")


def _check(mode: str, asked: Any, where: str) -> None:
    """Refuses, before anything is trained, a plan that cannot be gathered or drawn; plans.plan looks at its fields."""
    lacking = [part for part in PARTS[mode] if not isinstance(asked, dict) or part not in asked]
    if lacking:
        raise InputError(f"{where} has no {lacking[0]!r}; must have {', '.join(PARTS[mode])}")
    for part in ("cells", "columns", "rows", "published", "notes", "titles"):
        if not isinstance(asked.get(part, {}), dict):
            raise InputError(f"{where}: {part} is a {type(asked[part]).__name__}; must be a dict")
    for name, cell in asked["cells"].items():
        if not isinstance(name, str):
            raise InputError(f"{where}: cell {name!r}: its name must be a text")
        if not (isinstance(cell, tuple | list) and [type(value) for value in cell] == [str, dict]):
            raise InputError(f"{where}: cell {name} is {cell!r}; must be (experiment, {{field: value}})")
    for part in ("notes", "titles"):
        if other := [name for name in asked.get(part, {}) if name not in asked["cells"]]:
            raise InputError(f"{where}: {part} have a cell {other[0]!r}; must be one of the plan's")
        if other := [text for text in asked.get(part, {}).values() if not isinstance(text, str)]:
            raise InputError(f"{where}: {part} have a text {other[0]!r}; must be texts")
    titles = asked.get("titles", {})
    called = [*(titles.get(name, name) for name in asked["cells"]), SHOWN_REAL, REAL]
    if twice := [title for title in called if called.count(title) > 1]:
        raise InputError(f"{where} has two titles {twice[0]!r}; must tell cells apart, and from real images")
    if mode == "figure" and asked["drawing"] not in list(DRAWINGS):
        raise InputError(f"{where}: drawing {asked['drawing']!r} is unknown; must be one of {', '.join(DRAWINGS)}")
    if mode == "table":
        _check_table(asked, where)
    elif "claim" in asked:
        _check_claim(asked, where)


def _check_metric(key: Any, where: str) -> None:
    if not isinstance(key, str) or key not in BY_KEY or key in VECTORS:
        told = ", ".join(name for name in BY_KEY if name not in VECTORS)
        raise InputError(f"{where}: metric {key!r} is unknown, or no number; must be one of {told}")


def _check_claim(asked: Row, where: str) -> None:
    claim = asked["claim"]
    told = {"source": str, "text": str, "checks": list}
    if not (isinstance(claim, dict) and all(type(claim.get(name)) is kind for name, kind in told.items())):
        raise InputError(f"{where}: claim is {claim!r}; must have a source, a text and a list of checks")
    for check in claim["checks"] or [None]:
        bounds = [check[name] for name in ("at_least", "at_most") if name in check] if isinstance(check, dict) else []
        bounded = bounds and all(type(bound) in (int, float) for bound in bounds)
        if not (bounded and isinstance(check.get("cell"), str) and check["cell"] in asked["cells"]):
            allowed = "a cell of the plan, a metric, and a number at_least or at_most"
            raise InputError(f"{where}: check {check!r} of the claim must have {allowed}")
        if check.get("less", REAL) not in (*asked["cells"], REAL):
            raise InputError(f"{where}: check {check!r} of the claim: less must be a cell of the plan, or {REAL}")
        _check_metric(check.get("metric"), where)


def _check_table(asked: Row, where: str) -> None:
    for part in ("rows", "columns"):
        titles = list(asked[part].values())
        if other := [title for title in titles if not isinstance(title, str)]:
            raise InputError(f"{where}: {part} have a title {other[0]!r}; must be texts")
        if twice := [title for title in titles if titles.count(title) > 1]:
            raise InputError(f"{where} has two {part} {twice[0]!r}; must tell them apart")
    for name in asked["cells"]:
        row, _, column = name.partition("/")
        if row not in asked["rows"] or column not in asked["columns"]:
            raise InputError(f"{where}: cell {name} has no row or column of its name; must be called row/column")
    for row, entries in asked["published"].items():
        found = list(entries.values()) if isinstance(entries, dict) else [None]
        if not all(isinstance(entry, tuple | list) and all(isinstance(text, str) for text in entry) for entry in found):
            raise InputError(f"{where}: published {row} is {entries!r}; must be {{column: (text, mark)}}")
        if other := [column for column in entries if column not in asked["columns"]]:
            raise InputError(f"{where}: published {row} has a column {other[0]!r}; must be one of the plan's")
    for part in ("headlines", "metrics"):
        if not isinstance(asked.get(part, ()), tuple | list):
            raise InputError(f"{where}: {part} is {asked[part]!r}; must be a list of metrics")
        for key in asked.get(part, ()):
            _check_metric(key, where)


def _say_what_is_committed(cells: list[Cell], committed: Path) -> None:
    for cell in cells:
        seeds = [str(task.config.train.seed) for task in cell.tasks if committed_run(cell, task) and not finished(task)]
        if seeds:
            print(f"{cell.name}, seed {', '.join(seeds)}: done, in {committed}.json", flush=True)


def _gathered(kind: str, path: Path, cells: list[Cell], outcomes: Outcomes) -> Row:
    return {"kind": kind, "name": path.name, "cells": [gather(cell, outcomes) for cell in cells]}


def _table(path: Path, asked: Row, cells: list[Cell], outcomes: Outcomes) -> Row:
    gathered = _gathered("table", path, cells, outcomes)
    gathered |= {part: asked[part] for part in ("title", "columns", "rows", "published")}
    gathered |= {part: asked[part] for part in ("notes", "headlines", "metrics") if part in asked}
    keys = asked.get("headlines", CHOSEN_BY[:2])
    for cell, row in zip(cells, gathered["cells"], strict=True):
        for task, run in zip(cell.tasks, row["runs"], strict=True):
            if run["status"] == DONE and finished(task):
                run["curve"] = _curve(task, keys)
    write_json(Path(f"{path}.json"), gathered)
    if png := plots.table_curves(gathered):
        write_whole(Path(f"{path}.png"), png)
    return gathered


def _curve(task: Task, keys: Sequence[str]) -> list[tuple[int, float]]:
    """(images seen, the first of these metrics of the validation split that there is) at every evaluation."""
    rows = logs.read(task.workdir)
    key = first_of((VALIDATION + key for key in keys), {name: value for row in rows for name, value in row.items()})
    return [(row["step"] * task.config.train.batch_size, row[key]) for row in rows if row.get(key) is not None]


def _figure(path: Path, asked: Row, cells: list[Cell], outcomes: Outcomes) -> Row:
    gathered = _gathered("figure", path, cells, outcomes)
    gathered |= {part: asked[part] for part in ("title", "drawing", "titles", "claim") if part in asked} | {
        "reference": {}
    }
    write_json(Path(f"{path}.json"), gathered)
    return gathered


def _draw(path: Path, gathered: Row, cells: list[Cell], outcomes: Outcomes, committed: Path) -> None:
    """Adds the numbers of the runs whose workdirs are here, and draws the figure.

    The picture shows each cell's first seed. Where one of these is done but its workdir is not here, the picture is the
    committed one.
    """
    here = {cell.name: [task for task in cell.tasks if finished(task)] for cell in cells}
    here = {name: tasks for name, tasks in here.items() if tasks}
    png, before = None, read_json(committed.with_suffix(".json")) or {}
    if not here and any(cell.committed for cell in cells):
        gathered["reference"] = before.get("reference", {})
    if here:
        png, numbers, gathered["reference"] = DRAWINGS[gathered["drawing"]](here, gathered.get("titles", {}))
        for cell, row in zip(cells, gathered["cells"], strict=True):
            values = iter(numbers.get(cell.name, []))
            for task, run in zip(cell.tasks, row["runs"], strict=True):
                if task in here.get(cell.name, []):
                    run["numbers"] = next(values, {})
    firsts = [cell.tasks[0] for cell in cells if outcomes[cell.tasks[0].workdir] == DONE]
    away = [str(task.workdir) for task in firsts if not finished(task)]
    old = committed.with_suffix(".png")
    if away and old.exists():
        png = old.read_bytes()
        print(f"the picture is the committed one, {old}: to be drawn anew it needs {', '.join(away)}", flush=True)
    write_json(Path(f"{path}.json"), gathered)
    if png is not None:
        write_whole(Path(f"{path}.png"), png)
