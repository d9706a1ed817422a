"""Every field of a method's configuration with its default; `--help` says what each means and what it may hold.

An experiment is this plus a few overrides; the difference is the experiment.
"""

from ml_collections import ConfigDict

from pixelgan_jax.config.convert import defaults
from pixelgan_jax.methods.registry import CONFIGS


def get_config(method: str = "autoencoder") -> ConfigDict:
    return ConfigDict(defaults(CONFIGS[method]) | {"method": {"name": method}})


def of_content(config: ConfigDict, views: dict[str, float]) -> ConfigDict:
    """Makes a categorical code one of content: what two views of an image share (docs/recipe.md). views: fields of
    `model`, how far a view may lie from its image and show the same thing."""
    config.model.update(views)
    config.model.logits_batch_norm = 3.0
    config.model.discriminator_draws = True
    config.optim.view_information = 10.0
    return config
