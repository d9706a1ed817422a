"""One experiment on several seeds, one after another, each an ordinary run in `seed_<n>/` of the workdir."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pixelgan_jax.commands import modes, run
from pixelgan_jax.config import Config, Data, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.data.readers import named
from pixelgan_jax.errors import InputError
from pixelgan_jax.report import page
from pixelgan_jax.training import parallel
from pixelgan_jax.training.checkpoint import newest_step
from pixelgan_jax.training.workdir import write_json


def seeded(config: Config, number: int) -> Config:
    """The configuration of one replicate. Its number is added to `train.seed` and to `data.seed`: initialisation, data
    order, validation split and labelled subset all differ, and of data without test images of their own these, too."""
    train = dataclasses.replace(config.train, seed=config.train.seed + number, replicates=1)
    data = dataclasses.replace(config.data, seed=config.data.seed + number)
    return dataclasses.replace(config, train=train, data=data)


def execute(mode: str, experiment: str, config: Config, workdir: Path) -> None:
    """Does what `mode` says; with `train.replicates` N > 1 for each of N seeds."""
    if config.train.replicates == 1:
        modes.execute(mode, run.start(experiment, config, workdir))
        return
    run.check_workdir(experiment, workdir, config.train.replicates)
    load = partial(sources.load, parts=named.read(config.data))  # pictures take long to read
    seeds = [seeded(config, number) for number in range(config.train.replicates)]
    each = {workdir / f"seed_{one.train.seed}": one for one in seeds}
    # what cannot be read is refused before anything is written
    run.start(experiment, seeds[0], next(iter(each)), load)
    with modes.locked(mode, workdir):
        if mode != "train":
            for folder in each:
                _check_finished(folder, newest_step(folder), config)
        results = _each(mode, experiment, each, load)
        if mode == "train" and parallel.is_first():
            write_json(workdir / "config.json", {"experiment": experiment, **to_dict(config)})
        if mode != "sample" and parallel.is_first():
            for folder, own in zip(each, results, strict=True):  # of an older checkpoint where the newest is damaged
                _check_finished(folder, own["step"], config)
            gathered = gather(results)
            page.write_html(workdir, gathered)
            write_json(workdir / "results.json", gathered)  # last, as a run's own


def _each(
    mode: str, experiment: str, each: dict[Path, Config], load: Callable[[Data], sources.Dataset]
) -> list[dict[str, Any] | None]:
    results = []
    for number, (folder, one) in enumerate(each.items(), 1):
        if parallel.is_first():
            print(f"replicate {number} of {len(each)}: seed {one.train.seed}", flush=True)
        results.append(modes.execute(mode, run.start(experiment, one, folder, load)))
    return results


def _check_finished(folder: Path, step: int | None, config: Config) -> None:
    """Raises InputError where a replicate is at another step than all are to be at: means are of one step."""
    if step != config.train.steps:
        there = "holds no checkpoint" if step is None else f"is at step {step}"
        raise InputError(f"{folder}: {there}; every replicate must be at config.train.steps, {config.train.steps}")


def gather(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The results.json of replicates: `test` and `validation` hold means, `test_sd` the sample standard deviations
    of what every replicate has; training time is summed."""
    first, runs = results[0], [{name: r[name] for name in ("seed", "validation", "test")} for r in results]

    def each(part: str, function: Callable) -> dict[str, Any]:
        shared = [name for name in first[part] if all(name in r[part] for r in results)]
        return {name: function(np.array([r[part][name] for r in results]), axis=0).tolist() for name in shared}

    spent = {name: sum(r["train"][name] for r in results) for name in ("seconds", "compile_seconds")}
    rate = float(np.mean([r["train"]["images_per_second"] for r in results]))
    train = first["config"]["train"] | {"replicates": len(results)}  # its seeds are those of all
    return first | {
        "config": first["config"] | {"train": train},
        "train": spent | {"images_per_second": rate},
        "validation": each("validation", np.mean),
        "test": each("test", np.mean),
        "test_sd": each("test", partial(np.std, ddof=1)),
        "warnings": [f"seed {r['seed']}: {warning}" for r in results for warning in r["warnings"]],
        "replicates": runs,
    }
