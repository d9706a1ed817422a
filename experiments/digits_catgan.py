"""CatGAN (Springenberg 2016) on digits (8×8), 100 labels."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config("catgan")
    config.data.labels = 100
    config.catgan.generator_units = 256
    config.train.steps = 2000
    return config
