"""Tables and figures: what is missing is trained, what is there is not, and everything is gathered and drawn."""

import dataclasses
import json
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import results
from pixelgan_jax import cli
from pixelgan_jax.commands import experiment, plans, tables_and_figures
from pixelgan_jax.config.convert import fields_of
from pixelgan_jax.config.fields import NEVER_ABSENT
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import scores
from pixelgan_jax.evaluation.metrics import BY_KEY
from pixelgan_jax.methods.registry import CONFIGS
from pixelgan_jax.report import figures, markdown, plots
from pixelgan_jax.training import signals, workdir

ROOT = Path(__file__).resolve().parents[2]
PLANS = [f"figure{number}{scale}" for number in (2, 3, 4, 5) for scale in ("", "_cpu")]
PLANS += [
    "ablation",
    "ablation_cpu",
    "ablation_samples_cpu",
    "likelihood",
    "likelihood_cpu",
    "precision",
    "svhn_reduced_cpu",
    "table1",
    "table1_cpu",
    "table1_digits",
]
# one cell on two seeds, a cell without data, and the same cell as a figure
PLAN = """
from experiments import base, tiny_clusters

def get_config():
    config = tiny_clusters.get_config()
    config.train.replicates = 2
    return config

def get_plan():
    return {
        "title": "T", "rows": {"ours": "Ours"}, "columns": {"clusters": "Clusters", "svhn": "SVHN"},
        "published": {"Theirs": {"clusters": ("5.27", "(verified)")}},
        "cells": {"ours/clusters": ("tiny_clusters", {}), "ours/svhn": ("tiny_svhn", {})},
        "drawing": "samples",
    }
"""
CLUSTERS = """
from experiments import base

def get_config():
    config = base.get_config()
    config.data.validation = 100
    config.prior.categories = 3
    config.model.update(encoder_channels=(2,), encoder_units=4, channels=2, layers=0, discriminator_units=(4,))
    config.train.update(batch_size=16, steps=2, log_every=2, evaluate_every=2)
    config.sample.count = 4
    return config
"""
SVHN = """
from experiments import tiny_clusters

def get_config():
    config = tiny_clusters.get_config()
    config.data.name = "/no/such/folder"
    return config
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of experiments, in which the tests train what they need."""
    place = tmp_path_factory.mktemp("comparison")
    (place / "experiments").mkdir()
    (place / "experiments" / "base.py").write_text((ROOT / "experiments" / "base.py").read_text())
    for name, text in (("plan", PLAN), ("tiny_clusters", CLUSTERS), ("tiny_svhn", SVHN)):
        (place / "experiments" / f"{name}.py").write_text(text)
    return place


@pytest.fixture
def ready(folder, capsys):
    """The folder, its table's two runs trained."""
    assert command(folder, "table") == 0
    capsys.readouterr()
    return folder


def command(folder, mode, *more):
    """The exit status of a table or figure."""
    arguments = ["--config", folder / "experiments" / "plan.py", "--mode", mode, "--workdir", folder / "runs"]
    return cli.run_command([str(argument) for argument in [*arguments, *more]])


@pytest.fixture(autouse=True)
def own_experiments(monkeypatch):
    """An experiment's imports come from its own folder, not from this checkout's modules of the same name."""
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        del sys.modules[name]


def test_a_table_trains_gathers_and_trains_nothing_twice(folder, capsys):
    with workdir.lock(folder / "runs" / "ours" / "clusters" / "seed_1"):
        assert command(folder, "table") == 1
    out, err = capsys.readouterr()
    assert "ours/svhn: not run: no data" in out and "seed_1: skipped" in out and "in use by process" in out
    assert "1 of 4 runs are missing" in err and err.count("\nstopped: ") == 1
    assert "(1 of 2 seeds)" in out

    before = (folder / "runs/ours/clusters/seed_0/results.json").read_bytes()
    assert command(folder, "table") == 0
    out, _ = capsys.readouterr()
    assert "seed_1: training" in out and "seed_0: training" not in out
    assert (folder / "runs/ours/clusters/seed_0/results.json").read_bytes() == before
    found = json.loads((folder / "runs/plan.json").read_text())
    ours, svhn = found["cells"]
    errors = [run["test"]["cluster_error_best_example"] for run in ours["runs"]]
    mean, sd = 100 * np.mean(errors), 100 * np.std(errors, ddof=1)
    line = f"| Ours | **{mean:.2f} ± {sd:.2f}** | not run: no data |"
    assert line in out and "| Theirs (published) | 5.27 (verified) | – |" in out
    assert [run["seed"] for run in ours["runs"]] == [0, 1]
    assert {run["status"] for run in svhn["runs"]} == {"not run: no data"}

    # the command beside the cell trains the same seeds into the same folders
    told = cli.parse(ours["command"].split()[3:])
    assert told[0] == "tiny_clusters" and told[2:4] == ("train", folder / "runs" / "ours" / "clusters")
    config = told.config
    assert (config.train.replicates, config.train.seed, config.data.seed) == (2, 0, 0)


def test_data_that_cannot_be_read_are_refused_before_anything_is_written(folder, tmp_path, capsys):
    missing, place = f"--config.data.name={tmp_path}/missing", tmp_path / "runs"
    assert command(folder, "table", missing, "--workdir", place) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: cell ours/clusters: config.data.name: ")
    assert "training" not in out and not place.exists()


def test_another_recipe_in_the_same_folder_is_refused_before_anything_is_trained(ready, capsys):
    assert command(ready, "table", "--config.model.channels=3") == 2
    out, err = capsys.readouterr()
    assert "config.model.channels: 3 differs from the checkpoint's 2" in err and "training" not in out


def test_a_table_is_written_before_it_is_finished(ready, tmp_path, monkeypatch, capsys):
    shutil.copytree(ready / "runs/ours/clusters/seed_0", tmp_path / "ours/clusters/seed_0")

    def interrupted(*_):
        raise signals.Interrupted(signal.SIGINT, "stopped")

    monkeypatch.setattr(plans.run, "execute", interrupted)
    told = ["--config", str(ready / "experiments" / "plan.py"), "--mode=table", f"--workdir={tmp_path}"]
    assert cli.run_command(told) == 130
    assert "SIGINT" in capsys.readouterr().err
    found = json.loads((tmp_path / "plan.json").read_text())
    assert [run["status"] for run in found["cells"][0]["runs"]] == ["done", "not run"]
    assert "1 of 2 seeds" in markdown.table(found)


def younger_fields():
    fields = fields_of(CONFIGS["autoencoder"])
    return [(group, name, field) for group, name, field in fields if field.metadata["absent"] is not NEVER_ABSENT]


def test_runs_of_an_earlier_version_are_counted_in(ready, capsys):
    place = ready / "runs/ours/clusters/seed_0"
    whole = {name: json.loads((place / name).read_text()) for name in ("config.json", "results.json")}
    for name, values in whole.items():
        older = json.loads(json.dumps(values))
        for group, field, _ in younger_fields():
            del older.get("config", older)[group][field]
        del older.get("config", older)["method"]
        (place / name).write_text(json.dumps(older))
    assert command(ready, "table") == 0
    assert "training" not in capsys.readouterr().out
    for name, values in whole.items():
        (place / name).write_text(json.dumps(values))


def test_curves_are_of_the_plans_headline(folder, monkeypatch, capsys):
    drawn = {}
    monkeypatch.setattr(tables_and_figures.plots, "learning_curves", lambda *told: drawn.update(told=told) or b"")
    text = PLAN.replace('"svhn": "SVHN"', "").replace('"ours/svhn": ("tiny_svhn", {})', "")
    text = text.replace('"title": "T"', '"title": "T", "headlines": ("nmi",)')
    (folder / "experiments/headlines.py").write_text(text)
    told = ["--config", folder / "experiments/headlines.py", "--mode", "table", "--workdir", folder / "runs"]
    assert cli.run_command([str(each) for each in told]) == 0
    assert "| test | Clusters |" in capsys.readouterr().out
    panels, metric = drawn["told"]
    assert metric.key == "nmi" and list(panels) == ["Clusters"] and list(panels["Clusters"]) == ["Ours"]
    curves = panels["Clusters"]["Ours"]
    assert len(curves) == 2 and all(images == 32 and 0 <= value <= 1 for curve in curves for images, value in curve)


def test_a_curve_goes_where_all_its_seeds_were_evaluated():
    def drawn(*seeds):
        return plots.learning_curves({"P": {"C": [list(seed) for seed in seeds]}}, BY_KEY["error"])

    often, seldom = ((64, 0.5), (96, 0.1), (128, 0.3)), ((64, 0.4), (128, 0.2))
    assert drawn(often, seldom) == drawn((often[0], often[2]), seldom) != drawn(often, often)


def test_a_legend_that_would_hide_the_curves_makes_the_picture_taller():
    def height(count):
        curves = {f"C{n}": [[(64, 0.5), (96, 0.1)]] for n in range(count)}
        return int.from_bytes(plots.learning_curves({"P": curves}, BY_KEY["error"])[20:24])  # of a PNG's header

    assert height(1) == height(6) < height(7) < height(9)


def test_a_figure_draws_and_scores_the_same_runs(ready, capsys, tmp_path, monkeypatch):
    folder = ready
    assert command(folder, "figure") == 0
    out, _ = capsys.readouterr()
    found = json.loads((folder / "runs/plan.json").read_text())
    assert "training" not in out and (folder / "runs/plan.png").stat().st_size > 5000
    for run in found["cells"][0]["runs"]:
        assert 0.1 <= run["numbers"]["confidence"] <= 1 and run["numbers"]["sharpness"] > 0
        shares = run["numbers"]["class_shares"]
        assert sum(shares) == pytest.approx(1.0) and run["numbers"]["rarest_class"] == min(shares)
    real = found["reference"]["real test images"]
    assert real["classifier_error"] < 0.2 < 0.6 < real["confidence"]

    told = cli.parse(found["cells"][0]["command"].split()[3:])
    tasks = [figures.Task(told.experiment, told.config, folder / "runs/ours/clusters/seed_0")]
    png, numbers, _ = figures.codes({"a": tasks})
    assert png.startswith(b"\x89PNG") and 0 < numbers["a"][0]["knn_error"] < 1
    assert figures.rows({"a": tasks})[0].startswith(b"\x89PNG")
    parts = figures._read(tasks[0])
    named = parts.validation._replace(labels=np.full_like(parts.validation.labels, 99))
    monkeypatch.setattr(figures, "_read", lambda task: parts._replace(validation=named))
    assert figures.codes({"a": tasks})[1]["a"][0]["knn_error"] == 1.0  # the neighbours are validation images

    page = results.page(folder / "runs")
    assert found["cells"][0]["command"] in page and "device-hours" in page and "![T](plan.png)" in page


@pytest.fixture
def committed(folder, tmp_path):
    """The folder's experiments and results/, as they lie in a checkout of another machine: no workdirs."""
    assert command(folder, "table") == 0
    shutil.copytree(folder / "experiments", tmp_path / "experiments")
    (tmp_path / "results").mkdir()
    for name in ("plan.json", "plan.png"):
        if (folder / "runs" / name).exists():
            shutil.copyfile(folder / "runs" / name, tmp_path / "results" / name)
    return tmp_path


def trained(capsys):
    """The runs that a command trained, by what it printed."""
    return [line for line in capsys.readouterr().out.splitlines() if line.endswith("training")]


def test_runs_that_are_committed_are_not_trained_anew(committed, capsys):
    before = json.loads((committed / "results/plan.json").read_text())
    capsys.readouterr()
    assert command(committed, "table") == 0
    out = capsys.readouterr().out
    assert f"ours/clusters, seed 0, 1: done, in {committed / 'results' / 'plan.json'}" in out
    assert "training" not in out and not (committed / "runs" / "ours").exists()
    rows = json.loads((committed / "runs/plan.json").read_text())["cells"][0]["runs"]
    assert rows == before["cells"][0]["runs"]


def test_a_run_in_a_workdir_goes_before_the_committed_one(folder, committed):
    shutil.copytree(folder / "runs/ours/clusters/seed_0", committed / "runs/ours/clusters/seed_0")
    path = committed / "runs/ours/clusters/seed_0/results.json"
    results = json.loads(path.read_text())
    results["test"]["cluster_error_best_example"] = 0.125
    path.write_text(json.dumps(results))
    assert command(committed, "table") == 0
    rows = json.loads((committed / "runs/plan.json").read_text())["cells"][0]["runs"]
    assert rows[0]["test"]["cluster_error_best_example"] == 0.125 != rows[1]["test"]["cluster_error_best_example"]


@pytest.mark.slow
def test_a_run_of_another_configuration_is_trained(committed, capsys):
    capsys.readouterr()
    assert command(committed, "table", "--config.optim.ema=0.5", "--config.train.replicates=1") == 0
    assert trained(capsys) == ["ours/clusters, seed_0: training"]


def test_a_seed_more_is_trained_alone_and_where_the_data_lie_does_not_matter(committed, capsys):
    capsys.readouterr()
    assert command(committed, "table", "--config.train.replicates=3", "--config.data.dir=elsewhere") == 0
    assert trained(capsys) == ["ours/clusters, seed_2: training"]
    rows = json.loads((committed / "runs/plan.json").read_text())["cells"][0]["runs"]
    assert [row["status"] for row in rows] == ["done"] * 3 and all("test" in row for row in rows)


def test_a_run_whose_workdir_is_refused_stops_no_other(folder, tmp_path, monkeypatch, capsys):
    """As one of data that have changed since, which its checkpoint alone tells."""

    def execute(mode, started):
        raise InputError("config.data.name: of the test")

    path = str(folder / "experiments" / "tiny_clusters.py")
    made = experiment.typed(path, experiment.config_of(path, experiment.load(path)), {})
    monkeypatch.setattr(plans.run, "execute", execute)
    told = plans._train("a/x", figures.Task("tiny_clusters", made, tmp_path / "seed_0"))
    assert told == "refused: config.data.name: of the test"
    assert "a/x, seed_0: refused: config.data.name: of the test" in capsys.readouterr().out


def test_a_figure_of_committed_runs_keeps_its_numbers_and_its_picture(folder, committed, capsys):
    assert command(folder, "figure") == 0
    for name in ("plan.json", "plan.png"):
        shutil.copyfile(folder / "runs" / name, committed / "results" / name)
    before = json.loads((committed / "results/plan.json").read_text())
    capsys.readouterr()
    assert command(committed, "figure") == 0
    assert trained(capsys) == []
    after = json.loads((committed / "runs/plan.json").read_text())
    assert [cell["runs"] for cell in after["cells"]] == [cell["runs"] for cell in before["cells"]]
    assert after["reference"] == before["reference"] and "numbers" in after["cells"][0]["runs"][0]
    assert (committed / "runs/plan.png").read_bytes() == (committed / "results/plan.png").read_bytes()


@pytest.mark.parametrize("name", PLANS)
def test_every_cell_of_a_plan_is_a_valid_run_that_overrides_reach(name):
    path = str(ROOT / "experiments" / f"{name}.py")
    names = experiment.load(path)
    planned, own = experiment.call(path, names, "get_plan"), experiment.config_of(path, names).data.name
    made = plans.plan(path, planned["cells"], own, 2, Path("w"), {"train.steps": 7, "data.name": "digits"})
    seeds = {name: min(2, own.get("train.replicates", 2)) for name, (_, own) in planned["cells"].items()}
    assert len({task.workdir for cell in made for task in cell.tasks}) == sum(seeds.values())
    for cell in made:
        assert [task.config.train.seed for task in cell.tasks] == list(range(seeds[cell.name]))
        assert [task.config.data.seed for task in cell.tasks] == list(range(seeds[cell.name]))
        assert all(task.config.train.steps == 7 for task in cell.tasks)
        assert (cell.tasks[0].config.data.name == "digits") != cell.own_data
        told = shlex.split(cell.command)
        assert f"--config.train.replicates={seeds[cell.name]}" in told or seeds[cell.name] == 1
    for cell in plans.plan(path, planned["cells"], own, 1, Path("w"), {}):  # whose command trains one seed, too
        told = [word for word in shlex.split(cell.command) if word.startswith("--config.train.replicates=")]
        assert told in ([], ["--config.train.replicates=1"])
    tables_and_figures._check("table" if "rows" in planned else "figure", planned, name)
    for check in planned.get("claim", {"checks": ()})["checks"]:
        assert check["metric"] in BY_KEY and ("at_least" in check or "at_most" in check)
        assert {check["cell"], check.get("less", check["cell"])} <= {*planned["cells"], "real test images"}


@pytest.mark.parametrize("drawing", ["samples", "codes"])
def test_a_figure_of_data_without_labels_is_refused(ready, tmp_path, drawing):
    np.savez(tmp_path / "all.npz", images=np.zeros((40, 8, 8), np.uint8))
    place = ready / "runs/ours/clusters/seed_0"
    config = figures.trained.load(place).config
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, name=str(tmp_path / "all.npz"), validation=4)
    )
    with pytest.raises(
        InputError, match=r"^cell a: config\.data\.name: .*all\.npz' is not allowed: a figure needs labelled"
    ):
        figures.DRAWINGS[drawing]({"a": [figures.Task("a", config, place)]})


def test_a_walk_goes_along_the_quantiles_of_a_gaussian_code():
    """Rightwards along the first dimension, upwards along the second, as the code map's axes."""
    codes = figures.walk().reshape(10, 10, 2)
    right, up = norm.cdf(codes[..., 0]), norm.cdf(codes[..., 1])
    np.testing.assert_allclose(right, np.broadcast_to(np.linspace(0.05, 0.95, 10), (10, 10)), atol=1e-6)
    np.testing.assert_allclose(up, right.T[::-1], atol=1e-6)


def test_a_cells_overrides_reach_no_other_where_a_file_gives_one_configuration_to_all(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from experiments import base\n\nONE = base.get_config()\n\n\ndef get_config():\n    return ONE\n")
    names = experiment.load(str(path))
    first, second = (
        experiment.typed(str(path), experiment.config_of(str(path), names), changes)
        for changes in ({"prior.categories": 5}, {})
    )
    assert (first.prior.categories, second.prior.categories) == (5, 10)


def plan_of(folder, place, drawing, cells):
    """A figure of the folder's experiments, in a folder of its own; the arguments of its command."""
    shutil.copytree(folder / "experiments", place / "experiments")
    path = place / "experiments" / "plan.py"
    path.write_text(
        f"{PLAN}\n\nWHOLE = get_plan()\n\ndef get_plan():\n    "
        f"return WHOLE | {{'drawing': {drawing!r}, 'cells': {cells!r}}}\n"
    )
    return ["--config", str(path), "--mode=figure", "--workdir", str(place / "runs")]


@pytest.mark.parametrize(
    "drawing, changes, told",
    [
        ("samples", {"data.name": "all.npz"}, "config.data.name: '{}/all.npz' is not allowed: a figure needs labelled"),
        ("samples", {"data.name": "few.npz"}, "28 labelled training images of 4 classes, 6 of one: must be 10 a class"),
        ("codes", {"prior.categories": 4}, "4 categories and 0 dimensions are not allowed: must be a code that fits"),
        ("rows", {"prior.name": "gaussian"}, "has no rows of samples: must have a categorical code and a decoder"),
        ("rows", {"train.batch_size": 7}, "config.train.batch_size: 7 is not allowed: must be a multiple of the"),
    ],
)
def test_a_figure_that_could_not_be_drawn_is_refused_before_any_cell_is_trained(
    folder, tmp_path, capsys, drawing, changes, told
):
    images = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8)
    np.savez(tmp_path / "all.npz", images=images)
    np.savez(tmp_path / "few.npz", images=images, labels=np.arange(40) % 4)
    if "data.name" in changes:
        changes = {"data.name": str(tmp_path / changes["data.name"]), "data.validation": 4}
    good = {} if drawing != "samples" else changes
    cells = {"ours/a": ("tiny_clusters", good), "ours/b": ("tiny_clusters", changes)}
    assert cli.run_command(plan_of(folder, tmp_path, drawing, cells)) == 2
    out, error = capsys.readouterr()
    cell = "ours/a" if drawing == "samples" else "ours/b"
    assert f"cell {cell}: {told.format(tmp_path)}" in error and "training" not in out
    assert not (tmp_path / "runs").exists()


def test_rows_whose_picture_is_gone_are_refused(folder, tmp_path):
    path = str(folder / "experiments" / "tiny_clusters.py")
    made = experiment.typed(path, experiment.config_of(path, experiment.load(path)), {})
    with pytest.raises(InputError, match="samples/clusters.png: is missing; --mode sample of this run draws it"):
        figures.rows({"b/x": [figures.Task("tiny_clusters", made, tmp_path)]})


def test_a_plan_that_does_not_fit_the_mode_is_refused(capsys):
    assert cli.run_command(["--config", str(ROOT / "experiments/figure2.py"), "--mode=table"]) == 2
    assert "get_plan() of" in capsys.readouterr().err
    assert cli.run_command(["--config", str(ROOT / "experiments/digits.py"), "--mode=table"]) == 2
    assert "it has no get_plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mode", "old", "new", "message"),
    [
        ("table", '{"ours": "Ours"}', '{"ours": "Ours", "too": "Ours"}', "has two rows 'Ours'; must tell them apart"),
        ("table", '{"ours": "Ours"}', '["Ours"]', ": rows is a list; must be a dict"),
        ("table", '("tiny_clusters", {})', '"tiny_clusters"', ": cell ours/clusters is 'tiny_clusters'; must be ("),
        ("table", '"ours/svhn"', '"ours/svnh"', ": cell ours/svnh has no row or column of its name"),
        (
            "table",
            '"drawing"',
            '"headlines": ["err"], "drawing"',
            ": metric 'err' is unknown, or no number; must be ",
        ),
        (
            "table",
            '"drawing"',
            '"metrics": ["nats"], "drawing"',
            ": metric 'nats' is unknown, or no number; must be ",
        ),
        ("table", '"drawing"', '"metrics": ["code_sd"], "drawing"', ": metric 'code_sd' is unknown, or no number"),
        ("table", '{"ours": "Ours"}', '{"ours": 1}', ": rows have a title 1; must be texts"),
        (
            "table",
            '"drawing"',
            '"published": {"theirs": {"x": 5.27}}, "drawing"',
            ": published theirs is {'x': 5.27}; must be ",
        ),
        ("table", '"drawing"', '"published": {"theirs": "5.27"}, "drawing"', ": published theirs is '5.27'; must be "),
        ("figure", '"drawing"', '"claim": "sharp", "drawing"', ": claim is 'sharp'; must have a source, a text and"),
        (
            "figure",
            '"drawing"',
            '"claim": {"source": "", "text": "", "checks": [{"cell": "x"}]}, "drawing"',
            ": check {'cell': 'x'} of the claim must have a cell of the plan, a metric, and a number at_least or",
        ),
        ("figure", '"samples"', '"sample"', ": drawing 'sample' is unknown; must be one of samples"),
    ],
)
def test_a_plan_that_cannot_be_gathered_is_refused_before_anything_is_trained(folder, capsys, mode, old, new, message):
    assert old in PLAN
    (folder / "experiments" / "wrong.py").write_text(PLAN.replace(old, new))
    told = ["--config", str(folder / "experiments" / "wrong.py"), f"--mode={mode}", f"--workdir={folder}/wrong"]
    assert cli.run_command(told) == 2
    said = capsys.readouterr()
    assert message in said.err and "training" not in said.out and not (folder / "wrong").exists()


def test_samples_are_scored_by_what_a_classifier_says_of_them():
    """Three images, sure of 0, of 0 or 1 alike, and of 2 by three quarters."""

    class Judge:
        def predict_proba(self, flat):
            return np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.25, 0.0, 0.75]])

    found = scores.score(Judge(), np.zeros((3, 4, 4, 1), np.uint8))
    assert found["confidence"] == pytest.approx((1 + 0.5 + 0.75) / 3)
    uneven = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert found["entropy_nats"] == pytest.approx((0 + np.log(2) + uneven) / 3)
    assert found["class_shares"] == pytest.approx([2 / 3, 0, 1 / 3]) and found["rarest_class"] == 0


def test_a_sharp_edge_is_sharper_than_a_ramp():
    """By hand: a step of 255 between columns 1 and 2 of 4 has second differences 0, 1, -1, 0: variance 1/2."""
    step = np.zeros((3, 4, 4, 1), np.uint8)
    step[:, :, 2:] = 255
    ramp = np.broadcast_to(np.array([0, 85, 170, 255], np.uint8)[:, None], (3, 4, 4, 1))
    assert scores.sharpness(step) == pytest.approx(0.5)
    assert scores.sharpness(ramp) == pytest.approx(1 / 18)
