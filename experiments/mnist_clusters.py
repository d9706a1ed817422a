"""Clustering of MNIST without labels: 30 clusters (Makhzani & Frey 2017, table 1)."""

from ml_collections import ConfigDict

from experiments import mnist


def get_config() -> ConfigDict:
    config = mnist.get_config()
    config.data.labels = 0
    config.prior.categories = 30
    return config
