"""Figure 2 at CPU scale, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import figure2

SCALE = {
    "train.steps": 1500,
    "train.batch_size": 64,
    "model.encoder_channels": (16, 32, 64),
    "model.channels": 16,
}


def get_config() -> ConfigDict:
    return figure2.get_config()


def at_scale(plan: dict, scale: dict = SCALE) -> dict:
    """A figure's plan with every cell at CPU scale."""
    cells = {name: (experiment, own | scale) for name, (experiment, own) in plan["cells"].items()}
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}


def get_plan() -> dict:
    return at_scale(figure2.get_plan())
