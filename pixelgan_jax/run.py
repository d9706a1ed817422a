"""What each mode of the command line does with one experiment and its workdir."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from PIL import Image
from sklearn.decomposition import PCA
from tqdm import tqdm

from pixelgan_jax import evaluation, loop, parallel, provenance, report, sampling
from pixelgan_jax import prior as priors
from pixelgan_jax.checkpoint import Checkpoints, Meta
from pixelgan_jax.config import Config, first_difference, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.data.splits import Splits, split
from pixelgan_jax.errors import InputError
from pixelgan_jax.logs import Log
from pixelgan_jax.model import Model, build, encode
from pixelgan_jax.pictures import NAMES, Pictures, write_pictures
from pixelgan_jax.randomness import Stream, example_keys, fold
from pixelgan_jax.state import TrainState, create
from pixelgan_jax.step import AXIS, Examples
from pixelgan_jax.workdir import prepare, write_json

SHOWN = 40  # reconstructions in the report
ROW = 10  # samples of a cluster or class in the report
MAPPED = 2000  # codes in the map


class Run(NamedTuple):
    """One experiment on its data and devices, checked; nothing on disk has been touched yet."""

    experiment: str
    config: Config
    workdir: Path
    splits: Splits
    classes: int
    model: Model
    mesh: Mesh


def start(experiment: str, config: Config, workdir: Path) -> Run:
    """Loads the data and builds the model. Raises InputError for whatever does not fit together."""
    _check_workdir(experiment, workdir)
    dataset = sources.load(config.data)
    if config.data.labels and config.prior.categories != dataset.classes:
        raise InputError(
            f"config.prior.categories: {config.prior.categories} is not allowed: must be the data's"
            f" {dataset.classes} classes when there are labels"
        )
    mesh = parallel.mesh()
    if config.train.batch_size % mesh.devices.size:
        raise InputError(
            f"config.train.batch_size: {config.train.batch_size} is not allowed: must be a multiple of the"
            f" {mesh.devices.size} devices"
        )
    splits = split(dataset, config.data)
    model = build(config, dataset.train.images.shape[1:], AXIS)
    return Run(experiment, config, workdir, splits, dataset.classes, model, mesh)


def _check_workdir(experiment: str, workdir: Path) -> None:
    try:
        owner = json.loads((workdir / "config.json").read_text())["experiment"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{workdir / 'config.json'}: cannot be read ({error}); must be one that a run wrote") from None
    if owner != experiment:
        raise InputError(
            f"--workdir {workdir}: belongs to experiment {owner!r}; must be another folder for {experiment!r}"
        )


def train(run: Run) -> dict[str, Any]:
    """Trains, resuming what the workdir holds, evaluates and writes the report; the results."""
    with _open(run) as checkpoints:
        found = _restore(run, checkpoints)
        prepare(run.workdir)
        write_json(run.workdir / "config.json", {"experiment": run.experiment, **to_dict(run.config)})
        if found is None:
            state, meta = parallel.replicate(create(run.model), run.mesh), _fresh_meta(run)
        else:
            state, meta = found
            print(f"resumed from step {int(state.step)}", flush=True)
        train_split, labelled = run.splits.train, run.splits.labelled
        examples = Examples(train_split.images, labelled.images, labelled.labels)
        trained = int(state.step) < run.config.train.steps  # else this run is done, and its images are logged
        with Log(run.workdir, int(state.step)) as log:
            state, meta = loop.train(
                run.model,
                state,
                parallel.replicate(examples, run.mesh),
                meta,
                run.mesh,
                checkpoints,
                log,
                lambda state: _validate(run, state),
            )
            results = _finish(run, state, meta)
            if trained:
                log.images(int(state.step), _written_pictures(run.workdir))
    return results


def evaluate(run: Run) -> dict[str, Any]:
    """Evaluates the newest good checkpoint and rewrites results.json and the report."""
    state, meta = _existing(run)
    prepare(run.workdir)
    return _finish(run, state, meta)


def sample(run: Run) -> None:
    """Draws samples/ anew from the newest good checkpoint, and the report around them."""
    state, _ = _existing(run)
    prepare(run.workdir)
    write_pictures(run.workdir, _pictures(run, state))
    if (run.workdir / "results.json").exists():
        report.write_html(run.workdir)


def _open(run: Run, read_only: bool = False) -> Checkpoints:
    if not read_only:
        prepare(run.workdir)
    return Checkpoints(run.workdir, read_only)


def _existing(run: Run) -> tuple[TrainState, Meta]:
    missing = InputError(f"--workdir {run.workdir}: holds no checkpoint; must be the workdir of a training run")
    if not (run.workdir / "checkpoints").is_dir():
        raise missing
    with _open(run, read_only=True) as checkpoints:
        found = _restore(run, checkpoints)
    if found is None:
        raise missing
    return found


def _restore(run: Run, checkpoints: Checkpoints) -> tuple[TrainState, Meta] | None:
    def target(meta: Meta) -> TrainState:
        difference = first_difference(meta.config, run.config)
        if difference is None and meta.shape != run.model.shape:
            difference = f"config.data.name: images {run.model.shape} differ from the checkpoint's {meta.shape}"
        if difference:
            raise InputError(f"{difference}; must be the same to go on in {run.workdir}")
        return parallel.replicate(create(run.model), run.mesh)

    return checkpoints.newest_good(target)


def _fresh_meta(run: Run) -> Meta:
    return Meta(run.experiment, run.config, run.model.shape, run.classes, 0.0, 0.0)


def _validate(run: Run, state: TrainState) -> tuple[dict[str, float], float]:
    """Scalars of the validation split to log, and the error that the best checkpoint is chosen by."""
    validation = run.splits.validation
    categories, _ = priors.sizes(run.config.prior)
    outputs = evaluation.measure(run.model, state, validation, run.mesh, decode=not categories)
    metrics = evaluation.summarise(run.model, outputs, validation.labels, outputs, validation.labels)
    error = evaluation.selection_error(metrics)
    scalars = {name: value for name, value in metrics.items() if name != "examples" and np.isscalar(value)}
    if "code_mean" in metrics:
        mean, sd = evaluation.prior_moments(run.model)
        scalars["code_mean_deviation"] = float(np.max(np.abs(np.array(metrics["code_mean"]) - mean)))
        scalars["code_sd_ratio_deviation"] = float(np.max(np.abs(np.array(metrics["code_sd"]) / sd - 1.0)))
    name = next(name for name, value in metrics.items() if value == error and name != "examples")
    tqdm.write(f"step {int(state.step)}: validation {name} {error:.4f}")
    return {f"validation_{name}": value for name, value in scalars.items()}, error


def _finish(run: Run, state: TrainState, meta: Meta) -> dict[str, Any]:
    """Evaluates both splits, writes results.json, pictures and report.html."""
    validation, test = run.splits.validation, run.splits.test
    fitted = evaluation.measure(run.model, state, validation, run.mesh)
    outputs = evaluation.measure(run.model, state, test, run.mesh)
    step = int(state.step)
    images = step * run.config.train.batch_size
    results = {
        "experiment": run.experiment,
        "step": step,
        "seed": run.config.train.seed,
        "config": to_dict(run.config),
        **provenance.device_and_versions(),
        "train": {
            "seconds": meta.seconds,
            "compile_seconds": meta.compile_seconds,
            "images_per_second": images / meta.seconds,
        },
        "validation": evaluation.summarise(run.model, fitted, validation.labels, fitted, validation.labels),
        "test": evaluation.summarise(run.model, outputs, test.labels, fitted, validation.labels),
    }
    write_json(run.workdir / "results.json", results)
    write_pictures(run.workdir, _pictures(run, state))
    report.write_html(run.workdir)
    return results


def _pictures(run: Run, state: TrainState) -> Pictures:
    """Everything the report shows, drawn with `sample.seed`; real images come from the validation split."""
    model, settings = run.model, run.config.sample
    key = fold(jax.random.key(settings.seed), Stream.SAMPLING, Stream.PRIOR)
    categories, dimensions = priors.sizes(run.config.prior)

    def draw(code, seed=settings.seed):
        return sampling.sample(model, state.ema["decoder"], code, seed)

    def prior_codes(count):
        return np.array(priors.sample(run.config.prior, example_keys(key, jnp.arange(count))))

    samples = draw(prior_codes(settings.count))
    if not model.width:
        return Pictures(samples=samples)
    originals = run.splits.validation.images[:SHOWN]
    keys = example_keys(key, jnp.arange(len(originals)))
    posterior, _ = encode(model, state.ema["encoder"], state.ema_stats["encoder"], originals, keys)
    pictures = Pictures(
        samples=samples,
        originals=originals,
        reconstructions=draw(np.asarray(priors.soft_code(posterior, keys))),
        row_kind="class" if run.config.data.labels else "cluster",
        gaussian_prior=dimensions > 0,
        **_code_map(run, state),
    )
    if categories:
        codes = prior_codes(categories * ROW)
        codes[:, :categories] = np.repeat(np.eye(categories), ROW, axis=0)
        pictures = pictures._replace(rows=draw(codes).reshape(categories, ROW, *model.shape))
    return pictures


def _code_map(run: Run, state: TrainState) -> dict[str, Any]:
    """Codes of validation images in two dimensions: a 2-D Gaussian part itself, otherwise two principal components."""
    shown = run.splits.validation
    shown = sources.Split(shown.images[:MAPPED], shown.labels[:MAPPED])
    outputs = evaluation.measure(run.model, state, shown, run.mesh, decode=False)
    categories, dimensions = priors.sizes(run.config.prior)
    continuous = outputs.code[:, categories:]
    if dimensions == 2:
        return {"codes": continuous, "code_labels": shown.labels}
    what, values = ("z", continuous) if dimensions > 2 else ("log q(z | x)", outputs.log_probabilities)
    if values.shape[1] < 2 or len(values) < 2:
        return {}
    axes = (f"first principal component of {what}", f"second principal component of {what}")
    return {"codes": PCA(2).fit_transform(values), "code_labels": shown.labels, "code_axes": axes}


def _written_pictures(workdir: Path) -> dict[str, np.ndarray]:
    paths = {name: workdir / "samples" / f"{name}.png" for name in NAMES}
    return {name: np.asarray(Image.open(path).convert("RGB")) for name, path in paths.items() if path.exists()}


def replicate(experiment: str, config: Config, workdir: Path) -> dict[str, Any]:
    """Trains `train.replicates` seeds one after another, each in `seed_<n>/` of the workdir, and gathers them."""
    raise InputError(f"config.train.replicates: {math.inf}")
