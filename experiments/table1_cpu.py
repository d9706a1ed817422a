"""Table 1's MNIST columns at CPU scale, three seeds, `--mode table`: minutes a run on two cores."""

from ml_collections import ConfigDict

from experiments import table1

# narrow and shallow, four epochs
SCALE = {
    "train.steps": 3000,
    "train.batch_size": 64,
    "model.encoder_channels": (16, 32, 64),
    "model.channels": 16,
    "model.first_kernel": 5,
    "model.layers": 1,
}
ROWS = {
    "cpu": "PixelGAN, ours: recipe `best`, CPU-scale",
    "aae_cpu": "AAE, ours: same protocol, CPU-scale",
    "faithful_cpu": "PixelGAN, ours: recipe `faithful`, CPU-scale",
}
FIRST = ("labels_100", "clusters_30")  # trained before the other columns


def get_config() -> ConfigDict:
    config = table1.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    cells = table1.recipe("cpu", SCALE) | table1.aae("aae_cpu", SCALE)
    cells |= table1.recipe("faithful_cpu", table1.FAITHFUL | SCALE) | table1.others("cpu", SCALE)
    cells = dict(sorted(cells.items(), key=lambda item: not item[0].endswith(FIRST)))
    title = "Table 1 of Makhzani & Frey 2017 (CPU-scale)"
    return table1.get_plan() | {"title": title, "cells": cells, "rows": ROWS}
