"""The likelihoods at CPU scale, `--mode table`: 15 epochs, 20 minutes and more a run on one core; one row of 33."""

from ml_collections import ConfigDict

from experiments import likelihood

SCALE = {"train.steps": 12000, "train.batch_size": 64, "model.encoder_channels": (16, 32, 64)}

SEEN = "768,000 images"
LONGER = {"train.steps": 26_000, "model.minimum_sd": 0.2}  # an hour


def get_config() -> ConfigDict:
    return likelihood.get_config()


def get_plan() -> dict:
    plan = likelihood.get_plan()
    cells = {name: (experiment, changes | SCALE) for name, (experiment, changes) in plan["cells"].items()}
    cells["gaussian_longer/nats"] = ("binarized_mnist_gaussian", SCALE | LONGER)
    rows = {row: f"{title}: {SEEN}" for row, title in plan["rows"].items()}
    rows["gaussian_longer"] = f"{plan['rows']['gaussian']}, wider posterior: 1,664,000 images"
    return plan | {"rows": rows, "title": f"{plan['title']} (CPU-scale)", "cells": cells}
