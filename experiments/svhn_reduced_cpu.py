"""Systems on the part of SVHN at CPU scale, `--mode table --config.data.name=FOLDER`: a quarter of an hour a run."""

from ml_collections import ConfigDict

from experiments import svhn_reduced

SCALE = {"train.steps": 3000, "train.batch_size": 64}
OURS = SCALE | {"model.decoder": "pixelcnn", "model.channels": 16, "model.layers": 1, "model.mixtures": 2}
OURS |= {"model.encoder_channels": (32, 64, 128), "model.first_kernel": 5}
AAE = OURS | {"model.decoder": "deconv", "prior.name": "product", "prior.dimensions": 10}
CLASSIFIER = SCALE | {"ensembling.blocks": (32, 64), "ensembling.convolutions": 2, "ensembling.head": (128,)}
ROWS = {
    "pixelgan": ("PixelGAN, ours: recipe `best`", "svhn_reduced", OURS),
    "aae": ("AAE, ours: same protocol", "svhn_reduced", AAE),
    "pi_model": (
        "Π-model, ours, with the same views",
        "svhn_reduced_temporal_ensembling",
        CLASSIFIER | {"ensembling.target": "second_pass"},
    ),
    "supervised": (
        "The Π-model's network on the labels alone, with the same views",
        "svhn_reduced_temporal_ensembling",
        CLASSIFIER | {"ensembling.target": "second_pass", "ensembling.weight": 0.0},
    ),
}


def get_config() -> ConfigDict:
    config = svhn_reduced.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    columns = {"labels_1000": 1000, "labels_500": 500}
    return {
        "title": "SVHN reduced (CPU-scale): 13,641 training images, 15,825 test images; not the paper's protocol",
        "cells": {
            f"{row}/{column}": (name, {"data.labels": count} | fields)
            for column, count in columns.items()
            for row, (_, name, fields) in ROWS.items()
        },
        "columns": {column: f"SVHN reduced, {count:,} labels" for column, count in columns.items()},
        "rows": {row: title for row, (title, *_) in ROWS.items()},
        "published": {},
    }
