"""A method with averaged parameters, applied to any number of images in bounded memory.

Shapes: N images, H rows, W columns, C channels, D code width.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from pixelgan_jax.config import Config
from pixelgan_jax.data.randomness import Stream, seeded_keys
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec, Method, State, Variables
from pixelgan_jax.training import exported, parallel
from pixelgan_jax.training.checkpoint import newest
from pixelgan_jax.training.description import Meta
from pixelgan_jax.training.workdir import results_of

Array = jax.Array

MAPPED = 500  # images of one compiled call
MAPPED_PIXELS = 2 << 20  # of all of them
DRAWN = 256  # images drawn in one compiled call


class Trained(NamedTuple):
    """A method, the variables it learnt, and the configuration it was trained with, after `step` steps; what is asked
    of it is shared by the devices of `mesh`. names: of the data's classes, () where it has none. cluster_classes: the
    class that each cluster is named after, () where none is known."""

    config: Config
    method: Method
    variables: Variables
    mesh: Mesh
    step: int
    names: tuple[str, ...] = ()
    cluster_classes: tuple[str, ...] = ()


def of_state(config: Config, method: Method, state: State, mesh: Mesh, names: tuple[str, ...] = ()) -> Trained:
    """What a training run has come to."""
    return Trained(config, method, method.averaged(state), mesh, int(state.step), names)


def load(folder: Path, step: int | str | None = None) -> Trained:
    """A checkpoint of a workdir, as `load_workdir`, or an exported model, of one step: a folder, or a .zip of one.
    Raises InputError where it is neither, or damaged, and OSError where files or memory cannot be had just now."""
    if exported.is_one(folder):
        mesh = parallel.make_mesh()
        variables, meta = exported.read(folder, lambda meta: _variables(meta, mesh))
        method = registry.make(meta.config, meta.data)
        if step not in (None, meta.step):
            raise InputError(f"step {step}: {folder} is an exported model, of step {meta.step} alone")
        return Trained(meta.config, method, variables, mesh, meta.step, meta.names, meta.cluster_classes)
    return load_workdir(folder, step)[0]


def load_workdir(workdir: Path, step: int | str | None = None) -> tuple[Trained, DataSpec]:
    """A checkpoint of a workdir, and what its method was told of the data: the newest good one, or that of `step`,
    which may be BEST, for the best on validation of those that are kept. Raises InputError where the folder holds none
    such."""
    mesh = parallel.make_mesh()

    def method_of(meta: Meta) -> Method:
        return registry.make(meta.config, meta.data)

    state, meta = newest(workdir, lambda meta: initial(method_of(meta), meta.config, mesh), step)
    model = of_state(meta.config, method_of(meta), state, mesh, meta.names)
    return model._replace(cluster_classes=cluster_classes(workdir, model.step)), meta.data


def _variables(meta: exported.ExportMeta, mesh: Mesh) -> Any:
    """The averaged variables of a method, by shape and type alone."""
    method = registry.make(meta.config, meta.data)
    return jax.eval_shape(lambda: method.averaged(initial(method, meta.config, mesh)))


def cluster_classes(workdir: Path, step: int) -> tuple[str, ...]:
    """The classes that clusters are named after, of the workdir's results, where these are of this step."""
    results = results_of(workdir)
    names = results.get("cluster_classes")
    told = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if told and results.get("step") == step else ()


def initial(method: Method, config: Config, mesh: Mesh) -> State:
    """The state before the first step, on every device."""
    return parallel.replicate(method.init(config.train.seed), mesh)


def evaluation_keys(seed: int, count: int, start: int = 0) -> Array:
    """A key for each of N examples, [N or a few more], of a split or a request; of those from number `start` on."""
    return seeded_keys(seed, (Stream.EVALUATION,), count, start)


def rows(trained: Trained, function, arrays: tuple, batch: int = MAPPED) -> Any:
    """function(variables, *arrays) of the method, for all rows of the arrays, as NumPy arrays: at most `batch` in one
    call, fewer where images are large."""
    height, width, _ = trained.method.shape
    batch = max(1, min(batch, MAPPED_PIXELS // (height * width)))
    return parallel.map_examples(function, (trained.variables,), arrays, trained.mesh, batch)


def prior_codes(trained: Trained, seed: int, count: int) -> np.ndarray:
    """z ~ p(z), float32 [N, D]: code i depends on the seed and i alone."""
    return np.array(trained.method.prior(seeded_keys(seed, (Stream.SAMPLING, Stream.PRIOR), count)))[:count]


def draw(
    trained: Trained,
    code: np.ndarray,
    seed: int,
    sampler: str = "auto",
    temperature: float = 1.0,
    given: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """x ~ p(x | z) for codes [N, D]: uint8 [N, H, W, C].

    Image i depends on the seed, i and its code alone, whatever N is; of `given` uint8 [N, H, W, C] it keeps the first
    known[i] pixels, by a method that `completes` images. Large requests go in chunks, under a progress bar. All
    samplers draw the same images.
    """
    count, shape = len(code), trained.method.shape
    given = np.zeros((count, *shape), np.uint8) if given is None else given
    known = np.zeros(count, np.int32) if known is None else known
    if not count:
        return given
    keys = seeded_keys(seed, (Stream.SAMPLING,), count)
    function, options = trained.method.draw(sampler, temperature)
    arrays = (np.asarray(code, np.float32), keys, given, known)
    shared = (trained.variables, options)
    images = parallel.map_examples(function, shared, arrays, trained.mesh, DRAWN, unit="image")
    kept = np.arange(shape[0] * shape[1]).reshape(shape[:2]) < known.reshape(-1, 1, 1)
    return np.where(kept[..., None], given, images)
