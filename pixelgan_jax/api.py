"""A trained model in Python: pg.load(workdir), then encode, classify, log_prob, sample, generate.

Letters: N images, H rows, W columns, C channels, K categories, d Gaussian dimensions, D = K + d code width.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pixelgan_jax.data.levels import quantise
from pixelgan_jax.data.randomness import Stream, example_keys, fold
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.measures import over_examples
from pixelgan_jax.methods.autoencoder import priors, sampling
from pixelgan_jax.methods.autoencoder.model import Model, encode, log_prob
from pixelgan_jax.methods.autoencoder.state import create
from pixelgan_jax.training import parallel
from pixelgan_jax.training.checkpoint import Checkpoints


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
        from pixelgan_jax.methods.autoencoder.model import build

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
        keys = example_keys(fold(jax.random.key(self._seed(seed)), Stream.EVALUATION), jnp.arange(len(images)))
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

    def sample(
        self,
        code: np.ndarray,
        seed: int = 0,
        method: str = "auto",
        temperature: float = 1.0,
        prefix: np.ndarray | None = None,
    ) -> np.ndarray:
        """x ~ p(x | z): uint8 [N, H, W, C] for codes [N, D].

        method: "cached", "fixed_point" and "oracle" draw the same images, the last slowly; "auto" takes the fastest.
        temperature: below 1 likelier pixels become likelier still. prefix: the images' beginnings, which are kept and
        completed: uint8, their first rows [N, R, W, C] or their first pixels in raster order [N, P, C].
        Raises ValueError for an argument of the wrong shape, type or range.
        """
        code = self._code(code)
        if method not in sampling.METHODS:
            raise ValueError(f"method: {method!r} is not allowed: must be one of {', '.join(sampling.METHODS)}")
        if not _is_number(temperature) or not 0 < temperature < np.inf:
            raise ValueError(f"temperature: {temperature!r} is not allowed: must be a finite number above 0")
        given, known = (None, None) if prefix is None else self._prefix(prefix, len(code))
        decoder = self.params["decoder"]
        images, _ = sampling.sample(
            self.model, decoder, code, self.mesh, self._seed(seed), method, temperature, given, known
        )
        return images

    def generate(self, count: int, seed: int = 0, method: str = "auto", temperature: float = 1.0) -> np.ndarray:
        """z ~ p(z), then x ~ p(x | z): uint8 [count, H, W, C]. ValueError for a count below 1, and as `sample`."""
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise ValueError(f"count: {count!r} is not allowed: must be an integer from 1")
        keys = example_keys(fold(jax.random.key(self._seed(seed)), Stream.SAMPLING, Stream.PRIOR), jnp.arange(count))
        return self.sample(np.asarray(priors.sample(self.config.prior, keys)), seed, method, temperature)

    def _over(self, function, arrays: tuple) -> np.ndarray:
        return over_examples(function, self.model, (self.params, self.stats), self.mesh, arrays)

    def _images(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.shape[1:] != self.shape:
            expected = "uint8 [N, {}, {}, {}]".format(*self.shape)
            raise ValueError(f"images: {images.dtype} {list(images.shape)} is not allowed: must be {expected}")
        return images

    def _prefix(self, prefix: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(images [N, H, W, C] that begin with the prefix, how many pixels of them it covers [N])."""
        height, width, channels = self.shape
        prefix = np.asarray(prefix)
        rows = prefix.shape[2:] == (width, channels)
        pixels = prefix.reshape(len(prefix), prefix.shape[1] * width, channels) if rows else prefix
        if prefix.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != channels:
            raise ValueError(
                f"prefix: {prefix.dtype} {list(prefix.shape)} is not allowed: must be rows uint8"
                f" [N, R, {width}, {channels}] or pixels uint8 [N, P, {channels}]"
            )
        if len(pixels) != count or pixels.shape[1] > height * width:
            raise ValueError(
                f"prefix: {len(pixels)} images of {pixels.shape[1]} pixels are not allowed: must be {count}, as the"
                f" codes, of at most {height * width}"
            )
        given = np.zeros((count, height * width, channels), np.uint8)
        given[:, : pixels.shape[1]] = pixels
        return given.reshape(count, *self.shape), np.full(count, pixels.shape[1], np.int32)

    def _seed(self, seed: int) -> int:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise ValueError(f"seed: {seed!r} is not allowed: must be an integer from 0 to {2**31 - 1}")
        return int(seed)

    def _code(self, code: np.ndarray) -> np.ndarray:
        code = np.asarray(code)
        if code.ndim != 2 or code.shape[1] != self.model.width or code.dtype.kind not in "fiub":
            expected = f"numbers [N, {self.model.width}]"
            raise ValueError(f"code: {code.dtype} {list(code.shape)} is not allowed: must be {expected}")
        if not np.all(np.isfinite(code)):
            raise ValueError("code: must be finite")
        return code.astype(np.float32)


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _soft_code(model: Model, params: dict, stats: dict, images, keys):
    posterior, _ = encode(model, params["encoder"], stats["encoder"], images, keys)
    return priors.soft_code(posterior, keys)


def _pixel_log_prob(model: Model, params: dict, stats: dict, images, code):
    return log_prob(model, params["decoder"], quantise(images, model.config.data.levels), code)


__all__ = ["TrainedModel", "load"]
