"""Tables and figures in Markdown write a metric as the table of metrics says, and a cell by its headline."""

import pytest

from pixelgan_jax.report import markdown


def test_mean_and_sample_deviation():
    assert markdown.mean_and_sd([0.01, 0.03], "%") == "2.00 ± 1.41"
    assert markdown.mean_and_sd([0.01], "%") == "1.00"
    assert markdown.mean_and_sd([1200, 1202], "s") == "1,201 ± 1"


MADE = {  # of a run
    "device": {"count": 1, "kind": "cpu"},
    "versions": {"jax": "0.10.2"},
    "git_commit": "c",
    "step": 2,
    "train": {"seconds": 1.0, "compile_seconds": 1.0},
}


def gathered(*tests):
    """A table of one cell, whose runs have these metrics of the test split."""
    runs = [{"status": "done", "test": test} for test in tests]
    cell = {"name": "ours/all", "labels": 0, "runs": [*runs, {"status": "not run"}]}
    return {"columns": {"all": "All"}, "rows": {"ours": "Ours"}, "published": {}, "cells": [cell]}


CLUSTERS = {"cluster_error_best_example": 0.2, "cluster_error_majority": 0.1, "bits_per_dim": 0.5}


@pytest.mark.parametrize(
    "test, entry",
    [
        (CLUSTERS | {"error": 0.0125}, "1.25"),
        (CLUSTERS, "20.00"),
        # not an error: the unit says so
        ({"bits_per_dim": 0.5, "reconstruction_nats": 81.3}, "0.5000 bits"),
        ({"reconstruction_nats": 81.3}, "81.30 nats"),
    ],
)
def test_a_cell_shows_the_headline_that_its_report_shows(test, entry):
    assert f"| Ours | {entry} (1 of 2 seeds) |" in markdown.table(gathered(test))


def test_a_bar_in_a_title_ends_no_column():
    found = gathered(CLUSTERS) | {"rows": {"ours": "q(z|x)"}}
    assert "| q(z\\|x) | 20.00 (1 of 2 seeds) |" in markdown.table(found)


def test_a_cell_without_any_headline_is_a_dash_and_its_seeds_are_told_under_it():
    found = gathered({"error": 0.5}, {"error": 0.5, "reconstruction_nats": 82.0}) | {
        "headlines": ["reconstruction_nats"]
    }
    assert "| Ours | – |" in markdown.table(found)
    found["cells"][0] |= {"runs": [found["cells"][0]["runs"][1] | MADE | {"seed": 3}], "command": "python"}
    assert "- Reconstruction, nats, on test: seed 3: 82.00" in markdown.provenance(found)


def test_seeds_that_are_missing_for_the_same_reason_are_told_together():
    found = gathered()
    statuses = {0: "not run", 1: "not run: no data", 2: "not run"}
    done = MADE | {"seed": 3, "status": "done", "test": {"error": 0.5}}
    found["cells"][0] |= {"command": "python", "runs": [done, *({"seed": n, "status": s} for n, s in statuses.items())]}
    assert "- seeds 0, 2: not run\n- seed 1: not run: no data" in markdown.provenance(found)


def test_what_most_runs_were_made_with_is_said_once_and_cells_without_runs_together():
    """Of three cells' runs one was made on another device."""
    kinds, others = {"a": "cpu", "b": "cpu", "c": "H200"}, {"d": "not run", "e": "not run: no data", "f": "not run"}
    cells = [
        {
            "name": name,
            "labels": 0,
            "command": f"python {name}",
            "runs": [MADE | {"seed": 0, "status": "done", "test": {}}],
        }
        for name in kinds
    ]
    for cell, kind in zip(cells, kinds.values(), strict=True):
        cell["runs"][0]["device"] = {"count": 1, "kind": kind}
    cells += [{"name": name, "labels": 0, "runs": [{"seed": 0, "status": status}]} for name, status in others.items()]
    told = markdown.provenance({"cells": cells})
    assert told.startswith("Made with 1 × cpu; jax 0.10.2, where nothing else is said.\n")
    assert told.count("jax 0.10.2") == 2 and "- 1 × H200; jax 0.10.2; commit c\n" in told and "python d" not in told
    assert told.endswith("Not run: `d`, `f`.\n\nNot run: no data: `e`.\n")
    cells[-1]["runs"].append({"seed": 1, "status": "in use"})
    assert markdown.provenance({"cells": cells}).endswith("Not run; in use: `f`.\n")


def test_rows_of_which_nothing_was_run_are_named_under_the_table():
    found = gathered({"error": 0.0125})
    found["rows"] |= {"other": "Other", "none": "None"}
    found["cells"].append({"name": "other/all", "labels": 0, "runs": [{"status": "not run"}]})
    table, told = markdown.table(found).split("\n\n")
    assert "Ours" in table and "Other" not in table and told == "Nothing was run of: Other; None.\n"


def test_a_table_of_nats_shows_a_bound_where_there_is_one():
    found = gathered(
        {"negative_elbo_nats": 84.0, "reconstruction_nats": 80.0, "error": 0.5}, {"reconstruction_nats": 82.0}
    )
    found["headlines"] = ["negative_elbo_nats", "reconstruction_nats"]
    found["cells"] = [found["cells"][0] | {"runs": [run]} for run in found["cells"][0]["runs"][:2]]
    found["cells"][1]["name"] = "exact/all"
    found["rows"]["exact"] = "Exact"
    assert markdown.table(found).splitlines() == [
        "| test | All |",
        "| --- | --- |",
        "| Ours | 84.00 nats |",
        "| Exact | 82.00 nats |",
    ]


def test_further_metrics_have_tables_of_their_own():
    found = gathered({"error": 0.0125, "reconstruction_nats": 80.0}, {"error": 0.0175, "reconstruction_nats": 82.0})
    found |= {
        "metrics": ["reconstruction_nats", "clusters_used"],
        "published": {"Theirs": {"all": ("1", "(verified)")}},
    }
    first, nats, used = markdown.table(found).split("\n\n")
    assert "| Ours | 1.50 ± 0.35 (2 of 3 seeds) |" in first and "Theirs" in first
    assert nats.splitlines() == ["| test: Reconstruction, nats | All |", "| --- | --- |", "| Ours | 81.00 ± 1.41 |"]
    assert used.splitlines()[-1] == "| Ours | – |"


def test_a_figure_has_a_row_for_every_number_that_a_run_has():
    cell = gathered({"error": 0.02, "examples": 5, "code_mean": [0.0, 1.0]}, {"error": 0.04})["cells"][0]
    for run in cell["runs"][:2]:
        run["numbers"] = {"sharpness": 0.25}
    found = markdown.figure({"cells": [cell], "reference": {"real": {"sharpness": 0.5}}})
    assert found.splitlines() == [
        "| test | ours/all | real |",
        "| --- | --- | --- |",
        "| Classification error, % | 3.00 ± 1.41 | – |",
        "| Sharpness | 0.250 ± 0.000 | 0.500 |",
    ]
    titled = markdown.figure({"cells": [cell], "titles": {"ours/all": "PixelGAN"}, "reference": {}})
    assert titled.splitlines()[0] == "| test | PixelGAN |"


@pytest.mark.parametrize("labels, shown", [((0, 100), True), ((100, 100), False)])
def test_a_figure_of_classes_alone_has_no_row_of_clusters(labels, shown):
    cells = [gathered({"error": 0.02, "nmi": 0.5})["cells"][0] | {"labels": each} for each in labels]
    assert ("Normalised mutual information" in markdown.figure({"cells": cells, "reference": {}})) == shown


CLAIMED = {"source": "The paper", "text": "ours are sharper"}
SHARPER = {"cell": "ours", "less": "theirs", "metric": "sharpness", "at_least": 0.1, "at_most": 0.6}
SURE = {"cell": "ours", "metric": "error", "at_most": 0.05}


def drawn(*checks, ours=((0.02, 0.7), (0.04, 0.9)), theirs=0.5):
    """A figure of a cell of two runs, (error, sharpness) each, beside a reference of another sharpness."""
    runs = [{"status": "done", "test": {"error": error}, "numbers": {"sharpness": sharp}} for error, sharp in ours]
    cells = [{"name": "ours", "labels": 0, "runs": runs or [{"status": "not run"}]}]
    return {"cells": cells, "reference": {"theirs": {"sharpness": theirs}}, "claim": CLAIMED | {"checks": checks}}


def test_a_claim_holds_where_every_check_of_the_means_holds():
    text = markdown.claim(drawn(SHARPER, SURE))
    assert text == (
        "**The paper**: ours are sharper. **Here this holds by our bounds.** Sharpness of “ours” less that of “theirs”:"
        " 0.300, wanted at least 0.100 and at most 0.600; classification error of “ours”: 3.00 %, wanted at most"
        " 5.00.\n"
    )
    assert text in markdown.figure_with_claim(drawn(SHARPER, SURE))


@pytest.mark.parametrize(
    ("figure", "number"),
    [
        (drawn(SHARPER, SURE, ours=[(0.02, 0.55)]), "0.050, wanted at least 0.100"),
        (drawn(SHARPER, SURE, theirs=0.1), "0.700, wanted at least 0.100 and at most 0.600"),
        (drawn(SHARPER, SURE, ours=[(0.06, 0.8)]), "6.00 %, wanted at most 5.00"),
        (drawn(SURE, ours=[]), "Classification error of “ours”: not run, wanted at most 5.00 %"),
    ],
)
def test_a_claim_does_not_hold_where_one_check_fails_or_a_cell_was_not_run(figure, number):
    text = markdown.claim(figure)
    assert "**Here this does not hold by our bounds.**" in text and number in text


def test_a_figure_of_which_nothing_is_claimed_has_its_numbers_alone():
    figure = drawn()
    del figure["claim"]
    assert markdown.figure_with_claim(figure) == markdown.figure(figure)


def test_the_classes_of_a_runs_samples_stand_under_its_cell():
    figure = drawn()
    (cell,) = figure["cells"]
    for run in cell["runs"]:
        run |= MADE | {"seed": 3}
        run["numbers"]["class_shares"] = [0.25, 0.75]
    text = markdown.provenance({"cells": [cell | {"command": "python"}]})
    assert "- seed 3: Samples of each class, %, from 0 up: 25.00, 75.00\n" in text
