"""The systems of Table 1 on the 8×8 digits, three seeds, `--mode table`: all of it in half an hour on one core."""

from ml_collections import ConfigDict

from experiments import digits

ROWS = {
    "pixelgan": "PixelGAN",
    "catgan": "CatGAN",
    "infogan": "InfoGAN",
    "temporal_ensembling": "Temporal Ensembling",
    "pi_model": "Π-model",
}


def get_config() -> ConfigDict:
    config = digits.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    return {
        "title": "The systems of Table 1 on the digits",
        "cells": {
            "pixelgan/labels_100": ("digits", {}),
            "catgan/labels_100": ("digits_catgan", {}),
            "temporal_ensembling/labels_100": ("digits_temporal_ensembling", {}),
            "pi_model/labels_100": ("digits_temporal_ensembling", {"ensembling.target": "second_pass"}),
            "pixelgan/clusters": ("digits_clusters", {}),
            "infogan/clusters": ("digits_infogan", {}),
        },
        "columns": {"labels_100": "digits, 100 labels", "clusters": "digits, clusters without labels"},
        "rows": ROWS,
        "published": {},
        "notes": {"pixelgan/clusters": "20 clusters", "infogan/clusters": "10 codes"},
    }
