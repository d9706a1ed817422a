"""Training and a trained model in Python: pg.train(config, workdir) or pg.load(workdir), then encode, classify,
log_prob, sample, generate.

Shapes: N images, H rows, W columns, C channels, K categories, d continuous dimensions, D = K + d code width.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from pixelgan_jax.commands import modes, run
from pixelgan_jax.config import SAMPLERS, Config, to_dict
from pixelgan_jax.config.fields import refused
from pixelgan_jax.data.levels import quantise
from pixelgan_jax.data.sources import scale_pixels
from pixelgan_jax.evaluation import measures, predictions, trained
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import Method
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training.workdir import own_path


def load(workdir: str | Path, step: int | str | None = None) -> "TrainedModel":
    """The newest good checkpoint of a workdir, with its averaged parameters, or a model that `--mode export` wrote: the
    folder, or a .zip of it.

    step: that of another checkpoint of the workdir (the newest three and the best on validation are kept), or "best".
    Raises InputError (a ValueError) where there is none, or it is damaged, and OSError where files or memory cannot be
    had just now.
    """
    return TrainedModel(trained.load(own_path("workdir", workdir), step))


def train(config: Config | ConfigDict, workdir: str | Path, experiment: str = "python") -> "TrainedModel":
    """What `--mode train` does, from Python: trains in the workdir, going on from what it holds, evaluates, writes the
    report, and returns the trained model.

    config: an experiment's ConfigDict, or a Config. experiment: the name that the workdir keeps; another run there must
    have it too. In a thread Ctrl-C is the main thread's. Raises InputError (a ValueError) for what the command line
    refuses, loop.Diverged where a loss is not finite, and signals.Interrupted after saving on a signal.
    """
    folder = own_path("workdir", workdir)
    typed = from_dict(to_dict(config) if isinstance(config, Config) else config)
    if typed.train.replicates != 1:
        raise refused("train.replicates", typed.train.replicates, "1 here: train one seed after another")
    modes.execute("train", run.start(experiment, typed, folder))
    return load(folder)


class TrainedModel:
    """A model with its parameters. Images are uint8 [N, H, W, C]; of grey ones [N, H, W] too, and a single image stands
    for N = 1. They are scaled as the training images were. Every draw follows from `seed` and the index."""

    def __init__(self, model: Trained):
        self._trained, self._method = model, model.method

    @property
    def config(self) -> Config:
        """The frozen configuration it was trained with."""
        return self._trained.config

    @property
    def shape(self) -> tuple[int, int, int]:
        """An image's (H, W, C)."""
        return self._method.shape

    @property
    def step(self) -> int:
        """How many steps it was trained."""
        return self._trained.step

    def encode(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """f(x, n): float32 [N, K] probabilities, [N, d] codes, or both side by side; without a code [N, 0].

        A Gaussian or noise-fed encoder draws its code with `seed`. Raises ValueError for other images than uint8
        [N, H, W, C], for a seed that is none, and where the method has no encoder.
        """
        self._require("encode")
        images, width = self._images(images), self._method.code.width
        if not len(images) or not width:
            return np.zeros((len(images), width), np.float32)
        keys = trained.evaluation_keys(self._seed(seed), len(images))
        return trained.rows(self._trained, self._method.encode, (images, keys))

    def classify(self, images: np.ndarray) -> np.ndarray:
        """The most probable class of each image uint8 [N, H, W, C], [N]: as the data's labels count them, int32, or by
        the names of its folders, text.

        Raises ValueError for other images, and unless trained with labels.
        """
        if not self.config.data.labels:
            raise ValueError("classify: the model was trained without labels (data.labels = 0); see encode")
        images = self._images(images)
        if not len(images):
            return self._class_values(self._method.code.categories)[:0]
        keys = trained.evaluation_keys(0, len(images))
        log_q = trained.rows(self._trained, self._method.infer, (images, keys))["log_probabilities"]
        return self._class_values(log_q.shape[1])[log_q.argmax(axis=1)]

    def _class_values(self, count: int) -> np.ndarray:
        """What each class is called, [K]."""
        return _values(self._trained.names or tuple(str(number) for number in range(count)))

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What `--mode predict` writes of images, as far as the method can say it.

        "class" [N], as of `classify`, or "cluster" int32 [N] and "cluster_class" [N], the class that it is named after,
        where the data had labels; its "probability" [N]; "code" [N, D], as of `encode`; "log_prob_nats" [N],
        log p(x | z) of a draw z of q(z | x); "negative_elbo_nats" and "bits_per_dim" [N], whose means are what
        results.json has of a split. Raises ValueError for other than uint8 [N, H, W, C], N at least 1.
        """
        images = self._images(images)
        if not len(images):
            raise ValueError("images: must be at least one")
        found = predictions.predict(self._trained, images)
        category = found.pop("category", None)
        if category is None:
            return found
        if not self.config.data.labels:
            named = self._trained.cluster_classes
            return {"cluster": category} | ({"cluster_class": _values(named)[category]} if named else {}) | found
        return {"class": self._class_values(int(category.max()) + 1)[category]} | found

    def log_prob(self, images: np.ndarray, code: np.ndarray) -> np.ndarray:
        """log p(pixel | earlier pixels, z), nats, float32 [N, H, W]; its sum over H, W is log p(x | z).

        Images are quantised to the model's levels, x -> round(x / 255 · (L - 1)); `predict` and results.json take
        draws of black and white pixels where it was trained on these (data.binarisation), and of the code. Raises
        ValueError for wrong shapes, and where the method has no likelihood.
        """
        self._require("log_prob")
        images, code = self._images(images), self._code(code)
        if len(images) != len(code):
            raise ValueError(f"code: {len(code)} rows for {len(images)} images; must be as many")
        if not len(images):
            return np.zeros((0, *self.shape[:2]), np.float32)
        batch = measures.decoded_at_once(self._method, trained.MAPPED)
        return trained.rows(self._trained, _pixel_log_prob(self._method), (images, code), batch)

    def sample(
        self,
        code: np.ndarray,
        seed: int = 0,
        method: str = "auto",
        temperature: float = 1.0,
        prefix: np.ndarray | None = None,
    ) -> np.ndarray:
        """x ~ p(x | z): uint8 [N, H, W, C] for codes [N, D].

        method: "cached", "fixed_point" and "oracle" draw the same images, the last slowly; "auto" takes "cached".
        temperature: below 1 likelier pixels become likelier still; where all pixels are drawn at once (deconvolutional
        decoders, CatGAN, InfoGAN) it does nothing. prefix: the images' beginnings, which are kept and completed: uint8,
        their first rows [N, R, W, C] or their first pixels in raster order [N, P, C]. Where data.scale is not 1, images
        that are given are scaled, and those that are drawn are so already.
        Raises ValueError for an argument of the wrong shape, type or range, for a prefix where the decoder draws all
        pixels at once (the adversarial autoencoder's), and where the method draws no images.
        """
        self._require("draw", "sample")
        code = self._code(code)
        if method not in SAMPLERS:
            raise ValueError(f"method: {method!r} is not allowed: must be one of {', '.join(SAMPLERS)}")
        if not _is_number(temperature) or not 0 < temperature < np.inf:
            raise ValueError(f"temperature: {temperature!r} is not allowed: must be a finite number above 0")
        if prefix is not None and not self._method.completes:
            raise ValueError("prefix: is not allowed: this decoder draws all pixels at once and completes none")
        given, known = (None, None) if prefix is None else self._prefix(prefix, len(code))
        return trained.draw(self._trained, code, self._seed(seed), method, float(temperature), given, known)

    def generate(self, count: int, seed: int = 0, method: str = "auto", temperature: float = 1.0) -> np.ndarray:
        """z ~ p(z), then x ~ p(x | z): uint8 [count, H, W, C]. ValueError for a count below 1, and as `sample`."""
        self._require("prior", "generate")
        if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
            raise ValueError(f"count: {count!r} is not allowed: must be an integer from 1")
        return self.sample(trained.prior_codes(self._trained, self._seed(seed), int(count)), seed, method, temperature)

    def _require(self, function: str, asked: str | None = None) -> None:
        if getattr(self._method, function) is None:
            raise ValueError(f"{asked or function}: the method {self._method.name!r} cannot do this as it was trained")

    def _images(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.shape in (self.shape, self.shape[: 2 if self.shape[2] == 1 else 3]):
            images = images.reshape(1, *self.shape)
        elif images.shape[1:] == self.shape[:2] and self.shape[2] == 1:
            images = images[..., None]
        if images.dtype != np.uint8 or images.shape[1:] != self.shape:
            expected = "uint8 [N, {}, {}, {}]".format(*self.shape)
            raise ValueError(f"images: {images.dtype} {list(images.shape)} is not allowed: must be {expected}")
        return scale_pixels(images, self.config.data.scale)

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
        given[:, : pixels.shape[1]] = scale_pixels(pixels, self.config.data.scale)
        return given.reshape(count, *self.shape), np.full(count, pixels.shape[1], np.int32)

    def _seed(self, seed: int) -> int:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**31:
            raise ValueError(f"seed: {seed!r} is not allowed: must be an integer from 0 to {2**31 - 1}")
        return int(seed)

    def _code(self, code: np.ndarray) -> np.ndarray:
        code = np.asarray(code)
        if code.ndim != 2 or code.shape[1] != self._method.code.width or code.dtype.kind not in "fiub":
            expected = f"numbers [N, {self._method.code.width}]"
            raise ValueError(f"code: {code.dtype} {list(code.shape)} is not allowed: must be {expected}")
        with np.errstate(over="ignore"):  # beyond float32 is infinite
            code = code.astype(np.float32)
        if not np.all(np.isfinite(code)):
            raise ValueError("code: must be finite, as float32")
        return code


def _values(names: tuple[str, ...]) -> np.ndarray:
    """int32 [K] where all are numbers written as such, else text [K]: a folder 07 is not called 7."""
    written = re.compile(r"0|[1-9][0-9]{0,9}")
    counted = all(written.fullmatch(name) and int(name) < 2**31 for name in names)
    return np.array(names, np.int32 if counted else None)


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


@cache
def _pixel_log_prob(method: Method):
    """(variables, images, code) -> log p(pixel | earlier pixels, z), nats [N, H, W]."""

    def pixel_log_prob(variables, images, code):
        return method.log_prob(variables, quantise(images, method.levels), code)

    return pixel_log_prob


__all__ = ["TrainedModel", "load", "train"]
