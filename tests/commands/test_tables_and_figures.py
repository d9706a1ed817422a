"""Tables and figures: what is missing is trained, what is there is not, and everything is gathered and drawn."""

import dataclasses
import json
import re
import shutil
import signal

import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.commands import experiment, plans, tables_and_figures
from pixelgan_jax.config import to_dict
from pixelgan_jax.config.convert import fields_of
from pixelgan_jax.config.fields import NEVER_ABSENT
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained as models
from pixelgan_jax.methods.registry import CONFIGS
from pixelgan_jax.report import figures, markdown
from pixelgan_jax.training import signals, workdir
from tests.commands.small_plan import PLAN, command

pytestmark = pytest.mark.usefixtures("own_experiments")


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
    line = f"| Ours | {mean:.2f} ± {sd:.2f} | not run: no data |"
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


@pytest.mark.parametrize(
    "change, told",
    [
        ("model.channels=3", "3 differs from the checkpoint's 2"),
        # what may change on resume: a finished run would be shown as what it is not
        ("train.dtype=bfloat16", "'bfloat16' differs from the checkpoint's 'auto'"),
        ("sample.temperature=0.5", "0.5 differs from the checkpoint's 1.0"),
        ("train.steps=1", "1 is not allowed: must be at least 2, which are done"),
    ],
)
def test_another_recipe_in_the_same_folder_is_refused_before_anything_is_trained(ready, capsys, change, told):
    assert command(ready, "table", f"--config.{change}") == 2
    out, err = capsys.readouterr()
    assert f"config.{change.partition('=')[0]}: {told}" in err and "training" not in out


def test_a_table_is_written_before_it_is_finished(ready, tmp_path, monkeypatch, capsys):
    shutil.copytree(ready / "runs/ours/clusters/seed_0", tmp_path / "ours/clusters/seed_0")

    def interrupted(*_):
        raise signals.Interrupted(signal.SIGINT, "stopped")

    monkeypatch.setattr(plans.modes, "execute", interrupted)
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
    panels, metric, _ = drawn["told"]
    assert metric.key == "nmi" and list(panels) == ["Clusters"] and list(panels["Clusters"]) == ["Ours"]
    curves = panels["Clusters"]["Ours"]
    assert len(curves) == 2 and all(images == 32 and 0 <= value <= 1 for curve in curves for images, value in curve)


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


@pytest.mark.slow
def test_a_seed_more_is_trained_alone_and_where_the_data_lie_does_not_matter(committed, capsys):
    capsys.readouterr()
    assert command(committed, "table", "--config.train.replicates=3", "--config.data.dir=elsewhere") == 0
    assert trained(capsys) == ["ours/clusters, seed_2: training"]
    rows = json.loads((committed / "runs/plan.json").read_text())["cells"][0]["runs"]
    assert [row["status"] for row in rows] == ["done"] * 3 and all("test" in row for row in rows)


@pytest.mark.parametrize("module, function", [("modes", "execute"), ("run", "start")])
def test_a_run_that_is_refused_stops_no_other(folder, tmp_path, monkeypatch, capsys, module, function):
    """As one of data that have changed since, which its checkpoint alone tells, or whose split, which its own seed
    alone decides, leaves a class too few images."""

    def refuse(*told):
        raise InputError("config.data.name: of the test")

    path = str(folder / "experiments" / "tiny_clusters.py")
    made = experiment.typed(path, experiment.config_of(path, experiment.load(path)), {})
    monkeypatch.setattr(getattr(plans, module), function, refuse)
    told = plans._train("a/x", figures.Task("tiny_clusters", made, tmp_path / "seed_0"))
    assert told == "refused: config.data.name: of the test"
    assert "a/x, seed_0: refused: config.data.name: of the test" in capsys.readouterr().out


def test_a_workdir_that_no_version_reads_is_named(folder, tmp_path):
    path = str(folder / "experiments" / "tiny_clusters.py")
    made = experiment.typed(path, experiment.config_of(path, experiment.load(path)), {})
    values = to_dict(made)
    values["data"]["lables"] = 3
    workdir.write_json(tmp_path / "config.json", values)
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    told = rf"^{re.escape(str(tmp_path))}/config.json: config.data.lables: no such field"
    with pytest.raises(InputError, match=told):
        plans.finished(figures.Task("tiny_clusters", made, tmp_path))


def test_a_run_is_held_against_what_it_left(folder, tmp_path):
    """One that saved nothing is in nobody's way, and one that was measured anew is what its results say."""
    path = str(folder / "experiments" / "tiny_clusters.py")
    made, other, measured = (
        experiment.typed(path, experiment.config_of(path, experiment.load(path)), changes)
        for changes in ({}, {"train.batch_size": 5}, {"train.importance_draws": 3})
    )
    workdir.write_json(tmp_path / "config.json", to_dict(other))
    assert not plans.finished(figures.Task("tiny_clusters", made, tmp_path))
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    with pytest.raises(InputError, match="config.json: config.train.batch_size: "):
        plans.finished(figures.Task("tiny_clusters", made, tmp_path))
    workdir.write_json(tmp_path / "config.json", to_dict(made))
    workdir.write_json(tmp_path / "results.json", {"config": to_dict(measured), "step": made.train.steps})
    assert plans.finished(figures.Task("tiny_clusters", measured, tmp_path))
    with pytest.raises(InputError, match="results.json: config.train.importance_draws: "):
        plans.finished(figures.Task("tiny_clusters", made, tmp_path))


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


@pytest.mark.parametrize("drawing", ["samples", "codes"])
def test_a_figure_of_data_without_labels_is_refused(ready, tmp_path, drawing):
    np.savez(tmp_path / "all.npz", images=np.zeros((40, 8, 8), np.uint8))
    place = ready / "runs/ours/clusters/seed_0"
    config = models.load(place).config
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, name=str(tmp_path / "all.npz"), validation=4)
    )
    with pytest.raises(
        InputError, match=r"^cell a: config\.data\.name: .*all\.npz' is not allowed: a figure needs labelled"
    ):
        figures.DRAWINGS[drawing]({"a": [figures.Task("a", config, place)]}, {})
