"""A trained model in Python: pg.load(workdir), then encode, classify, log_prob, sample, generate.

Letters: N images, H rows, W columns, C channels, K categories, d Gaussian dimensions, D = K + d code width.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pixelgan_jax import parallel, sampling
from pixelgan_jax import prior as priors
from pixelgan_jax.checkpoint import Checkpoints
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import over_examples
from pixelgan_jax.levels import quantise
from pixelgan_jax.model import Model, encode, log_prob
from pixelgan_jax.randomness import Stream, example_keys, fold
from pixelgan_jax.state import create


def load(workdir: str | Path) -> "TrainedModel":
    """The newest good checkpoint of a workdir, with its averaged parameters.

    Raises InputError (a ValueError) where the folder holds none.
    """
    workdir = Path(workdir)
    if not (workdir / "checkpoints").is_dir():
        raise InputError(f"{workdir}: holds no checkpoints; must be the workdir of a training run")
    mesh = parallel.mesh()
    models: list[Model] = []

    def target(meta):
        from pixelgan_jax.model import build

        models.append(build(meta.config, meta.shape))
        return parallel.replicate(create(models[-1]), mesh)

    with Checkpoints(workdir, read_only=True) as checkpoints:
        found = checkpoints.newest_good(target)
    if found is None:
        raise InputError(f"{workdir}: holds no checkpoint; must be the workdir of a training run")
    state, _ = found
    return TrainedModel(models[-1], state.ema, state.ema_stats, mesh, int(state.step))


class TrainedModel:
    """A model with its parameters. Images are uint8 [N, H, W, C]; every draw follows from `seed` and the index."""

    def __init__(self, model: Model, params: dict, stats: dict, mesh: Mesh, step: int):
        self.model, self.params, self.stats, self.mesh, self.step = model, params, stats, mesh, step

    @property
    def config(self):
        """The frozen configuration it was trained with."""
        return self.model.config

    @property
    def shape(self) -> tuple[int, int, int]:
        """An image's (H, W, C)."""
        return self.model.shape

    def encode(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """f(x, n): float32 [N, K] probabilities, [N, d] codes, or both side by side; without a code [N, 0].

        A Gaussian or noise-fed encoder draws its code with `seed`. Raises ValueError for other than uint8
        [N, H, W, C].
        """
        images = self._images(images)
        if not len(images) or not self.model.width:
            return np.zeros((len(images), self.model.width), np.float32)
        keys = example_keys(fold(jax.random.key(seed), Stream.EVALUATION), jnp.arange(len(images)))
        return self._over(_soft_code, (images, keys))

    def classify(self, images: np.ndarray) -> np.ndarray:
        """The most probable class of each image, int32 [N]. Raises ValueError unless trained with labels."""
        if not self.config.data.labels:
            raise ValueError("classify: the model was trained without labels (data.labels = 0); see encode")
        return self.encode(images)[:, : self.config.prior.categories].argmax(axis=1).astype(np.int32)

    def log_prob(self, images: np.ndarray, code: np.ndarray) -> np.ndarray:
        """log p(pixel | earlier pixels, z), nats, float32 [N, H, W]; its sum over H, W is log p(x | z).

        Images are quantised to the model's levels, x -> round(x / 255 · (L - 1)). Raises ValueError for wrong shapes.
        """
        images, code = self._images(images), self._code(code)
        if len(images) != len(code):
            raise ValueError(f"code: {len(code)} rows for {len(images)} images; must be as many")
        if not len(images):
            return np.zeros((0, *self.shape[:2]), np.float32)
        return self._over(_pixel_log_prob, (images, code))

    def sample(self, code: np.ndarray, seed: int = 0, method: str = "cached") -> np.ndarray:
        """x ~ p(x | z): uint8 [N, H, W, C] for codes [N, D]. method "oracle" runs the whole network for every pixel
        and draws the same images, slowly. Raises ValueError for a code of another width or an unknown method."""
        if method not in sampling.METHODS:
            raise ValueError(f"method: {method!r} is not allowed: must be one of {', '.join(sampling.METHODS)}")
        return sampling.sample(self.model, self.params["decoder"], self._code(code), seed, method)

    def generate(self, count: int, seed: int = 0) -> np.ndarray:
        """z ~ p(z), then x ~ p(x | z): uint8 [count, H, W, C]. Raises ValueError for a count below 1."""
        if not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"count: {count!r} is not allowed: must be an integer from 1")
        keys = example_keys(fold(jax.random.key(seed), Stream.SAMPLING, Stream.PRIOR), jnp.arange(count))
        return self.sample(np.asarray(priors.sample(self.config.prior, keys)), seed)

    def _over(self, function, arrays: tuple) -> np.ndarray:
        return over_examples(function, self.model, (self.params, self.stats), self.mesh, arrays)

    def _images(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.shape[1:] != self.shape:
            expected = "uint8 [N, {}, {}, {}]".format(*self.shape)
            raise ValueError(f"images: {images.dtype} {list(images.shape)} is not allowed: must be {expected}")
        return images

    def _code(self, code: np.ndarray) -> np.ndarray:
        code = np.asarray(code)
        if code.ndim != 2 or code.shape[1] != self.model.width or code.dtype.kind not in "fiub":
            expected = f"numbers [N, {self.model.width}]"
            raise ValueError(f"code: {code.dtype} {list(code.shape)} is not allowed: must be {expected}")
        if not np.all(np.isfinite(code)):
            raise ValueError("code: must be finite")
        return code.astype(np.float32)


def _soft_code(model: Model, params: dict, stats: dict, images, keys):
    posterior, _ = encode(model, params["encoder"], stats["encoder"], images, keys)
    return priors.soft_code(posterior, keys)


def _pixel_log_prob(model: Model, params: dict, stats: dict, images, code):
    return log_prob(model, params["decoder"], quantise(images, model.config.data.levels), code)


__all__ = ["TrainedModel", "load"]
