"""The seam between a system and the rest of the package: all that training, evaluation and reports know of it.

`registry.make` gives a method for a configuration without its seeds and for what the data are. Equal arguments give the
same object, so that programs compiled for its functions are shared. All functions are pure. The step is that of one
device and averages over the axis `AXIS`; the functions of N examples give rows that depend on their own example alone.

Shapes: B images of a device's part of the mini-batch, N images, H rows, W columns, C channels; a code has K categories,
then d continuous entries, D = K + d. Images are uint8 0-255; keys are one an example, [N].
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.struct
import jax
import numpy as np

AXIS = "data"
Array = jax.Array
State = Any  # a pytree with `step` []: whatever a run has to remember from one step to the next
Variables = Any  # a pytree: the averaged parameters and statistics that evaluation uses
Metrics = dict[str, Array]  # scalars


class DataSpec(NamedTuple):
    """What a method is told of its data: an image's (H, W, C); how many classes, training images and labels among them
    there are, the last two 0 where a checkpoint of an earlier version does not tell."""

    shape: tuple[int, int, int]
    classes: int
    images: int = 0
    labels: int = 0


@flax.struct.dataclass
class Examples:
    """What steps take from, on each device: training images uint8 [M, H, W·C], since a TPU would lay out all of them
    anew before it cuts mini-batches from [M, H, W, C], and their `shape` (H, W, C); which of them have labels, int32
    [L], and those labels, int32 [L]; the seed int32 [] that every draw follows from."""

    rows: Array
    labelled: Array
    labels: Array
    seed: Array
    shape: tuple[int, int, int] = flax.struct.field(pytree_node=False)

    @classmethod
    def of(cls, images: Array, labelled: Array, labels: Array, seed: Array) -> "Examples":
        """Those of images uint8 [M, H, W, C]."""
        return cls(images.reshape(*images.shape[:2], -1), labelled, labels, seed, images.shape[1:])

    def images(self, index: Array) -> Array:
        """The images of the indices [B], uint8 [B, H, W, C]."""
        return self.rows[index].reshape(len(index), *self.shape)


class Batch(NamedTuple):
    """Which examples a step takes: indices int32 [B] into the images and [B] into the labelled ones."""

    index: Array
    labelled_index: Array


class Phase(NamedTuple):
    """A part of a step. metrics: first what is shown as its loss (of CatGAN an entropy), then others; steadied_by:
    fields of which lower values keep it finite."""

    name: str
    metrics: tuple[str, ...]
    steadied_by: tuple[str, ...]


class Code(NamedTuple):
    """What images are drawn from. categories: K, of a one-hot class or cluster. dimensions: d, of the continuous part.
    matched: whether training holds the code to its prior, `shares` of the categories and N(0, 1) for each dimension.
    frequencies: the categories' under the prior, in any unit; (): all alike."""

    categories: int
    dimensions: int
    matched: bool
    frequencies: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        return self.categories + self.dimensions  # D

    @property
    def shares(self) -> np.ndarray:
        """p(category) under the prior, float64 [K]."""
        frequencies = np.asarray(self.frequencies or (1.0,) * self.categories, np.float64)
        return frequencies / frequencies.sum()


class Method(NamedTuple):
    """One system for images of one shape. A function that is None is something that it cannot do."""

    name: str  # config.method.name
    shape: tuple[int, int, int]  # an image's (H, W, C)
    levels: int  # grey levels of the images that it draws
    code: Code
    phases: tuple[Phase, ...]  # in the order of a step
    summary: str  # what a run's first line says of it, such as a receptive field; may be empty
    init: Callable[[Array], State]  # of a seed []
    step: Callable[[State, Examples, Batch], tuple[State, Metrics]]  # of one device
    averaged: Callable[[State], Variables]
    # (variables, images, keys) -> rows: "log_probabilities", log q(class or cluster | x) in nats, of width 0 without
    # either; "code" [N, D], a draw of q(z | x); whatever `information` reads besides
    infer: Callable[[Variables, Array, Array], dict[str, Array]]
    # those rows -> KL(q(z | x) ‖ p(z)) of each, nats [N]
    kl_to_prior: Callable[[dict[str, Any]], np.ndarray] | None = None
    # those rows -> further metrics of results.json, in nats (evaluation/metrics.py)
    information: Callable[[dict[str, Any]], dict[str, float]] | None = None
    # (those rows, keys, draws) -> how many pairs of codes z [N, D] and nats w [N] there are, and these: -log of the
    # mean over the pairs of p(x | z) exp(w) is in expectation at least -log p(x)
    proposals: Callable[[dict[str, Any], Array, int], tuple[int, Iterator[tuple[np.ndarray, np.ndarray]]]] | None = None
    # (variables, images, keys) -> f(x, n), the code that training passes on, [N, D]
    encode: Callable[[Variables, Array, Array], Array] | None = None
    # (images, keys) -> the levels int32 [N, H, W, C] that the likelihood models
    targets: Callable[[Array, Array], Array] | None = None
    # (variables, levels [N, H, W, C], code [N, D]) -> log p(pixel | earlier pixels, z), nats [N, H, W]
    log_prob: Callable[[Variables, Array, Array], Array] | None = None
    prior: Callable[[Array], Array] | None = None  # keys -> z ~ p(z), [N, D]
    # (sampler, temperature) -> (a function (variables, options, code [N, D], keys, given uint8 [N, H, W, C], known [N])
    # -> images uint8 [N, H, W, C]; its options, traced, so that another temperature is not compiled anew). Where the
    # method `completes` images it keeps `given`'s first `known` pixels
    draw: Callable[[str, float], tuple[Callable[..., Array], Any]] | None = None
    completes: bool = False
