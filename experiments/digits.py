"""Semi-supervised digits (8×8), 100 labels: the main job."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.labels = 100
    config.train.steps = 1000
    return config
