"""Every experiment of experiments/ can begin on a few images of the right shape; those put together in another way each
trace a step with their real networks, and in the slow tests all of them train one."""

import importlib
import json
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import mnist_faithful, table1
from pixelgan_jax import cli
from pixelgan_jax.commands import run
from pixelgan_jax.config import first_difference
from pixelgan_jax.evaluation.trained import initial
from pixelgan_jax.methods.method import Batch, Examples
from pixelgan_jax.methods.registry import from_dict, from_saved
from pixelgan_jax.training import parallel

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(path.stem for path in ROOT.glob("experiments/*.py"))
SHAPES = {"svhn": (32, 32, 3), "norb": (32, 32, 1), "pictures": (32, 32, 3)}
NAMED = [
    "ablation",
    "ablation_cpu",
    "ablation_samples_cpu",
    "base",
    "binarized_mnist",
    "binarized_mnist_categorical",
    "binarized_mnist_gated",
    "binarized_mnist_gaussian",
    "digits",
    "digits_catgan",
    "digits_clusters",
    "digits_gaussian",
    "digits_infogan",
    "digits_temporal_ensembling",
    "figure2",
    "figure2_cpu",
    "figure3",
    "figure3_cpu",
    "figure4",
    "figure4_cpu",
    "figure5",
    "figure5_cpu",
    "figure6",
    "figure6_cpu",
    "likelihood",
    "likelihood_cpu",
    "mnist",
    "mnist_aae",
    "mnist_catgan",
    "mnist_clusters",
    "mnist_cpu",
    "mnist_faithful",
    "mnist_gaussian",
    "mnist_infogan",
    "mnist_pixelcnn",
    "mnist_temporal_ensembling",
    "norb",
    "pictures",
    "precision",
    "svhn",
    "svhn_reduced",
    "svhn_reduced_cpu",
    "svhn_reduced_temporal_ensembling",
    "svhn_temporal_ensembling",
    "table1",
    "table1_cpu",
    "table1_digits",
]


def stand_in(folder, shape, classes):
    """A folder of .npz files with 40 random training and 10 test images."""
    random = np.random.RandomState(0)
    for part, count in (("train", 40), ("test", 10)):
        images = random.randint(0, 256, (count, *shape)).astype(np.uint8)
        np.savez(folder / f"{part}.npz", images=images, labels=np.arange(count) % classes)
    return str(folder)


def test_the_experiments_are_those_the_readme_names():
    assert NAMES == NAMED
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text()
    assert all(f"`{name}`" in readme for name in NAMES)


# tables and figures train other experiments: tests/commands/test_plans.py
PLANS = ("ablation", "figure", "likelihood", "svhn_reduced_cpu", "table", "precision")
RUNS = [name for name in NAMES if not name.startswith(PLANS)]
TRACED = [  # README's first, and what no other of these has: a decoder, a code, a likelihood, a phase, a kind of view
    "binarized_mnist_gated",
    "binarized_mnist_gaussian",
    "digits",
    "digits_catgan",
    "digits_gaussian",
    "digits_infogan",
    "digits_temporal_ensembling",
    "mnist_aae",
    "mnist_clusters",
    "mnist_cpu",
    "mnist_pixelcnn",
    "norb",
    "pictures",
    "svhn",
    "svhn_reduced_temporal_ensembling",
]


def started(name, folder):
    """(run, examples, batch) of an experiment with its real networks, on random images where its own are not here."""
    fields = importlib.import_module(f"experiments.{name}").get_config()
    if fields.data.name != "digits":
        shape, classes = SHAPES.get(name.split("_")[0], (28, 28, 1)), 5 if name == "norb" else 10
        fields.data.name = stand_in(folder, shape, classes)
        fields.data.validation = 10
        fields.data.labels = min(fields.data.labels, classes)
    fields.train.update(batch_size=8, steps=1)
    made = run.start(name, from_dict(fields), folder / "run")._replace(mesh=parallel.make_mesh(jax.devices()[:1]))
    train, labelled = made.splits.train, made.splits.labelled
    examples = parallel.replicate(Examples.of(train.images, labelled, train.labels[labelled], np.int32(0)), made.mesh)
    batch = Batch(np.arange(8, dtype=np.int32)[None], np.zeros((1, 8), np.int32))
    assert not (folder / "run").exists()
    return made, examples, parallel.split_batch(batch, made.mesh)


def check_one_piece(made, before, after, metrics):
    """Shapes and types stay as they are, and the metrics are those that the phases name."""
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), before)
    assert sorted(metrics) == sorted(name for phase in made.method.phases for name in phase.metrics)


@pytest.mark.parametrize("name", RUNS)
def test_an_experiment_begins(name, tmp_path):
    """Those of TRACED as far as a step, which is not run."""
    made, examples, batch = started(name, tmp_path)
    if name in TRACED:
        state = jax.eval_shape(lambda: initial(made.method, made.config, made.mesh))
        after, metrics = jax.eval_shape(parallel.compile_step(made.method.step, made.mesh), state, examples, batch)
        check_one_piece(made, state, after, metrics)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_an_experiment_trains_a_step(name, tmp_path):
    made, examples, batch = started(name, tmp_path)
    state = initial(made.method, made.config, made.mesh)
    start = jax.device_get(state)
    state, metrics = parallel.compile_step(made.method.step, made.mesh)(state, examples, batch)
    assert int(state.step) == 1
    check_one_piece(made, start, state, metrics)
    assert all(np.all(np.isfinite(value)) for value in metrics.values())
    for role, old in start.params.items():
        pairs = zip(jax.tree.leaves(old), jax.tree.leaves(state.params[role]), strict=True)
        assert any(not np.array_equal(a, b) for a, b in pairs) == bool(jax.tree.leaves(old)), role


def test_the_papers_own_experiment_is_the_tables_recipe():
    experiment, changes = table1.get_plan()["cells"]["faithful/labels_100"]
    cell = importlib.import_module(f"experiments.{experiment}").get_config()
    cell.update_from_flattened_dict(changes)
    assert first_difference(from_dict(mnist_faithful.get_config()), from_dict(cell)) is None


RESULTS = [path for path in sorted(ROOT.glob("results/*.json")) if path.stem in NAMES]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_committed_command_makes_what_it_stands_beside(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for cell in json.loads(path.read_text())["cells"]:
        if any(run["status"] == "done" for run in cell["runs"]):
            _, _, _, *arguments = shlex.split(cell["command"])
            difference = first_difference(from_saved(cell["config"]), cli.parse(arguments).config)
            assert difference is None, f"{cell['name']}: {difference}"
