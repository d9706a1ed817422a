"""InfoGAN (Chen et al. 2016) on digits (8×8): ten codes, no labels."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config("infogan")
    config.infogan.generator_units = 256
    config.infogan.units = 256
    config.train.steps = 3000
    return config
