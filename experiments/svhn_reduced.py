"""A part of SVHN, 1,000 labels: the folder `svhn_reduced` of the working directory (docs/data.md)."""

from ml_collections import ConfigDict

from experiments import svhn


def get_config() -> ConfigDict:
    config = svhn.get_config()
    config.data.name = "svhn_reduced"
    config.data.validation = 1000
    return config
