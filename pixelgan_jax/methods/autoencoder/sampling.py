"""Drawing images from p(x | z): the cached sampler, the fixed-point one, and the slow oracle that both must equal.

All take their uniform draws from outside, so they differ in nothing but how the likelihood's parameters of a pixel are
computed. Letters: N images, H rows, W columns, C channels, D code width, S uniforms of a pixel. Pixels are numbered in
raster order, 0 to H·W - 1.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from pixelgan_jax.data.levels import quantise, scale, to_uint8
from pixelgan_jax.data.randomness import Stream, example_keys, fold, uniform
from pixelgan_jax.methods.autoencoder.model import Model, Params, seedless
from pixelgan_jax.methods.autoencoder.step import AXIS
from pixelgan_jax.nn.pixelcnn import at, put
from pixelgan_jax.training.parallel import compiler_options

Array = jax.Array

METHODS = ("auto", "cached", "fixed_point", "oracle")
CHUNK = 256  # images of one compiled call: bounds the memory of a large request


class Request(NamedTuple):
    """What to draw. code [N, D]; draws [N, H, W, S] uniforms; given int32 [N, H, W, C], of which the first `known` [N]
    pixels are kept; temperature []."""

    code: Array
    draws: Array
    given: Array
    known: Array
    temperature: Array


def pixel_uniforms(model: Model, seed: int | Array, index: Array) -> Array:
    """The uniforms of images number `index` [N] under `seed`: [N, H, W, S]."""
    keys = example_keys(fold(jax.random.key(seed), Stream.SAMPLING), index)
    return uniform(keys, Stream.PIXELS, (*model.shape[:2], model.likelihood.uniforms))


def cached(model: Model, params: Params, request: Request) -> tuple[Array, Array]:
    """Rows are scanned, and in each row its pixels; a pixel costs one pixel's work.

    Returns levels int32 [N, H, W, C] and the likelihood's parameters they were drawn from [N, H, W, P]. What the rows
    above and the code contribute is computed once per row for all its pixels; per pixel there are only matrix products
    with the few pixels to its left. Memory: the p last rows of every layer's input, p = side // 2.
    """
    (count, height, width, _), levels = request.given.shape, model.config.data.levels
    pad = model.config.model.first_kernel // 2

    def call(method: str, *arguments):
        return model.decoder.apply({"params": params}, *arguments, method=method)

    def one_row(cache, row):
        draws, given = at(request.draws, row), at(request.given, row)
        cache, context, line = call("row", cache, request.code, row)

        def one_pixel(state):
            column, line, drawn, used = state
            parameters, line = call("pixel", context, line, column)
            level = model.likelihood.sample(parameters, at(draws, column), request.temperature)
            level = jnp.where((row * width + column < request.known)[:, None], at(given, column), level)
            used, drawn = put(used, column, parameters), put(drawn, column, level)
            # XLA on CPU runs kernels without scheduling them, twice as fast, where each needs the one before. So the
            # level is read back from where it was written, and the count waits for the line, where nothing exceeds 1.
            line = [put(line[0], column + pad, scale(at(drawn, column), levels)), *line[1:]]
            waited = at(line[0], column + pad)[0, 0] > 2
            return column + 1 + waited.astype(column.dtype), line, drawn, used

        # unsigned: XLA need not look whether an index counts from the end
        state = jnp.uint32(0), line, jnp.zeros_like(given), jnp.zeros((count, width, model.likelihood.parameters))
        _, line, drawn, used = jax.lax.while_loop(lambda state: state[0] < width, one_pixel, state)
        return call("end_row", cache, line), (drawn, used)

    _, drawn = jax.lax.scan(one_row, call("start", count), jnp.arange(height, dtype=jnp.uint32))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), drawn)


def update(model: Model, params: Params, request: Request, drawn: Array, first: Array, last: Array) -> Array:
    """Draws the pixels `first` <= number < `last` anew, given the image `drawn` int32 [N, H, W, C] as it is; the
    others, and those that the request keeps, stay. One pass of the whole network."""
    _, height, width, _ = drawn.shape
    parameters = model.decoder.apply({"params": params}, scale(drawn, model.config.data.levels), request.code)
    anew = model.likelihood.sample(parameters, request.draws, request.temperature)
    number = jnp.arange(height * width).reshape(1, height, width, 1)
    known = request.known.reshape(-1, 1, 1, 1)
    return jnp.where((number >= jnp.maximum(first, known)) & (number < last), anew, drawn)


def iterated(model: Model, params: Params, request: Request, block: Array) -> tuple[Array, Array]:
    """The whole network again and again: (levels int32 [N, H, W, C], how many passes of it that took).

    Pixels are taken in blocks of `block`. A block is drawn, all its pixels at once, from the image as it is, until
    nothing changes: its first pixel is right after one pass, its second after two at the latest, so that `block` passes
    always do (Song et al. 2021, Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving). With
    block = 1 this is the oracle, the definition of sampling; with block = H·W it is the fixed-point (Jacobi) sampler;
    with whole rows, Gauss-Seidel over rows. All three are one compiled program and draw the same image exactly.
    """
    _, height, width, _ = request.given.shape
    number = jnp.arange(height * width).reshape(1, height, width, 1)
    blank = jnp.where(number < request.known.reshape(-1, 1, 1, 1), request.given, 0)

    def one_pass(state):
        drawn, first, tries, passes = state
        anew = update(model, params, request, drawn, first, first + block)
        done = jnp.all(anew == drawn) | (tries + 1 >= block)
        return anew, jnp.where(done, first + block, first), jnp.where(done, 0, tries + 1), passes + 1

    start = (blank, jnp.min(request.known), 0, 0)
    drawn, _, _, passes = jax.lax.while_loop(lambda state: state[1] < height * width, one_pass, start)
    return drawn, passes


def _deterministic(model: Model, params: Params, code: Array) -> Array:
    parameters = model.decoder.apply({"params": params}, jnp.zeros((code.shape[0], *model.shape)), code)
    return to_uint8(model.likelihood.mean(parameters), model.config.data.levels)


@cache
def _draw(model: Model, over: Mesh, scanned: bool) -> Callable[..., tuple[Array, Array]]:
    """A compiled function (params, given, rows, scalars) -> (uint8 images [N, H, W, C], in the place of `given`; passes
    of the network [devices]).

    rows: code, index and known of N images, which are split over the devices; scalars: seed, temperature and block.
    """

    def one_device(params, given, rows, scalars):
        (code, index, known), (seed, temperature, block) = rows, scalars
        passes = jnp.ones((), jnp.int32)
        if model.config.model.decoder == "deconv":
            return _deterministic(model, params, code), passes[None]
        levels = model.config.data.levels
        draws = pixel_uniforms(model, seed, index)
        request = Request(code, draws, quantise(given, levels), known, temperature)
        if scanned:
            drawn, _ = cached(model, params, request)
        else:
            drawn, passes = iterated(model, params, request, block)
        return to_uint8(drawn, levels), passes[None]

    specs = dict(in_specs=(P(), P(AXIS), P(AXIS), P()), out_specs=P(AXIS))
    mapped = jax.shard_map(one_device, mesh=over, check_vma=False, **specs)
    return jax.jit(mapped, donate_argnums=1, compiler_options=compiler_options())


def sample(
    model: Model,
    params: Params,
    code: np.ndarray,
    over: Mesh,
    seed: int = 0,
    method: str = "auto",
    temperature: float = 1.0,
    given: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """x ~ p(x | z) for codes [N, D]: (uint8 [N, H, W, C], passes of the network); `params` are the decoder's.

    Image i depends on seed, i and its code alone, whatever N is; of `given` uint8 [N, H, W, C] it keeps the first
    known[i] pixels. Large requests go in chunks, under a progress bar. Only the methods that run the whole network
    count its passes; the cached one does one pass's work. The adversarial autoencoder's deconvolutional decoder is
    deterministic: its image is the mean of its pixels' distributions, and the other arguments do not count.
    """
    count, (height, width, _) = code.shape[0], model.shape
    given = np.zeros((count, *model.shape), np.uint8) if given is None else given
    known = np.zeros(count, np.int32) if known is None else known
    images, passes = np.empty((count, *model.shape), np.uint8), 0
    devices = over.devices.size
    size = -(-min(CHUNK, max(count, 1)) // devices) * devices
    params = jax.device_put(params, NamedSharding(over, P()))
    scalars = (np.int32(seed), np.float32(temperature), np.int32(1 if method == "oracle" else height * width))
    with tqdm(total=count, unit="image", disable=True if count <= size else None) as bar:
        for start in range(0, count, size):
            index = np.minimum(np.arange(start, start + size), count - 1)  # the last chunk is filled up
            rows = (np.asarray(code[index], np.float32), index.astype(np.int32), known[index])
            begun, rows = jax.device_put((given[index], rows), NamedSharding(over, P(AXIS)))
            drawn, used = _draw(seedless(model), over, resolve(method) == "cached")(params, begun, rows, scalars)
            images[start : start + size] = np.asarray(drawn)[: count - start]
            passes += int(np.max(used))
            bar.update(min(size, count - start))
    kept = np.arange(height * width).reshape(height, width) < known.reshape(-1, 1, 1)
    return np.where(kept[..., None], given, images), passes


def resolve(method: str) -> str:
    """The method that "auto" stands for: the cached one.

    On two CPU cores it was the fastest at every batch from 1 to 256 and every shape of benchmarks/sampling.py
    (results/sampling.json): the fixed-point sampler needs fewer passes than there are pixels, but a whole network for
    each. On accelerators neither was measured, so there is no other rule yet.
    """
    return "cached" if method == "auto" else method
