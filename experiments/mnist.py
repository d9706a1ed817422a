"""Semi-supervised MNIST, 100 labels."""

from ml_collections import ConfigDict

from experiments import base

# what leaves a digit that digit
VIEWS = {
    "input_translation": 2.0,
    "input_rotation": 15.0,
    "input_scaling": 0.15,
    "input_shear": 0.2,
    "input_thickness": 0.7,
}


def plain() -> ConfigDict:
    """The data and the sizes alone."""
    config = base.get_config()
    config.data.name = "mnist"
    config.data.labels = 100
    config.data.validation = 10000
    config.model.first_kernel = 7
    config.train.steps = 20000
    config.train.checkpoint_every = 1000
    config.train.evaluate_every = 1000
    return config


def get_config() -> ConfigDict:
    config = base.of_content(plain(), VIEWS)
    config.model.conditioning = "location_dependent"  # what is drawn of a class is then a digit, not strokes
    return config
