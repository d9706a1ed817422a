"""PixelGAN autoencoders (Makhzani & Frey, 2017) in JAX and Flax."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixelgan_jax.api import TrainedModel, load, train

__version__ = "0.1.0"
__all__ = ["TrainedModel", "load", "train"]


def __getattr__(name: str) -> Any:
    # On first use: the command line has to answer a Ctrl-C before JAX is imported, which takes seconds.
    if name in __all__:
        from pixelgan_jax import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
