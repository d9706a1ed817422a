"""Temporal Ensembling (Laine & Aila 2017) on SVHN, 1,000 labels: the paper's batch, rates and views, and its network
but for what pixelgan_jax/nn/classifier.py says."""

from ml_collections import ConfigDict

from experiments import base, svhn


def get_config() -> ConfigDict:
    config, data = base.get_config("temporal_ensembling"), svhn.get_config()
    config.data = data.data
    config.train = data.train
    config.train.batch_size = 100
    config.ensembling.standardised = True
    config.ensembling.blocks = (128, 256)
    config.ensembling.convolutions = 3
    config.ensembling.head = (512, 256, 128)
    return config
