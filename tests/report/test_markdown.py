"""Tables and figures in Markdown write a metric as the table of metrics says, and a cell by its headline."""

import pytest

from pixelgan_jax.report import markdown


def test_mean_and_sample_deviation():
    assert markdown.mean_and_sd([0.01, 0.03], "%") == "2.00 ± 1.41"
    assert markdown.mean_and_sd([0.01], "%") == "1.00"
    assert markdown.mean_and_sd([1200, 1202], "s") == "1,201 ± 1"


def gathered(*tests):
    """A table of one cell, whose runs have these metrics of the test split."""
    runs = [{"status": "done", "test": test} for test in tests]
    cell = {"name": "ours/all", "labels": 0, "runs": [*runs, {"status": "not run"}]}
    return {"columns": {"all": "All"}, "rows": {"ours": "Ours"}, "published": {}, "cells": [cell]}


CLUSTERS = {"cluster_error_best_example": 0.2, "cluster_error_majority": 0.1, "bits_per_dim": 0.5}


@pytest.mark.parametrize(
    "test, entry",
    [
        (CLUSTERS | {"error": 0.0125}, "**1.25**"),
        (CLUSTERS, "**20.00**"),
        # not an error: the unit says so
        ({"bits_per_dim": 0.5, "reconstruction_nats": 81.3}, "**0.5000 bits**"),
        ({"reconstruction_nats": 81.3}, "**81.30 nats**"),
    ],
)
def test_a_cell_shows_the_headline_that_its_report_shows(test, entry):
    assert f"| Ours | {entry} (1 of 2 seeds) |" in markdown.table(gathered(test))


def test_a_figure_has_a_column_for_every_number_that_a_run_has():
    cell = gathered({"error": 0.02, "examples": 5, "code_mean": [0.0, 1.0]}, {"error": 0.04})["cells"][0]
    for run in cell["runs"][:2]:
        run["numbers"] = {"sharpness": 0.25}
    found = markdown.figure({"cells": [cell], "reference": {"real": {"sharpness": 0.5}}})
    assert found.splitlines() == [
        "|  | Classification error, % | Sharpness |",
        "| --- | --- | --- |",
        "| ours/all | 3.00 ± 1.41 | 0.250 ± 0.000 |",
        "| real | – | 0.500 |",
    ]
