"""InfoGAN (Chen et al. 2016) on MNIST, ten codes, no labels; its networks, batch and rates as published."""

from ml_collections import ConfigDict

from experiments import base, mnist


def get_config() -> ConfigDict:
    config, data = base.get_config("infogan"), mnist.plain()
    config.data, config.train = data.data, data.train
    config.data.labels = 0
    config.train.steps = 5000
    return config
