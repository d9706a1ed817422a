"""Semi-supervised digits (8×8), 100 labels: the main job."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.labels = 100
    config.data.levels = 17
    config.model.likelihood = "categorical"
    config.model.logits_batch_norm = 3.0  # batch-normalised, times this
    return config
