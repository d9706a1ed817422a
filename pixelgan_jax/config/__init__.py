"""Typed, frozen configurations: every field with its default, what it may hold and what it means."""

from pixelgan_jax.config.convert import first_difference, to_dict
from pixelgan_jax.config.schema import SAMPLERS, Config, Data, Method, Sample, Train

__all__ = ["SAMPLERS", "Config", "Data", "Method", "Sample", "Train", "first_difference", "to_dict"]
