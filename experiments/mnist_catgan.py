"""CatGAN (Springenberg 2016) on MNIST, 100 labels."""

from ml_collections import ConfigDict

from experiments import base, mnist


def get_config() -> ConfigDict:
    config, data = base.get_config("catgan"), mnist.plain()
    config.data, config.train = data.data, data.train
    config.catgan.update(discriminator_rate=1e-3, schedule="cosine")  # docs/trials.md
    return config
