"""Figure 3 at CPU scale, the four maps of one encoder, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import figure2_cpu, figure3


def get_config() -> ConfigDict:
    return figure3.get_config()


def get_plan() -> dict:
    plan = figure3.get_plan()
    four = {name: cell for name, cell in plan["cells"].items() if name.endswith(("invariant", "dependent"))}
    titles = {name: plan["titles"][name] for name in four}
    return figure2_cpu.at_scale(plan | {"cells": four, "titles": titles}, {"train.steps": 6000})
