"""Clustering of digits (8×8) without labels: 20 clusters."""

from ml_collections import ConfigDict

from experiments import base


def get_config() -> ConfigDict:
    config = base.get_config()
    config.data.levels = 17
    config.prior.categories = 20
    config.model.likelihood = "logistic_mixture"
    config.model.mixtures = 3
    config.model.logits_batch_norm = 3.0  # plain logits let clusters empty
    return config
