"""Semi-supervised MNIST, 100 labels."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.name = "mnist"
    config.data.labels = 100
    config.data.validation = 10000
    config.model.first_kernel = 7
    # what ties the other images to the labelled ones: docs/recipe.md
    config.model.logits_batch_norm = 3.0
    config.model.input_translation = 2
    config.optim.consistency = 1.0
    config.train.steps = 20000
    config.train.checkpoint_every = 1000
    config.train.evaluate_every = 1000
    return config
