"""A PixelGAN with 30 clusters of Larochelle's fixed binarisation of MNIST, whose images have no labels."""

from ml_collections import ConfigDict

from experiments import binarized_mnist, mnist


def get_config() -> ConfigDict:
    config = binarized_mnist.get_config()
    config.prior.name = "categorical"
    config.prior.categories = 30
    config.model.conditioning = "location_dependent"
    config.model.update(mnist.VIEWS)
    config.model.logits_batch_norm = 3.0
    config.model.discriminator_draws = True
    config.optim.view_information = 10.0
    return config
