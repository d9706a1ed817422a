"""Clusters of your own pictures, without labels: a folder of them, `--config.data.name=FOLDER` (docs/data.md)."""

from ml_collections import ConfigDict

from experiments import base

# what most things bear and still are the same thing
VIEWS = {"input_translation": 2.0, "input_rotation": 10.0, "input_scaling": 0.15, "input_shear": 0.1}


def get_config() -> ConfigDict:
    config = base.of_content(base.get_config(), VIEWS)
    config.data.name = "./pictures"  # a folder of the working directory
    config.data.side = 32
    config.data.levels = 256
    config.prior.categories = 20
    config.model.input_standardised = True
    config.model.encoder_channels = (16, 32, 64)
    config.model.encoder_pooling = True
    config.model.conditioning = "location_dependent"
    config.model.first_kernel = 7
    config.model.channels = 16
    config.model.likelihood = "logistic_mixture"
    config.model.mixtures = 3
    config.train.batch_size = 64
    config.train.steps = 2000
    return config
