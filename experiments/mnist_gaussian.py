"""A 2-D Gaussian code of MNIST before a decoder that sees 9 columns (figure 2a of Makhzani & Frey 2017)."""

from ml_collections import ConfigDict

from experiments import mnist


def get_config() -> ConfigDict:
    config = mnist.plain()
    config.data.labels = 0
    config.prior.name = "gaussian"
    config.model.encoder = "gaussian"
    config.model.minimum_sd = 0.05  # left alone, posteriors shrink to points and leave holes in the prior
    config.model.mean_batch_norm = True  # else the code grows until that noise is small beside it
    config.model.conditioning = "location_dependent"
    config.model.code_units = (256, 256)  # two dimensions that are to say which digit, and how it is written
    config.model.code_maps = 16
    config.model.first_kernel = 5  # reaches 2 pixels, the two layers 1 each: a 9-pixel field
    config.model.layers = 2
    config.optim.reconstruction_rate = 1e-2  # a map of so few dimensions takes long to arrange itself
    return config
