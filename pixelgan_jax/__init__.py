"""PixelGAN autoencoders (Makhzani & Frey, 2017) in JAX and Flax."""

from pixelgan_jax.api import TrainedModel, load

__version__ = "0.1.0"
__all__ = ["TrainedModel", "load"]
