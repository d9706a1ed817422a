"""Semi-supervised SVHN, 1,000 labels: RGB, 256 levels, gated decoder with a logistic mixture."""

from ml_collections import ConfigDict

from experiments import base

# what leaves a house number that number
VIEWS = {"input_translation": 2.0, "input_rotation": 5.0, "input_scaling": 0.15, "input_shear": 0.1}
# nor is it another one light on dark: without, codes tell that first (docs/trials.md)
VIEWS |= {"input_inversion": 0.5}


def plain() -> ConfigDict:
    """The data and the sizes alone."""
    config = base.get_config()
    config.data.name = "svhn_cropped"
    config.data.labels = 1000
    config.data.validation = 5000
    config.data.levels = 256
    config.model.encoder_channels = (64, 128, 256)
    config.model.decoder = "gated_pixelcnn"
    config.model.likelihood = "logistic_mixture"
    config.model.mixtures = 5
    config.model.channels = 32
    config.model.layers = 3
    config.optim.warmup = 0.01  # the mixture's first gradients are large
    config.train.steps = 50000
    config.train.checkpoint_every = 1000
    config.train.evaluate_every = 1000
    return config


def get_config() -> ConfigDict:
    config = base.of_content(plain(), VIEWS)
    config.model.input_standardised = True
    config.optim.reconstruction_rate = 1e-4  # at ten times that the digit was lost, at CPU scale (docs/trials.md)
    return config
