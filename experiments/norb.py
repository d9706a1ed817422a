"""Semi-supervised smallNORB at 32×32, 1,000 labels (200 for each of its five classes)."""

from ml_collections import ConfigDict

from experiments import svhn


def get_config() -> ConfigDict:
    config = svhn.plain()
    config.data.name = "smallnorb"
    config.data.labels = 1000
    config.data.validation = 2000
    config.prior.categories = 5
    return config
