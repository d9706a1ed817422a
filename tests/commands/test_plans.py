"""Plans of tables and figures: every cell is a run that can begin, and what cannot be gathered or drawn is refused
before any is trained."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.commands import experiment, plans, tables_and_figures
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.metrics import BY_KEY
from pixelgan_jax.report import figures
from pixelgan_jax.training.workdir import read_json
from tests.commands.small_plan import PLAN, ROOT

pytestmark = pytest.mark.usefixtures("own_experiments")

PLANS = [f"figure{number}{scale}" for number in (2, 3, 4, 5, 6) for scale in ("", "_cpu")]
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


COMMITTED = [name for name in PLANS if (ROOT / "results" / f"{name}.json").exists()]


@pytest.mark.parametrize("name", COMMITTED)
def test_what_is_committed_is_of_the_plan_and_stands_for_no_other(name):
    path = str(ROOT / "experiments" / f"{name}.py")
    names = experiment.load(path)
    planned, own = experiment.call(path, names, "get_plan"), experiment.config_of(path, names).data.name

    def standing(**overrides):
        cells = plans.plan(path, planned["cells"], own, 1, Path("w"), overrides)
        return {cell.name for cell in cells if cell.committed}

    rows = read_json(ROOT / "results" / f"{name}.json")["cells"]
    done = {row["name"] for row in rows if any(run["status"] == plans.DONE for run in row["runs"])}
    assert done and done <= standing()
    for shown in ({"sample.temperature": 0.5}, {"train.importance_draws": 7}):
        assert not standing(**shown)


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
        (
            "samples",
            {"optim.reconstruction": False, "prior.adversarial": True},
            "has no samples: must have a prior of its code and a decoder",
        ),
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


def test_samples_of_another_shape_are_refused_before_any_cell_is_trained(folder, tmp_path, capsys):
    images = np.random.RandomState(0).randint(0, 256, (200, 4, 4), np.uint8)
    np.savez(tmp_path / "wide.npz", images=images, labels=np.arange(200) % 4)
    other = {"data.name": str(tmp_path / "wide.npz"), "data.validation": 4}
    cells = {"ours/a": ("tiny_clusters", {}), "ours/b": ("tiny_clusters", other)}
    assert cli.run_command(plan_of(folder, tmp_path, "samples", cells)) == 2
    out, error = capsys.readouterr()
    told = "cell ours/b: its images are [4, 4, 1], those that it is held against [8, 8, 1]; must be the same"
    assert told in error and "training" not in out and not (tmp_path / "runs").exists()


def test_seeds_may_be_written_as_a_whole_real_number(folder):
    cells = {"ours/a": ("tiny_clusters", {"train.replicates": 2.0})}
    [cell] = plans.plan(str(folder / "experiments" / "plan.py"), cells, "digits", 3, folder / "runs", {})
    assert [task.config.train.seed for task in cell.tasks] == [0, 1]


def test_rows_whose_picture_is_gone_are_refused(folder, tmp_path):
    path = str(folder / "experiments" / "tiny_clusters.py")
    made = experiment.typed(path, experiment.config_of(path, experiment.load(path)), {})
    with pytest.raises(InputError, match="samples/clusters.png: is missing; --mode sample of this run draws it"):
        figures.rows({"b/x": [figures.Task("tiny_clusters", made, tmp_path)]}, {})


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
        ("figure", '"samples"', '["samples"]', ": drawing ['samples'] is unknown; must be one of samples"),
        ("figure", '"ours/svhn"', "3", ": cell 3: its name must be a text"),
        ("table", '"drawing"', '"headlines": None, "drawing"', ": headlines is None; must be a list of metrics"),
        ("table", '"drawing"', '"notes": {"ours/x": ""}, "drawing"', ": notes have a cell 'ours/x'; must be one of"),
        ("figure", '"drawing"', '"titles": {"ours/x": ""}, "drawing"', ": titles have a cell 'ours/x'; must be one of"),
        ("figure", '"drawing"', '"titles": {"ours/svhn": 3}, "drawing"', ": titles have a text 3; must be texts"),
        (
            "figure",
            '"drawing"',
            '"titles": {"ours/svhn": "A", "ours/clusters": "A"}, "drawing"',
            " has two titles 'A'; must tell cells apart",
        ),
        (
            "figure",
            '"drawing"',
            '"titles": {"ours/svhn": "ours/clusters"}, "drawing"',
            " has two titles 'ours/clusters'",
        ),
        ("figure", '"drawing"', '"titles": {"ours/svhn": "real images"}, "drawing"', " has two titles 'real images'"),
        (
            "table",
            '"published": {"Theirs": {"clusters"',
            '"published": {"Theirs": {"clusterz"',
            ": published Theirs has a column 'clusterz'; must be one of the plan's",
        ),
        (
            "figure",
            '"drawing"',
            '"claim": {"source": "", "text": "", "checks": [{"cell": "ours/svhn", "metric": "nmi", "at_least": 1,'
            ' "less": "real"}]}, "drawing"',
            "of the claim: less must be a cell of the plan, or real test images",
        ),
    ],
)
def test_a_plan_that_cannot_be_gathered_is_refused_before_anything_is_trained(folder, capsys, mode, old, new, message):
    assert old in PLAN
    (folder / "experiments" / "wrong.py").write_text(PLAN.replace(old, new))
    told = ["--config", str(folder / "experiments" / "wrong.py"), f"--mode={mode}", f"--workdir={folder}/wrong"]
    assert cli.run_command(told) == 2
    said = capsys.readouterr()
    assert message in said.err and "training" not in said.out and not (folder / "wrong").exists()
