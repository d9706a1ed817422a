"""Figure 2 at CPU scale, three seeds of the cells that decide it, `--mode figure`: half an hour a run on one core, ten
minutes without a code."""

from ml_collections import ConfigDict

from experiments import figure2, mnist_cpu


def get_config() -> ConfigDict:
    config = figure2.get_config()
    config.train.replicates = 3
    return config


def at_scale(plan: dict, changes: dict) -> dict:
    """A figure's plan with every cell at CPU scale, and changed further."""
    scale = mnist_cpu.SCALE | changes
    cells = {name: (experiment, own | scale) for name, (experiment, own) in plan["cells"].items()}
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}


def get_plan() -> dict:
    plan = at_scale(figure2.get_plan(), {"model.channels": 32, "train.steps": 16000})
    experiment, own = plan["cells"]["aae"]
    plan["cells"]["aae"] = experiment, own | {"train.replicates": 1}
    return plan
