"""The likelihoods at CPU scale, `--mode table`: 15 epochs, 20 minutes and more a run on one core."""

from ml_collections import ConfigDict

from experiments import likelihood

SCALE = {"train.steps": 12000, "train.batch_size": 64, "model.encoder_channels": (16, 32, 64)}


def get_config() -> ConfigDict:
    return likelihood.get_config()


def get_plan() -> dict:
    plan = likelihood.get_plan()
    cells = {name: (experiment, changes | SCALE) for name, (experiment, changes) in plan["cells"].items()}
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}
