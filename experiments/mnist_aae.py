"""The semi-supervised adversarial autoencoder (Makhzani et al. 2015): content × style code, deconvolutional decoder."""

from ml_collections import ConfigDict

from experiments import base, mnist


def get_config() -> ConfigDict:
    config = base.of_content(mnist.plain(), mnist.VIEWS)
    config.prior.name = "product"
    config.prior.dimensions = 10
    config.model.discriminator_apart = True
    config.model.decoder = "deconv"
    config.data.binarisation = "threshold"
    return config
