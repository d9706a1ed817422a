"""A 2-D Gaussian code of digits (8×8): global layout in the code, local statistics in the PixelCNN."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.levels = 17
    config.prior.name = "gaussian"
    config.model.encoder = "gaussian"
    config.model.minimum_sd = 0.1
    config.model.likelihood = "categorical"
    config.model.conditioning = "location_dependent"
    config.model.code_units = (256, 256)
    config.model.code_maps = 8
    config.model.layers = 1
    config.train.steps = 1500
    return config
