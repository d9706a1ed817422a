"""One experiment on its data and devices, and what its workdir may hold: checked before anything is written."""

import dataclasses
import json
import zlib
from collections.abc import Callable
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from pixelgan_jax.config import Config, Data, first_difference, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.data.readers import named
from pixelgan_jax.data.sources import Dataset
from pixelgan_jax.data.splits import Splits, split
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec, Method, State
from pixelgan_jax.training import exported, parallel
from pixelgan_jax.training.checkpoint import Checkpoints, newest, newest_step, replicate
from pixelgan_jax.training.description import Meta
from pixelgan_jax.training.workdir import results_of


class Run(NamedTuple):
    """One experiment on its data and devices, checked; nothing on disk has been touched yet."""

    experiment: str
    config: Config
    workdir: Path
    splits: Splits
    data: DataSpec
    method: Method
    mesh: Mesh
    names: tuple[str, ...]  # of the data's classes
    notes: tuple[str, ...]  # what there is to say of the data, and of fields that do nothing


def start(experiment: str, config: Config, workdir: Path, load: Callable[[Data], Dataset] | None = None) -> Run:
    """Loads the data, by `load` where it is given, and builds the model. Raises InputError for whatever does not fit
    together."""
    check_workdir(experiment, workdir)
    dataset = (load or sources.load)(config.data)
    mesh = parallel.make_mesh()
    if config.train.batch_size % mesh.devices.size:
        raise InputError(
            f"config.train.batch_size: {config.train.batch_size} is not allowed: must be a multiple of the"
            f" {mesh.devices.size} devices"
        )
    splits = split(dataset, config.data)
    shape = dataset.train.images.shape[1:]
    data = DataSpec(shape, dataset.classes, len(splits.train.images), len(splits.labelled))
    method = registry.make(config, data)
    notes = (*dataset.notes, *_without_effect(config, method))
    return Run(experiment, config, workdir, splits, data, method, mesh, dataset.names, notes)


def _without_effect(config: Config, method: Method) -> list[str]:
    """A line for each field that is set and does nothing, which a user would wait for in vain."""
    told = []
    if config.train.importance_draws and method.proposals is None:
        told.append("config.train.importance_draws does nothing: it needs a likelihood, and a q(z|x) with a density")
    if config.sample.temperature != 1 and method.draw and not method.completes:
        told.append("config.sample.temperature does nothing: all pixels are drawn at once")
    if config.data.levels > 2 and config.data.binarisation != "stochastic":
        told.append("config.data.binarisation does nothing: it is of two levels")
    return [*told, *config.idle()]


def check_workdir(experiment: str, workdir: Path, replicates: int = 1) -> None:
    """Raises InputError where the workdir is another experiment's, or an exported model, which is not trained, or that
    of replicates where one run is asked for, or the other way round."""
    check_owner(experiment, workdir)
    if exported.is_one(workdir):
        raise InputError(f"--workdir {workdir}: holds an exported model, weights alone; must be another folder")
    alone, within = newest_step(workdir) is not None, replicate(workdir)  # of earlier versions a folder may hold both
    if replicates == 1 and within and not alone:
        raise InputError(f"--workdir {workdir}: holds replicates; must be another folder, or one of them, as {within}")
    if replicates > 1 and alone and not within:
        told = f"holds one run; must be another folder for {replicates} replicates, or config.train.replicates 1"
        raise InputError(f"--workdir {workdir}: {told}")


def check_owner(experiment: str, workdir: Path) -> None:
    """Raises InputError where the workdir, or the exported model, is another experiment's."""
    try:
        owner = json.loads((workdir / "config.json").read_text())["experiment"]
    except (FileNotFoundError, NotADirectoryError):  # the latter prepare() refuses
        return
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{workdir / 'config.json'}: cannot be read ({error}); must be one that a run wrote") from None
    if owner != experiment:
        raise InputError(
            f"--workdir {workdir}: belongs to experiment {owner!r}; must be another folder for {experiment!r}"
        )


def describe(run: Run) -> str:
    """One line on the data, the method and the devices."""
    splits = run.splits
    parts = [
        f"{len(splits.train.images):,} training images ({len(splits.labelled):,} labelled)",
        f"{len(splits.validation.images):,} validation, {len(splits.test.images):,} test",
    ]
    if run.method.summary:
        parts.append(run.method.summary)
    kinds = sorted({device.device_kind for device in run.mesh.devices.flat})
    parts.append(f"{run.mesh.devices.size} × {', '.join(kinds)}")
    return f"{run.experiment}: {'; '.join(parts)}"


def new(run: Run) -> tuple[State, Meta]:
    """The state before the first step, and what a checkpoint is to say of it."""
    meta = Meta(run.experiment, run.config, seconds=0.0, compile_seconds=0.0, names=run.names, **run.data._asdict())
    return trained.initial(run.method, run.config, run.mesh), meta


def restored(run: Run, checkpoints: Checkpoints) -> tuple[State, Meta] | None:
    """The newest good checkpoint of the run's own workdir; None where there is none. Raises InputError where it is of
    another run, or of more steps, and as `Checkpoints.newest_good`."""
    found = checkpoints.newest_good(partial(_target, run))
    return _within(run, *found) if found else None


def existing(run: Run) -> tuple[State, Meta]:
    """The same of a workdir that is only read. Raises InputError where it holds no checkpoint, too."""
    return _within(run, *newest(run.workdir, partial(_target, run)))


def _within(run: Run, state: State, meta: Meta) -> tuple[State, Meta]:
    """Raises InputError where the state is of more steps than the run is to have: it would say that it had fewer."""
    if state.step > run.config.train.steps:
        told = beyond(run.config.train.steps, int(state.step))
        raise InputError(f"config.train.steps: {told} in {run.workdir}")
    return state, meta


def beyond(steps: int, there: int) -> str:
    """What there is to say of a run of so many steps where there are more already."""
    return f"{steps} is not allowed: must be at least {there}, which are done"


def check_overrides(config: Config, overrides: dict[str, Any]) -> None:
    """Raises InputError where an override of the command line, {group.field: value}, asks for another model than that
    of `config`."""
    if difference := first_difference(config, _changed(config, overrides)):
        raise InputError(f"{difference}; must be the same")


def as_trained(experiment: str, workdir: Path, config: Config, overrides: dict[str, Any]) -> Config:
    """The configuration that the workdir's run was trained with, and the command line's overrides on top: those of its
    training need not be given again. Where the data lie may have changed since: `config`, the experiment's file with
    the overrides, has it where it names a folder, or the one it was trained from is gone; it decides about downloads.
    `config` itself where the workdir tells none. Raises InputError where it is another experiment's."""
    check_owner(experiment, workdir)
    try:
        values = json.loads((workdir / "config.json").read_bytes())
        saved = registry.from_saved({name: own for name, own in values.items() if name != "experiment"})
    except (OSError, ValueError):  # none there; what is wrong with one is said of the checkpoint's
        return config
    gone = named.is_path(saved.data) and not named.is_there(saved.data)
    if gone and not named.is_path(config.data) and "data.name" not in overrides:
        told = f"{saved.data.name!r}, which {workdir} was trained on, is not there"
        raise InputError(f"config.data.name: {told}; must be where it lies now")
    places = {"data.name": config.data.name} if gone else {}
    places |= {"data.dir": config.data.dir or saved.data.dir, "data.download": config.data.download}
    return _changed(saved, places | overrides)


def tell_of_another_step(workdir: Path, model: trained.Trained) -> None:
    """Prints a line where results.json is of another step than the model: what stands there is not said of it."""
    if results_of(workdir).get("step", model.step) != model.step:
        lacking = ["a model card has no figures", *([] if model.config.data.labels else ["no cluster is named"])]
        print(f"step {model.step}: results.json is of another step: {', and '.join(lacking)}", flush=True)


def _changed(config: Config, overrides: dict[str, Any]) -> Config:
    """With the fields of {group.field: value}. Raises InputError where they are not allowed together."""
    asked = to_dict(config)
    for name, value in overrides.items():
        group, field = name.split(".")
        asked.setdefault(group, {})[field] = value
    return registry.from_dict(asked)


def _target(run: Run, meta: Meta) -> State:
    """The state to restore a checkpoint into. Raises InputError where it is of another run."""
    saved = meta.config
    moved = saved.data.name != run.config.data.name and named.is_path(run.config.data)
    if moved and meta.images_crc == checksums(run)["images_crc"]:  # the same images, elsewhere or by another name
        saved = dataclasses.replace(saved, data=dataclasses.replace(saved.data, name=run.config.data.name))
    difference = first_difference(saved, run.config) or _other_data(run, meta)
    if difference:
        raise InputError(f"{difference}; must be the same to go on in {run.workdir}; another --workdir begins anew")
    return trained.initial(run.method, run.config, run.mesh)


def _other_data(run: Run, meta: Meta) -> str | None:
    """How the data differ from those that the checkpoint was trained on, by what it says of them: earlier versions
    said neither how many images there were nor the classes' names."""
    if meta.shape != run.method.shape:
        return f"config.data.name: images {run.method.shape} differ from the checkpoint's {meta.shape}"
    if meta.images and meta.images != run.data.images:
        return f"config.data.name: {run.data.images:,} training images differ from the checkpoint's {meta.images:,}"
    if meta.names and meta.names != run.names:
        new, old = next(pair for pair in zip_longest(run.names, meta.names) if pair[0] != pair[1])
        return f"config.data.name: class {new!r} differs from the checkpoint's {old!r}"
    return None


def checksums(run: Run) -> dict[str, int]:
    """CRC-32 of the training images in their order and of their labels, by which a checkpoint knows them again, as
    fields of its Meta."""
    train = run.splits.train
    return {
        "images_crc": zlib.crc32(np.ascontiguousarray(train.images)),
        "labels_crc": zlib.crc32(train.labels.astype("<i8")),
    }


def noting_other_data(run: Run, meta: Meta, sums: dict[str, int]) -> Run:
    """The run, with a note where its training images or their labels, of these `checksums`, are others, or in another
    order, than those that the checkpoint's training began with. Not refused, since the same files may be read a grey
    level apart by another version of a library, and labels be corrected."""
    changed = [name for name, crc in sums.items() if getattr(meta, name) not in (0, crc)]  # 0: of an earlier version
    if not changed:
        return run
    note = {
        "images_crc": "the training images, or their order, are not those that the checkpoint's training began with:"
        " its validation and test images may be among those that it learnt from",
        "labels_crc": "the labels of the training images are not those that the checkpoint's training began with",
    }[changed[0]]
    if parallel.is_first():
        print(f"{run.config.data.name}: {note}", flush=True)
    return run._replace(notes=(*run.notes, note))
