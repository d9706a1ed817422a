"""Temporal Ensembling (Laine & Aila 2017) on MNIST, 100 labels."""

from ml_collections import ConfigDict

from experiments import base, mnist


def get_config() -> ConfigDict:
    config, data = base.get_config("temporal_ensembling"), mnist.plain()
    config.data, config.train = data.data, data.train
    return config
