"""Nats of Larochelle's fixed binarisation of MNIST beside published ones: `--mode table`."""

from ml_collections import ConfigDict

from experiments import binarized_mnist

ROWS = {
    "pixelcnn": ("PixelCNN, ours", "binarized_mnist"),
    "gated": ("Gated PixelCNN, ours", "binarized_mnist_gated"),
    "gaussian": ("PixelGAN, 6-D Gaussian code, ours (a bound)", "binarized_mnist_gaussian"),
    "categorical": ("PixelGAN, 30 clusters, ours (a bound)", "binarized_mnist_categorical"),
}
CODED = ("gaussian", "categorical")
WEIGHED = {"train.importance_draws": 16}
PUBLISHED = {  # test −log p(x), nats
    "PixelRNN": {"nats": ("79.20", "(verified)")},
    "PixelCNN": {"nats": ("81.30", "(verified)")},
    "Gated PixelCNN": {"nats": ("80.10", "(verified)")},
    "Gated PixelVAE": {"nats": ("79.02 (a bound)", "(verified)")},
}


def get_config() -> ConfigDict:
    return binarized_mnist.get_config()


def get_plan() -> dict:
    return {
        "title": "Likelihood of the fixed binarisation of MNIST",
        "cells": {f"{row}/nats": (name, WEIGHED if row in CODED else {}) for row, (_, name) in ROWS.items()},
        "columns": {"nats": "fixed binarisation of MNIST"},
        "rows": {row: title for row, (title, _) in ROWS.items()},
        "published": PUBLISHED,
        "headlines": ("negative_elbo_nats", "reconstruction_nats"),
        "metrics": (
            "reconstruction_nats",
            "marginal_kl_nats",
            "mutual_information_nats",
            "importance_weighted_nats",
        ),
    }
