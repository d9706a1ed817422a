"""Clustering of MNIST without labels: 30 clusters (Makhzani & Frey 2017, table 1)."""

from ml_collections import ConfigDict

from experiments import mnist


def get_config() -> ConfigDict:
    config = mnist.get_config()
    config.data.labels = 0
    config.prior.categories = 30
    config.model.first_kernel = 5
    config.model.layers = 1  # enough to find clusters, and faster than a deep decoder
    return config
