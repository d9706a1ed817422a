"""Fixtures of the tests of tables and figures."""

import sys

import pytest

from tests.commands import small_plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of experiments, in which the tests train what they need."""
    return small_plan.write(tmp_path_factory.mktemp("comparison"))


@pytest.fixture
def own_experiments(monkeypatch):
    """An experiment's imports come from its own folder, not from this checkout's modules of the same name."""
    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        del sys.modules[name]


@pytest.fixture
def ready(folder, capsys):
    """The folder, its table's two runs trained."""
    assert small_plan.command(folder, "table") == 0
    capsys.readouterr()
    return folder
