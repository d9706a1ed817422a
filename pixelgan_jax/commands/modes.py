"""What each mode of the command line does with a run: train, evaluate, sample."""

import dataclasses
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image
from tqdm import tqdm

from pixelgan_jax.commands.run import Run, checksums, describe, existing, new, noting_other_data, restored
from pixelgan_jax.config import to_dict
from pixelgan_jax.evaluation import collapse, measures, provenance, trained
from pixelgan_jax.evaluation.clusters import majority_classes
from pixelgan_jax.evaluation.metrics import CHOSEN_BY, HEADLINES, as_text, first_of
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import Examples, State
from pixelgan_jax.report import explore, page
from pixelgan_jax.report.pictures import NAMES, write_pictures
from pixelgan_jax.report.run_pictures import illustrate
from pixelgan_jax.training import loop, parallel
from pixelgan_jax.training.checkpoint import Checkpoints
from pixelgan_jax.training.description import Meta
from pixelgan_jax.training.logs import Log
from pixelgan_jax.training.workdir import lock, prepare, results_of, write_json

MODES = ("train", "evaluate", "sample")


def execute(mode: str, run: Run) -> dict[str, Any] | None:
    """Does what `mode` says; the results, in the first process."""
    with locked(mode, run.workdir):
        return {"train": train, "evaluate": evaluate, "sample": sample}[mode](run)


def locked(mode: str, workdir: Path) -> AbstractContextManager:
    """Holds the workdir's lock. Only training makes a workdir: where the other modes find none, they refuse."""
    return lock(workdir) if parallel.is_first() and (mode == "train" or workdir.is_dir()) else nullcontext()


def train(run: Run) -> dict[str, Any] | None:
    """Trains, resuming what the workdir holds, evaluates and writes the report; the results, in the first process."""
    parallel.check_images(run.splits.train.images, run.mesh)
    if parallel.is_first():
        prepare(run.workdir)
    with Checkpoints(run.workdir) as checkpoints:
        found = restored(run, checkpoints)
        state, meta = found or new(run)
        if parallel.is_first():
            write_json(run.workdir / "config.json", {"experiment": run.experiment, **to_dict(run.config)})
            print(describe(run), flush=True)
            for note in run.notes:
                print(f"{run.config.data.name}: {note}", flush=True)
            if found:
                print(f"resumed from step {int(state.step)}", flush=True)
                _say_what_jumps(meta.config.train.steps, run.config.train.steps)
        sums = checksums(run)
        run = noting_other_data(run, meta, sums)
        # the configuration may have changed in part, and an earlier version said less of the data
        began_with = {name: getattr(meta, name) or crc for name, crc in sums.items()}
        meta = meta._replace(config=run.config, names=run.names, **began_with, **run.data._asdict())
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
            return _finish(run, state, meta, log if unfinished else None)


def evaluate(run: Run) -> dict[str, Any] | None:
    """Evaluates the newest good checkpoint and rewrites results.json and the report; as `train`."""
    state, meta = existing(run)
    # of training the results say what it was, whatever it would be if it went on
    train = dataclasses.replace(meta.config.train, importance_draws=run.config.train.importance_draws)
    run = run._replace(config=dataclasses.replace(run.config, train=train))
    if parallel.is_first():
        prepare(run.workdir)
    return _finish(noting_other_data(run, meta, checksums(run)), state, meta)


def sample(run: Run) -> None:
    """Draws samples/ anew from the newest good checkpoint, and the report around them, whose results say how they were
    drawn."""
    state, _ = existing(run)
    if not parallel.is_first():
        return
    step, results = int(state.step), results_of(run.workdir)
    prepare(run.workdir)
    _draw(run, state, trained.cluster_classes(run.workdir, step))
    written = [run.workdir / "samples", run.workdir / "explore.html"]
    config = results.get("config")
    if results.get("step") == step and isinstance(config, dict):
        how = {"sample": to_dict(run.config)["sample"]}
        write_json(run.workdir / "results.json", results | {"config": config | how})
    elif results:
        print(f"the report's numbers are of step {results.get('step')}; --mode evaluate measures these", flush=True)
    if (run.workdir / "results.json").exists():
        page.write_html(run.workdir)
        written.append(run.workdir / "report.html")
    print(f"step {step}: {', '.join(map(str, written))}", flush=True)


def _is_reported(run: Run) -> bool:
    """Whether the workdir has the results of a run of so many steps."""
    step = results_of(run.workdir).get("step")
    return isinstance(step, int) and step >= run.config.train.steps


def _say_what_jumps(before: int, now: int) -> None:
    if before != now:
        text = f"scheduled rates go on as those of a run of {now} steps at this step"
        print(f"train.steps: {before} before, {now} now; {text}", flush=True)


def _examples(run: Run) -> Examples:
    train, labelled = run.splits.train, run.splits.labelled
    return Examples.of(train.images, labelled, train.labels[labelled], np.int32(run.config.train.seed))


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
    counts = ("examples", "labelled_examples")
    scalars = {name: value for name, value in metrics.items() if name not in counts and np.isscalar(value)}
    if "code_mean" in metrics:
        mean, sd = measures.prior_moments(code)
        scalars["code_mean_deviation"] = float(np.max(np.abs(np.array(metrics["code_mean"]) - mean)))
        scalars["code_sd_ratio_deviation"] = float(np.max(np.abs(np.array(metrics["code_sd"]) / sd - 1.0)))
    if parallel.is_first():
        chosen = as_text(chosen_by, metrics[chosen_by]) if chosen_by else "has nothing to choose by"
        tqdm.write(f"step {int(state.step)}: validation {chosen}")
        for warning in collapse.warnings(code, metrics):
            tqdm.write(f"step {int(state.step)}: warning: {warning}")
    return {f"validation_{name}": value for name, value in scalars.items()}, metrics.get(chosen_by)


def _finish(run: Run, state: State, meta: Meta, log: Log | None = None) -> dict[str, Any] | None:
    """Evaluates both splits; then the first process alone writes pictures and report.html, logs them, and last
    results.json, so that a run that was stopped before has none of this step."""
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
    _say_what_is_lost(run.workdir, results)
    _draw(run, state, names)
    page.write_html(run.workdir, results)
    if log:
        log.images(step, _written_pictures(run.workdir))
        log.hyperparameters(*_compared(results))
    write_json(run.workdir / "results.json", results)
    name = first_of(HEADLINES, results["test"])
    headline = f"test {as_text(name, results['test'][name])}; " if name else ""
    print(f"{headline}report: {run.workdir / 'report.html'}", flush=True)
    return results


def _say_what_is_lost(workdir: Path, results: dict[str, Any]) -> None:
    """A line where results.json has importance-weighted nats of this step, which take long, and these results none."""
    old = results_of(workdir)
    with suppress(LookupError, TypeError):  # there are none
        draws, name = old["config"]["train"]["importance_draws"], "importance_weighted_nats"
        if name in old["test"] and name not in results["test"] and old["step"] == results["step"]:
            asked = f"--config.train.importance_draws={draws} measures it again"
            print(f"{name} of test was {old['test'][name]:.2f}: not measured now; {asked}", flush=True)


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


def _compared(results: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """({group.field: value}, {test/metric: number}) of a run, to compare it with others by."""
    fields = {f"{group}.{name}": each for group, own in results["config"].items() for name, each in own.items()}
    numbers = {f"test/{name}": each for name, each in results["test"].items() if isinstance(each, int | float)}
    return fields, numbers
