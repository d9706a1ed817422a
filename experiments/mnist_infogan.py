"""InfoGAN (Chen et al. 2016) on MNIST, ten codes, no labels; widths, batch and rates as published, the discriminator's
convolutions 3×3 for their 4×4."""

from ml_collections import ConfigDict

from experiments import base, mnist


def get_config() -> ConfigDict:
    config, data = base.get_config("infogan"), mnist.plain()
    config.data, config.train = data.data, data.train
    config.data.labels = 0
    config.train.steps = 5000
    return config
