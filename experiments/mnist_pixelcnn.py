"""A PixelCNN alone, with the receptive field of mnist_gaussian and no code (figure 2b of Makhzani & Frey 2017)."""

from ml_collections import ConfigDict

from experiments import mnist_gaussian


def get_config() -> ConfigDict:
    config = mnist_gaussian.get_config()
    config.prior.name = "none"
    config.model.encoder = "deterministic"
    config.model.minimum_sd, config.model.mean_batch_norm = 0.0, False
    config.model.code_units, config.model.code_maps = (), 0
    config.optim.reconstruction_rate = 3e-3  # as it was trained for figure 2
    return config
