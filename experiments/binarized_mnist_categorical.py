"""A PixelGAN with 30 clusters of Larochelle's fixed binarisation of MNIST, whose images have no labels."""

from ml_collections import ConfigDict

from experiments import base, binarized_mnist, mnist


def get_config() -> ConfigDict:
    config = binarized_mnist.get_config()
    config.prior.name = "categorical"
    config.prior.categories = 30
    config.model.conditioning = "location_dependent"
    return base.of_content(config, mnist.VIEWS)
