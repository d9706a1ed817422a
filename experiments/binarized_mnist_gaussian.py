"""A PixelGAN with a 6-D Gaussian code of Larochelle's fixed binarisation of MNIST."""

from ml_collections import ConfigDict

from experiments import binarized_mnist


def get_config() -> ConfigDict:
    config = binarized_mnist.get_config()
    config.prior.name = "gaussian"
    config.prior.dimensions = 6
    config.model.encoder = "gaussian"
    # what a code says beyond what helps the decoder is lost from the bound: many dimensions that say little each
    config.model.minimum_sd = 0.4
    config.model.mean_batch_norm = True  # else the code grows until that noise is small beside it
    config.model.conditioning = "location_dependent"
    config.model.code_units = (256, 256)
    config.model.code_maps = 8
    return config
