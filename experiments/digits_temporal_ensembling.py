"""Temporal Ensembling (Laine & Aila 2017) on digits (8×8), 100 labels."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config("temporal_ensembling")
    config.data.labels = 100
    config.ensembling.translation = 0.5  # of 8 pixels
    config.train.steps = 1500
    return config
