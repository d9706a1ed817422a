"""Every field of a method's configuration with its default; `--help` says what each means and what it may hold.

An experiment is this plus a few overrides; the difference is the experiment.
"""

from ml_collections import ConfigDict

from pixelgan_jax.config.convert import defaults
from pixelgan_jax.methods.registry import CONFIGS


def get_config(method: str = "autoencoder") -> ConfigDict:
    return ConfigDict(defaults(CONFIGS[method]) | {"method": {"name": method}})
