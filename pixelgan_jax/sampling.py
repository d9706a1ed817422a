"""Drawing images from p(x | z): the cached sampler, and the slow oracle that it must equal sample for sample.

Both are one compiled program and both take their uniform draws from outside, so they differ in nothing but how the
likelihood's parameters of a pixel are computed. Letters: N images, H rows, W columns, C channels, D code width,
S uniforms and P parameters of a pixel.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pixelgan_jax.levels import scale, to_uint8
from pixelgan_jax.model import Model, Params
from pixelgan_jax.randomness import Stream, example_keys, fold, uniform

Array = jax.Array

METHODS = ("cached", "oracle")
CHUNK = 256  # images of one compiled call: bounds the memory of a large request


def pixel_uniforms(model: Model, seed: int, index: Array) -> Array:
    """The uniforms of images number `index` [N] under `seed`: [N, H, W, S]."""
    keys = example_keys(fold(jax.random.key(seed), Stream.SAMPLING), index)
    return uniform(keys, Stream.PIXELS, (*model.shape[:2], model.likelihood.uniforms))


def cached(model: Model, params: Params, code: Array, draws: Array) -> tuple[Array, Array]:
    """Rows are scanned, and in each row its pixels; a pixel costs one pixel's work.

    What the rows above and the code contribute is computed once per row for all its pixels; per pixel there are only
    matrix products with the few pixels to its left. Memory: the p last rows of every layer's input, p = side // 2.

    code [N, D], draws [N, H, W, S] -> levels int32 [N, H, W, C] and the parameters they were drawn from
    [N, H, W, P].
    """
    count, (height, width, _) = code.shape[0], model.shape
    levels = model.config.data.levels

    def call(method: str, *arguments):
        return model.decoder.apply({"params": params}, *arguments, method=method)

    def columns_first(tree):
        return jax.tree.map(lambda x: jnp.swapaxes(jnp.broadcast_to(x, (count, width, x.shape[2])), 0, 1), tree)

    def one_pixel(registers, given):
        context, draw = given
        parameters, registers, inputs = call("pixel", context, registers)
        drawn = model.likelihood.sample(parameters, draw)
        seen = scale(drawn, levels).astype(registers[0].dtype)
        first = jnp.concatenate([registers[0][:, 1:], seen[:, None]], axis=1)
        return [first, *registers[1:]], (drawn, parameters, inputs)

    def one_row(cache, given):
        row, draw = given
        cache, context = call("row", cache, row)
        registers = call("registers", count)
        pixels = (columns_first(context), jnp.swapaxes(draw, 0, 1))
        _, (drawn, parameters, inputs) = jax.lax.scan(one_pixel, registers, pixels)
        drawn, parameters, inputs = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (drawn, parameters, inputs))
        return call("end_row", cache, scale(drawn, levels), inputs), (drawn, parameters)

    rows = (jnp.arange(height), jnp.swapaxes(draws, 0, 1))
    _, (drawn, parameters) = jax.lax.scan(one_row, call("start", code), rows)
    return jnp.swapaxes(drawn, 0, 1), jnp.swapaxes(parameters, 0, 1)


def oracle(model: Model, params: Params, code: Array, draws: Array) -> tuple[Array, Array]:
    """The definition: the whole network for every pixel, its parameters used for that pixel alone.

    Arguments and results as `cached`.
    """
    count, (height, width, channels) = code.shape[0], model.shape

    def one_pixel(drawn, position):
        row, column = position // width, position % width
        x = scale(drawn, model.config.data.levels)
        parameters = model.decoder.apply({"params": params}, x, code)[:, row, column]
        drawn = drawn.at[:, row, column].set(model.likelihood.sample(parameters, draws[:, row, column]))
        return drawn, parameters

    blank = jnp.zeros((count, height, width, channels), jnp.int32)
    drawn, parameters = jax.lax.scan(one_pixel, blank, jnp.arange(height * width))
    return drawn, jnp.swapaxes(parameters, 0, 1).reshape(count, height, width, -1)


@partial(jax.jit, static_argnames=("model", "method"))
def _draw(model: Model, params: Params, code: Array, seed: Array, index: Array, method: str) -> Array:
    """uint8 images [N, H, W, C] number `index` [N] of the stream `seed`."""
    levels = model.config.data.levels
    if model.config.model.decoder == "deconv":
        blank = jnp.zeros((code.shape[0], *model.shape))
        parameters = model.decoder.apply({"params": params}, blank, code)
        return to_uint8(model.likelihood.mean(parameters), levels)
    sampler = {"cached": cached, "oracle": oracle}[method]
    drawn, _ = sampler(model, params, code, pixel_uniforms(model, seed, index))
    return to_uint8(drawn, levels)


def sample(model: Model, params: Params, code: Array, seed: int = 0, method: str = "cached") -> np.ndarray:
    """x ~ p(x | z) for codes [N, D]: uint8 [N, H, W, C]; `params` are the decoder's.

    Image i depends on seed, i and its code alone, whatever N is. The adversarial autoencoder's deconvolutional
    decoder is deterministic: its image is the mean of its pixels' distributions, and neither seed nor method count.
    """
    count, chunks = code.shape[0], []
    size = min(CHUNK, max(count, 1))
    code = np.asarray(code, np.float32)
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)  # the last chunk is filled up
        drawn = _draw(model, params, code[index], seed, index, method)
        chunks.append(np.asarray(drawn)[: count - start])
    return np.concatenate(chunks) if chunks else np.zeros((0, *model.shape), np.uint8)
