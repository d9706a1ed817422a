"""Systems on a part of SVHN at CPU scale, `--mode table`: 9 minutes to an hour and a half a run on one core."""

from ml_collections import ConfigDict

from experiments import svhn, svhn_reduced
from experiments.table1 import WITHOUT_INFORMATION

SCALE = {"train.replicates": 1, "train.steps": 3000, "train.batch_size": 64, "train.evaluate_every": 500}
# negatives came last among the views: rows that were trained before have none
OURS = SCALE | {"model.encoder_channels": (32, 64, 128), "model.input_inversion": 0.0}
PIXELGAN = OURS | {"model.decoder": "pixelcnn", "model.channels": 16, "model.layers": 1, "model.first_kernel": 5}
PIXELGAN |= {"model.mixtures": 2}
AAE = OURS | {"model.decoder": "deconv", "prior.name": "product", "prior.dimensions": 10, "model.mixtures": 2}
CLASSIFIER = SCALE | {"ensembling.blocks": (32, 64, 64), "ensembling.convolutions": 1, "ensembling.head": (128,)}
CLASSIFIER |= {"ensembling.inversion": 0.0}
PI_MODEL = CLASSIFIER | {"ensembling.target": "second_pass"}
NEGATIVES = svhn.VIEWS["input_inversion"]
PIXELGAN_NEGATIVES = PIXELGAN | {"model.input_inversion": NEGATIVES}
# of 0 to 9 among SVHN's 73,257 training images: what the other rows are not told
FREQUENCIES = {"prior.frequencies": (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)}
TEMPORAL = CLASSIFIER | {"ensembling.weight": 3.0}
SUPERVISED = PI_MODEL | {"ensembling.weight": 0.0}
ROWS = {
    "pixelgan": ("PixelGAN, ours", "svhn_reduced", PIXELGAN),
    "no_decoder": ("– without decoder", "svhn_reduced", PIXELGAN | {"optim.reconstruction": False}),
    "without_information": ("– without the views' information", "svhn_reduced", PIXELGAN | WITHOUT_INFORMATION),
    "pixelgan_negatives": ("PixelGAN, ours, negatives among the views", "svhn_reduced", PIXELGAN_NEGATIVES),
    "pixelgan_negatives_frequencies": (
        "– and told how frequent each digit is",
        "svhn_reduced",
        PIXELGAN_NEGATIVES | FREQUENCIES,
    ),
    "aae": ("AAE, ours: same protocol", "svhn_reduced", AAE),
    "aae_negatives": (
        "AAE, ours, negatives among the views",
        "svhn_reduced",
        AAE | {"model.input_inversion": NEGATIVES},
    ),
    "pi_model": ("Π-model, ours, with the same views", "svhn_reduced_temporal_ensembling", PI_MODEL),
    "temporal_ensembling": (
        "Temporal Ensembling, ours, with the same views",
        "svhn_reduced_temporal_ensembling",
        TEMPORAL,
    ),
    "temporal_ensembling_negatives": (
        "Temporal Ensembling, ours, negatives among the views",
        "svhn_reduced_temporal_ensembling",
        TEMPORAL | {"ensembling.inversion": NEGATIVES},
    ),
    "supervised": (
        "Their network on the labels alone, with the same views",
        "svhn_reduced_temporal_ensembling",
        SUPERVISED,
    ),
    "supervised_negatives": (
        "Their network on the labels alone, negatives among the views",
        "svhn_reduced_temporal_ensembling",
        SUPERVISED | {"ensembling.inversion": NEGATIVES},
    ),
}
LABELS = {"labels_1000": 1000, "labels_500": 500}
ONCE = ("no_decoder", "without_information", "pi_model")  # with 1,000 labels alone
# on three seeds, since they decide a sentence; the others on one
SEVERAL = ("pixelgan_negatives/labels_500", "pixelgan_negatives/labels_1000")


def get_config() -> ConfigDict:
    config = svhn_reduced.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    cells = {
        f"{row}/{column}": (name, {"data.labels": count} | fields)
        for column, count in LABELS.items()
        for row, (_, name, fields) in ROWS.items()
        if column == "labels_1000" or row not in ONCE
    }
    for name in SEVERAL:
        cells[name][1]["train.replicates"] = 3
    return {
        "title": "SVHN reduced (CPU-scale): 13,641 training images, 15,825 test images; not the paper's protocol",
        "cells": cells,
        "columns": {column: f"SVHN reduced, {count:,} labels" for column, count in LABELS.items()},
        "rows": {row: title for row, (title, *_) in ROWS.items()},
        "published": {},
    }
