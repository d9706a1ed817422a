"""The methods there are, by their name in the configuration (`method.name`)."""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from pixelgan_jax.config import Config, convert
from pixelgan_jax.methods import catgan, infogan, temporal_ensembling
from pixelgan_jax.methods.autoencoder import method as autoencoder
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig
from pixelgan_jax.methods.method import DataSpec, Method


class Entry(NamedTuple):
    """A method's configuration, and what makes the method of one and of its data."""

    config: type[Config]
    make: Callable[[Any, DataSpec], Method]


METHODS = {
    "autoencoder": Entry(AutoencoderConfig, autoencoder.make),
    "catgan": Entry(catgan.CatGANConfig, catgan.make),
    "infogan": Entry(infogan.InfoGANConfig, infogan.make),
    "temporal_ensembling": Entry(temporal_ensembling.EnsemblingConfig, temporal_ensembling.make),
}
CONFIGS = {name: entry.config for name, entry in METHODS.items()}


def from_dict(values: Any) -> Config:
    """The typed configuration of a ConfigDict or nested dict. Raises InputError naming the field that is wrong."""
    return convert.from_dict(values, CONFIGS)


def from_saved(values: Any) -> Config:
    """The same of one that this or an earlier version saved."""
    return convert.from_saved(values, CONFIGS)


def make(config: Config, data: DataSpec) -> Method:
    """The method that `config` asks for, on such data; the same object for arguments that differ in no more than seeds,
    so that replicates share compiled programs. Raises InputError naming the field that does not fit the data.

    A method does not know the seeds: they reach a program as arguments.
    """
    seedless = {name: dataclasses.replace(getattr(config, name), seed=None) for name in ("data", "train")}
    return _make(dataclasses.replace(config, **seedless), data)


@lru_cache(maxsize=16)
def _make(config: Config, data: DataSpec) -> Method:
    return METHODS[config.method.name].make(config, data)
