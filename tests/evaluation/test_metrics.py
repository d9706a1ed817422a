"""The table of metrics is whole, and docs/metrics.md tells what it tells."""

import json
from pathlib import Path

import pytest

from experiments import base
from pixelgan_jax.evaluation.metrics import (
    BY_KEY,
    CHOSEN_BY,
    HEADLINES,
    METRICS,
    SPLIT,
    first_of,
    number,
)
from pixelgan_jax.methods import registry
from pixelgan_jax.report import markdown
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]


def test_keys_are_told_once_and_uses_are_of_metrics():
    assert len(BY_KEY) == len(METRICS)
    for key in HEADLINES + CHOSEN_BY:
        assert BY_KEY[key] in SPLIT and BY_KEY[key].better == "smaller"


def test_what_runs_are_compared_by():
    every = {"reconstruction_nats": 3.0, "cluster_error_majority": 0.2, "cluster_error_best_example": 0.3, "error": 0.1}
    assert first_of(HEADLINES, every) == first_of(CHOSEN_BY, every) == "error"
    del every["error"]
    assert first_of(HEADLINES, every) == "cluster_error_best_example"
    assert first_of(CHOSEN_BY, every) == "cluster_error_majority"
    assert first_of(CHOSEN_BY, {"reconstruction_nats": 3.0, "bits_per_dim": 0.2}) == "bits_per_dim"
    assert first_of(CHOSEN_BY, {"reconstruction_nats": 3.0}) == "reconstruction_nats"
    assert first_of(CHOSEN_BY, {"nmi": 0.5}) is None


def test_every_metric_that_results_hold_is_in_the_table():
    for path in sorted((ROOT / "results").glob("*_cpu.json")):
        for cell in json.loads(path.read_text())["cells"]:
            for run in cell["runs"]:
                assert {*run.get("test", {}), *run.get("numbers", {})} <= set(BY_KEY), path


@pytest.mark.parametrize(
    "value, unit, sd, text",
    [
        (0.02219, "%", None, "2.22"),
        (0.03, "%", 0.0141, "3.00 ± 1.41"),
        (1031.25, "nats", None, "1,031.25"),
        (2.2871, "nats", None, "2.287"),
        (-0.0001, "nats", None, "0.000"),
        (0.51851, "bits", None, "0.5185"),
        (0.9512, "", None, "0.951"),
        (10000, "images", None, "10,000"),
        (30.0, "clusters", None, "30"),
        (30, "clusters", 0.5, "30.0 ± 0.5"),
        (0.123456, None, None, "0.1235"),
        (7, None, None, "7"),
    ],
)
def test_a_number_is_written_as_its_unit_asks(value, unit, sd, text):
    assert number(value, unit, sd) == text


@pytest.mark.parametrize("name", registry.CONFIGS)
def test_every_loss_is_in_the_table(name):
    fields = base.get_config(name)
    fields.data.labels = 0 if name == "infogan" else 20  # which some methods cannot do without
    method = registry.make(registry.from_dict(fields), tiny.DATA)
    assert {phase.metrics[0] for phase in method.phases} <= set(BY_KEY)


def test_the_docs_tell_every_metric():
    rows = [[f"`{row.key}`", row.title, row.unit or "–", row.better or "–", row.meaning] for row in SPLIT]
    table = markdown.grid(["key", "title", "unit", "better", "meaning"], rows)
    assert table in (ROOT / "docs/metrics.md").read_text()
    for line in table.splitlines():
        assert len(line.replace(r"\|", "").split("|")) == 7  # five cells: p(x|z) does not part one
