"""What each mode of the command line does with one experiment and its workdir."""

import json
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from PIL import Image
from tqdm import tqdm

from pixelgan_jax.config import Config, Data, first_difference, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.data.sources import Dataset
from pixelgan_jax.data.splits import Splits, split
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import collapse, measures, provenance, trained
from pixelgan_jax.evaluation.clusters import majority_classes
from pixelgan_jax.evaluation.metrics import CHOSEN_BY, HEADLINES, first_of
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec, Examples, Method, State
from pixelgan_jax.report import explore, page
from pixelgan_jax.report.pictures import NAMES, write_pictures
from pixelgan_jax.report.run_pictures import illustrate
from pixelgan_jax.training import exported, loop, parallel
from pixelgan_jax.training.checkpoint import Checkpoints, Meta, has_checkpoints, newest, replicate
from pixelgan_jax.training.logs import Log
from pixelgan_jax.training.workdir import lock, prepare, write_json

MODES = ("train", "evaluate", "sample")


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
    notes: tuple[str, ...]  # what there is to say of the data


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
    return Run(experiment, config, workdir, splits, data, method, mesh, dataset.names, dataset.notes)


def check_workdir(experiment: str, workdir: Path, replicates: int = 1) -> None:
    """Raises InputError where the workdir is another experiment's, or an exported model, which is not trained, or that
    of replicates where one run is asked for, or the other way round."""
    check_owner(experiment, workdir)
    if exported.is_one(workdir):
        raise InputError(f"--workdir {workdir}: holds an exported model, weights alone; must be another folder")
    alone, within = has_checkpoints(workdir), replicate(workdir)  # of earlier versions a folder may hold both
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


def train(run: Run) -> dict[str, Any] | None:
    """Trains, resuming what the workdir holds, evaluates and writes the report; the results, in the first process."""
    parallel.check_images(run.splits.train.images, run.mesh)
    with _open(run) as checkpoints:
        found = _restore(run, checkpoints)
        if found is None:
            state, meta = _initial(run), _fresh_meta(run)
        else:
            state, meta = found
        if parallel.is_first():
            prepare(run.workdir)
            write_json(run.workdir / "config.json", {"experiment": run.experiment, **to_dict(run.config)})
            print(describe(run), flush=True)
            for note in run.notes:
                print(f"{run.config.data.name}: {note}", flush=True)
            if found:
                print(f"resumed from step {int(state.step)}", flush=True)
                _say_what_jumps(meta.config.train.steps, run.config.train.steps)
        crc = _images_crc(run)
        run = _noting_other_images(run, meta, crc)
        # the configuration may have changed in part, and an earlier version said less of the data
        began_with = meta.images_crc or crc
        meta = meta._replace(config=run.config, names=run.names, images_crc=began_with, **run.data._asdict())
        # else its images are logged
        unfinished = int(state.step) < run.config.train.steps or not _is_reported(run)
        with Log(run.workdir, int(state.step)) if parallel.is_first() else nullcontext() as log:
            state, meta = loop.train(
                run.method,
                run.config.train,
                state,
                parallel.replicate(_examples(run), run.mesh),
                meta,
                run.mesh,
                checkpoints,
                log,
                lambda state: _validate(run, state),
            )
            results = _finish(run, state, meta)
            if unfinished and log:
                log.images(int(state.step), _written_pictures(run.workdir))
                log.hyperparameters(*_compared(results))
    return results


def _is_reported(run: Run) -> bool:
    """Whether the workdir has the results of a run of so many steps."""
    try:
        return json.loads((run.workdir / "results.json").read_text())["step"] >= run.config.train.steps
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _compared(results: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """({group.field: value}, {test/metric: number}) of a run, to compare it with others by."""
    fields = {f"{group}.{name}": each for group, own in results["config"].items() for name, each in own.items()}
    numbers = {f"test/{name}": each for name, each in results["test"].items() if isinstance(each, int | float)}
    return fields, numbers


def _say_what_jumps(before: int, now: int) -> None:
    if before != now:
        text = "rates that are scheduled over the run go on where a run of so many steps has them"
        print(f"train.steps: {before} before, {now} now; {text}", flush=True)


def evaluate(run: Run) -> dict[str, Any] | None:
    """Evaluates the newest good checkpoint and rewrites results.json and the report; as `train`."""
    state, meta = _existing(run)
    if parallel.is_first():
        prepare(run.workdir)
    return _finish(_noting_other_images(run, meta, _images_crc(run)), state, meta)


def sample(run: Run) -> None:
    """Draws samples/ anew from the newest good checkpoint, and the report around them."""
    state, _ = _existing(run)
    if not parallel.is_first():
        return
    prepare(run.workdir)
    _draw(run, state, trained.cluster_classes(run.workdir, int(state.step)))
    if (run.workdir / "results.json").exists():
        page.write_html(run.workdir)


def _open(run: Run) -> Checkpoints:
    if parallel.is_first():
        prepare(run.workdir)
    return Checkpoints(run.workdir)


def _existing(run: Run) -> tuple[State, Meta]:
    return newest(run.workdir, partial(_target, run))


def _restore(run: Run, checkpoints: Checkpoints) -> tuple[State, Meta] | None:
    return checkpoints.newest_good(partial(_target, run))


def _target(run: Run, meta: Meta) -> State:
    """The state to restore a checkpoint into. Raises InputError where it is of another run."""
    difference = first_difference(meta.config, run.config) or _other_data(run, meta)
    if difference:
        raise InputError(f"{difference}; must be the same to go on in {run.workdir}")
    return _initial(run)


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


def _images_crc(run: Run) -> int:
    """CRC-32 of the training images in their order, by which a checkpoint knows them again."""
    return zlib.crc32(np.ascontiguousarray(run.splits.train.images))


def _noting_other_images(run: Run, meta: Meta, crc: int) -> Run:
    """The run, with a note where its training images, of this CRC-32, are others, or in another order, than those that
    the checkpoint's training began with. Not refused, since the same files may be read a grey level apart by another
    version of a library."""
    if meta.images_crc in (0, crc):  # 0: of an earlier version, or a new run's
        return run
    note = (
        "the training images, or their order, are not those that the checkpoint's training began with: its validation"
        " and test images may be among those that it learnt from"
    )
    if parallel.is_first():
        print(f"{run.config.data.name}: {note}", flush=True)
    return run._replace(notes=(*run.notes, note))


def _initial(run: Run) -> State:
    images = run.splits.train.images[: run.config.train.batch_size]
    return trained.initial(run.method, run.config, run.mesh, images)


def _examples(run: Run) -> Examples:
    train, labelled = run.splits.train, run.splits.labelled
    return Examples.of(train.images, labelled, train.labels[labelled], np.int32(run.config.train.seed))


def _fresh_meta(run: Run) -> Meta:
    return Meta(run.experiment, run.config, seconds=0.0, compile_seconds=0.0, names=run.names, **run.data._asdict())


def _trained(run: Run, state: State) -> Trained:
    return trained.of_state(run.config, run.method, state, run.mesh, run.names)


def _validate(run: Run, state: State) -> tuple[dict[str, float], float | None]:
    """Scalars of the validation split to log, and the error that the best checkpoint is chosen by; None where there is
    none, as of a method without a likelihood on images without labels."""
    validation, code = run.splits.validation, run.method.code
    model = _trained(run, state)
    labelled = validation.labels.max() >= 0
    found = measures.measure(model, validation, decode=not (code.categories and labelled))
    metrics = measures.summarise(model, found, validation.labels, found, validation.labels)
    chosen_by = first_of(CHOSEN_BY, metrics)
    scalars = {name: value for name, value in metrics.items() if name != "examples" and np.isscalar(value)}
    if "code_mean" in metrics:
        mean, sd = measures.prior_moments(code)
        scalars["code_mean_deviation"] = float(np.max(np.abs(np.array(metrics["code_mean"]) - mean)))
        scalars["code_sd_ratio_deviation"] = float(np.max(np.abs(np.array(metrics["code_sd"]) / sd - 1.0)))
    if parallel.is_first():
        told = f"{chosen_by} {metrics[chosen_by]:.4f}" if chosen_by else "has nothing to choose by"
        tqdm.write(f"step {int(state.step)}: validation {told}")
        for warning in collapse.warnings(code, metrics):
            tqdm.write(f"step {int(state.step)}: warning: {warning}")
    return {f"validation_{name}": value for name, value in scalars.items()}, metrics.get(chosen_by)


def _finish(run: Run, state: State, meta: Meta) -> dict[str, Any] | None:
    """Evaluates both splits; then the first process alone writes results.json, pictures and report.html."""
    validation, test = run.splits.validation, run.splits.test
    model = _trained(run, state)
    draws = run.config.train.importance_draws
    fitted, found = (measures.measure(model, part, importance_draws=draws) for part in (validation, test))
    if not parallel.is_first():
        return None
    step = int(state.step)
    images = step * run.config.train.batch_size
    validated = measures.summarise(model, fitted, validation.labels, fitted, validation.labels)
    results = {
        "experiment": run.experiment,
        "step": step,
        "seed": run.config.train.seed,
        "config": to_dict(run.config),
        **provenance.device_and_versions(),
        "train": {
            "seconds": meta.seconds,
            "compile_seconds": meta.compile_seconds,
            "images_per_second": images / max(meta.seconds, 1e-9),
        },
        "validation": validated,
        "test": measures.summarise(model, found, test.labels, fitted, validation.labels),
        "warnings": [*run.notes, *collapse.warnings(run.method.code, validated)],
    }
    if names := _cluster_classes(run, fitted):
        results["cluster_classes"] = names
    write_json(run.workdir / "results.json", results)
    _draw(run, state, names)
    page.write_html(run.workdir)
    name = first_of(HEADLINES, results["test"])
    headline = f"test {name} {results['test'][name]:.4f}; " if name else ""
    print(f"{headline}report: {run.workdir / 'report.html'}", flush=True)
    return results


def _cluster_classes(run: Run, fitted: measures.Rows) -> tuple[str, ...]:
    """The class that each cluster is named after, by the majority of its validation images; empty where there are no
    clusters, no labels to name them by, or where the clusters are the classes."""
    told, labels = fitted["log_probabilities"], run.splits.validation.labels
    known = labels >= 0
    if run.config.data.labels or not told.shape[1] or not known.any():
        return ()
    return tuple(run.names[kind] for kind in majority_classes(told[known], labels[known]))


def _draw(run: Run, state: State, cluster_classes: tuple[str, ...]) -> None:
    """Writes the pictures and explore.html; one process draws them, on its own devices."""
    own = run._replace(mesh=parallel.make_mesh(jax.local_devices()))
    state = parallel.replicate(jax.device_get(state), own.mesh)
    model = _trained(own, state)._replace(cluster_classes=cluster_classes)
    pictures = illustrate(model, run.splits.validation)
    write_pictures(run.workdir, pictures)
    explore.write(run.workdir, run.experiment, pictures.explored)


def _written_pictures(workdir: Path) -> dict[str, np.ndarray]:
    paths = {name: workdir / "samples" / f"{name}.png" for name in NAMES}
    return {name: np.asarray(Image.open(path).convert("RGB")) for name, path in paths.items() if path.exists()}


def locked(mode: str, workdir: Path) -> AbstractContextManager:
    """Holds the workdir's lock. Only training makes a workdir: where the other modes find none, they refuse."""
    return lock(workdir) if parallel.is_first() and (mode == "train" or workdir.is_dir()) else nullcontext()


def execute(mode: str, run: Run) -> dict[str, Any] | None:
    """Does what `mode` says; the results, in the first process."""
    with locked(mode, run.workdir):
        return {"train": train, "evaluate": evaluate, "sample": sample}[mode](run)
