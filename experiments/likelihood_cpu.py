"""The likelihoods at CPU scale, `--mode table`: 15 epochs, 20 minutes and more a run on one core, and four with
clusters; then longer ones in small mini-batches, which learn more of as many images."""

from ml_collections import ConfigDict

from experiments import likelihood

SCALE = {"train.steps": 12000, "train.batch_size": 64, "model.encoder_channels": (16, 32, 64)}

# 38 epochs, an hour and more; 50,000 images in mini-batches of 16 are as many steps as 200,000 of 64
LONGER = SCALE | {"train.batch_size": 16, "train.steps": 120_000}
LONGER |= {"train.evaluate_every": 6000, "train.checkpoint_every": 6000}


def get_config() -> ConfigDict:
    return likelihood.get_config()


def get_plan() -> dict:
    plan = likelihood.get_plan()
    cells = {name: (experiment, changes | SCALE) for name, (experiment, changes) in plan["cells"].items()}
    experiment, changes = cells["categorical/nats"]
    # its decoder, with a picture of its own for every cluster in every channel, learns 50,000 images by heart in more
    cells["categorical/nats"] = (experiment, changes | {"train.steps": 3000})
    rows = {
        row: f"{title}: {'192,000' if row == 'categorical' else '768,000'} images"
        for row, title in plan["rows"].items()
    }
    for row in ("pixelcnn", "gaussian"):
        experiment, changes = plan["cells"][f"{row}/nats"]
        cells[f"{row}_longer/nats"] = (experiment, changes | LONGER)
        rows[f"{row}_longer"] = f"{plan['rows'][row]}: 1,920,000 images by 16"
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells, "rows": rows}
