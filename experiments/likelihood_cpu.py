"""The likelihoods at CPU scale, `--mode table`: 15 epochs, 20 minutes and more a run on one core, and four with
clusters."""

from ml_collections import ConfigDict

from experiments import likelihood

SCALE = {"train.steps": 12000, "train.batch_size": 64, "model.encoder_channels": (16, 32, 64)}


def get_config() -> ConfigDict:
    return likelihood.get_config()


def get_plan() -> dict:
    plan = likelihood.get_plan()
    cells = {name: (experiment, changes | SCALE) for name, (experiment, changes) in plan["cells"].items()}
    experiment, changes = cells["categorical/nats"]
    # its decoder, with a picture of its own for every cluster in every channel, learns 50,000 images by heart in more
    cells["categorical/nats"] = (experiment, changes | {"train.steps": 3000})
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}
