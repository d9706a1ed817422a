"""The runs that a table or a figure is made of: which they are, training what is missing, gathering what there is.

A cell is one experiment with some overrides, trained on one or several seeds. Each seed is an ordinary run in a workdir
of its own, <workdir>/<cell>/seed_<n>, independent of all others, so several processes and machines may share the
folder, or train their part of it and copy it together.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pixelgan_jax.commands import run
from pixelgan_jax.commands.replicates import seeded
from pixelgan_jax.config import Config, first_difference, from_saved
from pixelgan_jax.data import sources
from pixelgan_jax.errors import InputError
from pixelgan_jax.report.drawings import Task
from pixelgan_jax.training import loop
from pixelgan_jax.training.workdir import InUse

DONE, NO_DATA, MISSING = "done", "not run: no data", "not run"

Parse = Callable[[list[str]], tuple[str, Config, str, Path]]


class Cell(NamedTuple):
    """`command` trains all of the cell's tasks; what they leave in their workdirs is the same either way."""

    name: str
    command: str
    own_data: bool  # another data set than the table's or figure's own
    tasks: tuple[Task, ...]


def plan(file: str, named: dict[str, Any], seeds: int, folder: Path, overrides: dict[str, str], parse: Parse):
    """The cells of `named`, {name: (experiment, {field: value})}, as list[Cell].

    The experiments lie beside `file`. `overrides` {group.field: text} reach every cell, but `data.name` only those
    whose data set is that of `file`. `parse` makes a configuration of a command line. Raises InputError naming the
    cell that does not come out right.
    """
    own = parse(["--config", file])[1].data.name
    cells = []
    for name, (experiment, changes) in named.items():
        path = str(Path(file).with_name(f"{experiment}.py"))
        fields = {field: str(value) for field, value in changes.items()}
        try:
            _, before, _, _ = parse(_arguments(path, fields, folder))
            reaching = {field: text for field, text in overrides.items() if field != "train.replicates"}
            if before.data.name != own:
                reaching.pop("data.name", None)
            cell = _cell(name, path, fields | reaching, seeds, folder / name, parse)
            cells.append(cell._replace(own_data=before.data.name != own))
        except InputError as error:
            raise InputError(f"cell {name}: {error}") from None
    return cells


def _cell(name: str, path: str, fields: dict[str, str], seeds: int, folder: Path, parse: Parse) -> Cell:
    experiment, config, _, _ = parse(_arguments(path, fields, folder))
    tasks = []
    for number in range(seeds):
        one = seeded(config, number)
        tasks.append(Task(experiment, one, folder / f"seed_{one.train.seed}"))
    shown = fields | ({"train.replicates": str(seeds)} if seeds > 1 else {})
    if "data.dir" in fields:
        shown["data.dir"] = "FOLDER"  # elsewhere on the reader's machine
    arguments = _arguments(path, shown, folder if seeds > 1 else tasks[0].workdir)
    command = shlex.join(["python", "-m", "pixelgan_jax.main", *arguments])
    return Cell(name, command, False, tuple(tasks))


def _arguments(path: str, fields: dict[str, str], workdir: Path) -> list[str]:
    overrides = [f"--config.{field}={text}" for field, text in fields.items()]
    return ["--config", path, "--workdir", str(workdir), *overrides]


def finished(task: Task) -> bool:
    """Whether the workdir holds the results of this very run. Raises InputError where it is of another."""
    path, steps = task.workdir / "results.json", task.config.train.steps
    for found in (task.workdir / "config.json", path):
        values = _json(found)
        if values is None:
            continue
        difference = first_difference(from_saved(_config(found, values)), task.config)
        if difference:
            raise InputError(f"{found}: {difference}; must be the same, or another --workdir")
    results = _json(path)
    return results is not None and results.get("step") == steps


def _config(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    if path.name == "results.json":
        return values.get("config") or {}
    return {group: fields for group, fields in values.items() if group != "experiment"}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold one JSON object; --mode evaluate writes results.json anew")
    return values


def train(cells: list[Cell]) -> Iterator[dict[Path, str]]:
    """Trains every task that is not finished, going on from what is half done.

    Yields how each stands, by workdir: once all have been looked at, before anything is trained, and after every run.
    A task that another process is at is left to it, one that diverges does not stop the others, and the cells on data
    that nobody has are not run.
    """
    tasks = [task for cell in cells for task in cell.tasks]
    outcomes = {task.workdir: MISSING for task in tasks}

    def look() -> dict[Path, str]:  # others may have finished some
        found = [task.workdir for task in tasks if outcomes[task.workdir] != DONE and finished(task)]
        outcomes.update(dict.fromkeys(found, DONE))
        return outcomes

    look()
    for cell in cells:
        left = [task for task in cell.tasks if outcomes[task.workdir] != DONE]
        if left and cell.own_data and not _has_data(left[0].config):
            print(f"{cell.name}: {NO_DATA}", flush=True)
            outcomes.update({task.workdir: NO_DATA for task in left})
    yield outcomes
    for cell in cells:
        for task in cell.tasks:
            if outcomes[task.workdir] == MISSING:
                outcomes[task.workdir] = _train(cell.name, task)
                yield look()


def _has_data(config: Config) -> bool:
    try:
        sources.load(config.data)
    except InputError:
        return False
    return True


def _train(name: str, task: Task) -> str:
    label = f"{name}, {task.workdir.name}"
    if finished(task):  # by another process, since the start
        return DONE
    print(f"{label}: training", flush=True)
    try:
        run.execute("train", run.start(task.experiment, task.config, task.workdir))
    except InUse as error:
        print(f"{label}: skipped: {error}", flush=True)
        return "being trained by another process"
    except loop.Diverged as error:
        print(f"{label}: stopped: {error}", flush=True)
        return f"diverged: {error}"
    finally:
        jax.clear_caches()  # compiled for this task alone
    return DONE


def gather(cell: Cell, outcomes: dict[Path, str]) -> dict[str, Any]:
    """What is known of a cell, of JSON types: its command and a row for each seed, with its results where done."""
    runs = []
    for task in cell.tasks:
        row: dict[str, Any] = {"seed": task.config.train.seed, "status": outcomes[task.workdir]}
        results = _json(task.workdir / "results.json") if row["status"] == DONE else None
        if results:
            kept = ("step", "validation", "test", "train", "device", "versions", "git_commit", "warnings")
            row |= {name: results[name] for name in kept if name in results}
        runs.append(row)
    return {"name": cell.name, "command": cell.command, "labels": cell.tasks[0].config.data.labels, "runs": runs}
