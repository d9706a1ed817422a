"""Temporal Ensembling (Laine & Aila 2017) on a part of SVHN, with the views of `svhn_reduced`."""

from ml_collections import ConfigDict

from experiments import svhn, svhn_reduced, svhn_temporal_ensembling


def get_config() -> ConfigDict:
    config = svhn_temporal_ensembling.get_config()
    config.data = svhn_reduced.get_config().data
    config.ensembling.update({name.removeprefix("input_"): most for name, most in svhn.VIEWS.items()})
    return config
