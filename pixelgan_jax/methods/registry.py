"""The methods there are, by their name in the configuration (`method.name`)."""

import dataclasses
from functools import lru_cache

from pixelgan_jax.config import Config
from pixelgan_jax.methods.autoencoder import method as autoencoder
from pixelgan_jax.methods.method import DataSpec, Method

MAKERS = {"autoencoder": autoencoder.make}


def make(config: Config, data: DataSpec) -> Method:
    """The method that `config` asks for, on such data; the same object for arguments that differ in no more than seeds,
    so that replicates share compiled programs. Raises InputError naming the field that does not fit the data.

    A method does not know the seeds: they reach a program as arguments.
    """
    groups = {name: dataclasses.replace(getattr(config, name), seed=None) for name in ("data", "train")}
    return _make(dataclasses.replace(config, **groups), data)


@lru_cache(maxsize=16)
def _make(config: Config, data: DataSpec) -> Method:
    return MAKERS["autoencoder"](config, data)
