"""The table of metrics is whole, and README tells what it tells."""

import json
from pathlib import Path

from pixelgan_jax.evaluation.metrics import BY_KEY, CHOSEN_BY, HEADLINES, METRICS, first_of, markdown_table
from pixelgan_jax.methods.registry import from_dict, make
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]


def test_keys_are_told_once_and_uses_are_of_metrics():
    assert len(BY_KEY) == len(METRICS)
    for key in HEADLINES + CHOSEN_BY:
        assert BY_KEY[key].split and BY_KEY[key].better == "smaller"


def test_what_runs_are_compared_by():
    every = {"reconstruction_nats": 3.0, "cluster_error_majority": 0.2, "cluster_error_best_example": 0.3, "error": 0.1}
    assert first_of(HEADLINES, every) == first_of(CHOSEN_BY, every) == "error"
    del every["error"]
    assert first_of(HEADLINES, every) == "cluster_error_best_example"
    assert first_of(CHOSEN_BY, every) == "cluster_error_majority"
    assert first_of(CHOSEN_BY, {"reconstruction_nats": 3.0}) == "reconstruction_nats"
    assert first_of(CHOSEN_BY, {"nmi": 0.5}) is None


def test_every_metric_that_results_hold_is_in_the_table():
    for path in sorted((ROOT / "results").glob("*_cpu.json")):
        for cell in json.loads(path.read_text())["cells"]:
            for run in cell["runs"]:
                assert {*run.get("test", {}), *run.get("numbers", {})} <= set(BY_KEY), path


def test_every_loss_is_in_the_table():
    method = make(from_dict(tiny.fields()), tiny.DATA)
    assert {phase.metrics[0] for phase in method.phases} <= set(BY_KEY)


def test_readme_tells_every_metric():
    assert markdown_table() in (ROOT / "README.md").read_text()
