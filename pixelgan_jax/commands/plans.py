"""The runs that a table or a figure is made of: which they are, training what is missing, gathering what there is.

A cell is one experiment with some overrides, trained on one or several seeds. Each seed is an ordinary run in a workdir
of its own, <workdir>/<cell>/seed_<n>, independent of all others, so several processes and machines may share the
folder, or train their part of it and copy it together. A run whose numbers stand in results/NAME.json beside the
experiments, under an equal configuration, is done as well, wherever its workdir is.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pixelgan_jax.commands import experiment, modes, run
from pixelgan_jax.commands.replicates import seeded
from pixelgan_jax.config import Config, Data, first_difference, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_saved
from pixelgan_jax.report.figures import Task
from pixelgan_jax.training import loop
from pixelgan_jax.training.checkpoint import newest_step
from pixelgan_jax.training.workdir import InUse, read_json

DONE, NO_DATA, MISSING = "done", "not run: no data", "not run"
# may change on resume, and decide all the same what a finished run has to show
SHOWN = ("train.dtype", "train.importance_draws", "sample.count", "sample.seed", "sample.temperature")
KEPT = ("step", "validation", "test", "train", "device", "versions", "git_commit", "warnings")  # of results.json

Row = dict[str, Any]


class Cell(NamedTuple):
    """`command` trains all of the cell's tasks; what they leave in their workdirs is the same either way. committed:
    the cell as it stands in results/NAME.json, {} where it does not or has another configuration."""

    name: str
    command: str
    own_data: bool  # another data set than the table's or figure's own
    tasks: tuple[Task, ...]
    committed: Row


def plan(
    file: str, named: dict[str, Any], own_data: str, seeds: int, folder: Path, overrides: dict[str, Any]
) -> list[Cell]:
    """The cells of `named`, {name: (experiment, {field: value})}.

    The experiments lie beside `file`. Every cell is trained on so many `seeds`, or on fewer where its own
    train.replicates says so. `overrides` {group.field: value} reach every cell, but `data.name` only those whose data
    set is `own_data`, that of `file`. Raises InputError naming the cell that does not come out right.
    """
    loaded: dict[str, dict[str, Any]] = {}  # what each experiment's file defines
    committed = _committed(file)
    cells = []
    for name, (stem, changes) in named.items():
        path = str(Path(file).with_name(f"{stem}.py"))
        try:
            if path not in loaded:
                loaded[path] = experiment.load(path)
            values = experiment.config_of(path, loaded[path])
            before = experiment.typed(path, values, changes)
            reaching = {field: value for field, value in overrides.items() if field != "train.replicates"}
            if before.data.name != own_data:
                reaching.pop("data.name", None)
            config = experiment.typed(path, values, reaching)
        except InputError as error:
            raise InputError(f"cell {name}: {error}") from None
        own_seeds = min(seeds, before.train.replicates if "train.replicates" in changes else seeds)
        tasks = _tasks(stem, config, own_seeds, folder / name)
        command = _command(path, changes | reaching, tasks)
        same = committed.get(name, {})
        same = same if _is_of(same, tasks[0].config) else {}
        cells.append(Cell(name, command, before.data.name != own_data, tasks, same))
    return cells


def _tasks(stem: str, config: Config, seeds: int, folder: Path) -> tuple[Task, ...]:
    configs = [seeded(config, number) for number in range(seeds)]
    return tuple(Task(stem, one, folder / f"seed_{one.train.seed}") for one in configs)


def _command(path: str, fields: dict[str, Any], tasks: tuple[Task, ...]) -> str:
    """The command line of all the tasks."""
    several = len(tasks) > 1
    shown = fields | ({"train.replicates": len(tasks)} if several or "train.replicates" in fields else {})
    if "data.dir" in fields:
        shown["data.dir"] = "FOLDER"  # elsewhere on the reader's machine
    workdir = tasks[0].workdir.parent if several else tasks[0].workdir
    overrides = [f"--config.{field}={value}" for field, value in shown.items()]
    return shlex.join(["python", "-m", "pixelgan_jax.main", "--config", path, "--workdir", str(workdir), *overrides])


def committed_at(file: str) -> Path:
    """results/NAME, beside the folder of the experiment's file: the table or figure as it was committed."""
    return Path(file).resolve().parent.parent / "results" / Path(file).stem


def _committed(file: str) -> dict[str, Row]:
    found = read_json(committed_at(file).with_suffix(".json")) or {}
    return {row["name"]: row for row in found.get("cells", []) if isinstance(row, dict) and "name" in row}


def _is_of(row: Row, config: Config) -> bool:
    """Whether a committed cell's runs are those of `config`, the first seed's."""
    saved = row.get("config")
    try:
        return isinstance(saved, dict) and first_difference(from_saved(saved), config, SHOWN) is None
    except InputError:  # a field that is gone
        return False


def committed_run(cell: Cell, task: Task) -> Row | None:
    """The row of results/NAME.json that a task stands in as done; None where it does not."""
    for row in cell.committed.get("runs", []):
        if row["seed"] == task.config.train.seed and row["status"] == DONE and row["step"] == task.config.train.steps:
            return row
    return None


def finished(task: Task) -> bool:
    """Whether the workdir holds the results of this very run. Raises InputError where it is of another, or further."""
    path, steps = task.workdir / "results.json", task.config.train.steps
    results = read_json(path)
    # config.json says how the run was begun, or gone on with; where there are results, they say what is shown
    held = [(path, results, SHOWN)]
    if results or newest_step(task.workdir) is not None:
        begun = task.workdir / "config.json"
        held.insert(0, (begun, read_json(begun), () if results else SHOWN))
    for found, values, shown in held:
        if values is None:
            continue
        try:
            saved = from_saved(_config(found, values))
        except InputError as error:
            raise InputError(f"{found}: {error}; must be a run of this version, or another --workdir") from None
        if difference := first_difference(saved, task.config, shown):
            raise InputError(f"{found}: {difference}; must be the same, or another --workdir")
    step = (results or {}).get("step")
    if isinstance(step, int) and step > steps:
        raise InputError(f"{path}: config.train.steps: {run.beyond(steps, step)}, or another --workdir")
    return step == steps


def _config(path: Path, values: Row) -> Row:
    if path.name == "results.json":
        return values.get("config") or {}
    return {group: fields for group, fields in values.items() if group != "experiment"}


def train(cells: list[Cell], check: Callable[[Cell, run.Run], None]) -> Iterator[dict[Path, str]]:
    """Trains every task that is not done, going on from what is half done.

    Yields how each stands, by workdir: once all have been looked at, before anything is trained, and after every run.
    Before the first, raises InputError naming a cell with a run that is missing and could not begin, or that `check`
    refuses. A task that another process is at is left to it, one that diverges does not stop the others, and the cells
    on data that nobody has are not run.
    """
    tasks = [(cell, task) for cell in cells for task in cell.tasks]
    outcomes = {task.workdir: MISSING for _, task in tasks}

    def look() -> dict[Path, str]:  # others may have finished some
        for cell, task in tasks:
            if outcomes[task.workdir] != DONE and (finished(task) or committed_run(cell, task)):
                outcomes[task.workdir] = DONE
        return outcomes

    look()
    for cell in cells:
        left = [task for task in cell.tasks if outcomes[task.workdir] != DONE]
        if left and cell.own_data and (lacking := _lacking_data(left[0].config)):
            print(f"{cell.name}: {NO_DATA}: {lacking}", flush=True)
            outcomes.update({task.workdir: NO_DATA for task in left})
    _refuse([(cell, task) for cell, task in tasks if outcomes[task.workdir] == MISSING], check)
    yield outcomes
    for cell, task in tasks:
        if outcomes[task.workdir] == MISSING:
            outcomes[task.workdir] = _train(cell.name, task)
            yield look()


def _refuse(missing: list[tuple[Cell, Task]], check: Callable[[Cell, run.Run], None]) -> None:
    """Raises InputError where the first of a cell's runs that are missing cannot begin."""
    before = lru_cache(maxsize=1)(sources.load)

    def load(data: Data) -> sources.Dataset:
        return before(dataclasses.replace(data, labels=0))  # most cells share their images

    firsts = {cell.name: (cell, task) for cell, task in reversed(missing)}
    for name, (cell, task) in reversed(firsts.items()):
        try:
            started = run.start(task.experiment, task.config, task.workdir, load)
        except InputError as error:
            raise InputError(f"cell {name}: {error}") from None
        check(cell, started)


def _lacking_data(config: Config) -> str | None:
    """Why the data cannot be had; None where they can."""
    try:
        sources.load(config.data)
    except InputError as error:
        return str(error)
    return None


def _train(name: str, task: Task) -> str:
    label = f"{name}, {task.workdir.name}"
    if finished(task):  # by another process, since the start
        return DONE
    print(f"{label}: training", flush=True)
    try:
        modes.execute("train", run.start(task.experiment, task.config, task.workdir))
    except InUse as error:
        print(f"{label}: skipped: {error}", flush=True)
        return "being trained by another process"
    except InputError as error:  # of its workdir, as a checkpoint of other data, or of its seed's split
        print(f"{label}: refused: {error}", flush=True)
        return f"refused: {error}"
    except loop.Diverged as error:
        print(f"{label}: stopped: {error}", flush=True)
        return f"diverged: {error}"
    finally:
        jax.clear_caches()  # compiled for this task alone
    return DONE


def gather(cell: Cell, outcomes: dict[Path, str]) -> Row:
    """What is known of a cell, of JSON types: its command, its configuration under the first seed (but for where the
    data lie), and a row for each seed, with its results where done: the workdir's, where there is one, else the
    committed ones."""
    runs = []
    for task in cell.tasks:
        row: Row = {"seed": task.config.train.seed, "status": outcomes[task.workdir]}
        if row["status"] == DONE:
            results = read_json(task.workdir / "results.json") if finished(task) else committed_run(cell, task)
            row |= {name: results[name] for name in (*KEPT, "numbers", "curve") if name in results}
        runs.append(row)
    first = cell.tasks[0].config
    return {
        "name": cell.name,
        "command": cell.command,
        "config": to_dict(dataclasses.replace(first, data=dataclasses.replace(first.data, dir=""))),
        "labels": first.data.labels,
        "runs": runs,
    }
