"""A PixelCNN of Larochelle's fixed binarisation of MNIST, by which published nats are compared."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.name = "binarized_mnist"
    config.data.binarisation = "threshold"  # its pixels are black and white already
    config.data.validation = 0  # it has validation images of its own
    config.prior.name = "none"
    config.model.first_kernel = 7
    config.model.layers = 7
    config.optim.reconstruction_rate = 3e-3
    config.train.steps = 40000
    config.train.checkpoint_every = 1000
    config.train.evaluate_every = 1000
    return config
