"""The likelihoods at CPU scale, `--mode table`: 15 epochs, 20 minutes and more a run on one core, and four with
clusters; then runs in mini-batches of 16, which learn more of as many images."""

from ml_collections import ConfigDict

from experiments import likelihood

SCALE = {"train.steps": 12000, "train.batch_size": 64, "model.encoder_channels": (16, 32, 64)}
SMALL = SCALE | {"train.batch_size": 16}  # four epochs
# these were evaluated without it, which a table does not make up for
UNWEIGHED = {"train.importance_draws": 0}
# binarized_mnist_gaussian as it was when the rows of a 2-D code were trained
BEFORE = UNWEIGHED | {"prior.dimensions": 2, "model.minimum_sd": 0.1, "model.mean_batch_norm": False}
LONGER = SMALL | {"train.steps": 120_000, "train.evaluate_every": 6000, "train.checkpoint_every": 6000}  # 38
LONG = SMALL | {"train.steps": 40_000, "train.evaluate_every": 5000, "train.checkpoint_every": 5000}  # 13
ROWS = {
    "pixelcnn": "PixelCNN: 768,000 images",
    "gaussian": "PixelGAN, 2-D code (bound): 768,000",
    "categorical": "PixelGAN, 30 clusters (bound): 192,000",
    "pixelcnn_by_16": "PixelCNN, by 16: 192,000",
    "gated_by_16": "Gated PixelCNN, by 16: 192,000",
    "gaussian_by_16": "PixelGAN, 2-D code, by 16 (bound): 1,920,000",
    "gaussian_6d_by_16": "PixelGAN, 6-D code, by 16 (bound): 640,000",
    "gaussian_6d_gated_by_16": "PixelGAN, 6-D code, gated, by 16 (bound): 384,000",
}


def get_config() -> ConfigDict:
    return likelihood.get_config()


def get_plan() -> dict:
    plan = likelihood.get_plan()

    def cell(row: str, changes: dict) -> tuple[str, dict]:
        experiment, own = plan["cells"][f"{row}/nats"]
        return experiment, own | changes

    gates = {"model.decoder": "gated_pixelcnn", "train.steps": 24_000, "train.evaluate_every": 8000}
    cells = {
        "pixelcnn/nats": cell("pixelcnn", SCALE),
        "gaussian/nats": cell("gaussian", SCALE | BEFORE),
        # its decoder, with a picture for every cluster in every channel, learns 50,000 images by heart in more
        "categorical/nats": cell("categorical", SCALE | UNWEIGHED | {"train.steps": 3000}),
        "pixelcnn_by_16/nats": cell("pixelcnn", SMALL),
        "gaussian_by_16/nats": cell("gaussian", LONGER | BEFORE),
        "gaussian_6d_by_16/nats": cell("gaussian", LONG),
        "gated_by_16/nats": cell("gated", SMALL),  # by 64 it takes two hours
        "gaussian_6d_gated_by_16/nats": cell("gaussian", SMALL | gates),
    }
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells, "rows": ROWS}
