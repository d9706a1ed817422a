"""docs/tour.ipynb runs from top to bottom, and its outputs are in it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")


@pytest.fixture
def tour():
    return nbformat.read(ROOT / "docs" / "tour.ipynb", 4)


def test_its_outputs_are_in_it(tour):
    code = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert not [output for output in outputs if output.output_type == "error"]
    # no folder of the machine that it ran on, but a temporary one
    assert "/root" not in str(outputs) and "/home" not in str(outputs) and "/work" not in str(outputs)


@pytest.mark.slow
def test_it_runs(tour):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    nbclient.NotebookClient(tour, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    told = "".join(str(output) for cell in tour.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "status 0" in told and "name,part,class,probability" in told
