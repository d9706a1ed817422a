"""A row of an image's pixels drawn by one kernel, for TPUs: of a PixelCNN whose pixels are black or white.

As XLA runs the cached sampler, a pixel is a dozen small operations, and beginning one costs a TPU more than doing it
(docs/scale.md). Here the whole row is one Pallas kernel, in which everything lies in the chip's vector memory. It has
been compiled for TPUs, and in Pallas's interpreter draws what the plain loop draws; nobody here has run it on a TPU.

Shapes: N images, W columns, F channels, L layers after the first, p a kernel's reach. Inside, images are innermost,
[W, F, N], where they fill a TPU's 128 lanes, as 32 channels would not.
"""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.decoders.pixelcnn import Arrays, Context, PixelCNN
from pixelgan_jax.nn.platform import platform

Array = jax.Array

LANES = 128  # images that a kernel draws at a time
MEMORY = 15 * 2**20  # bytes of vector memory that a kernel is given, less some for what it computes with


def fits(decoder: PixelCNN) -> bool:
    """Whether rows of a decoder are drawn so: on TPUs, where all that a row needs fits into vector memory."""
    if platform() != "tpu" or not isinstance(decoder, PixelCNN) or decoder.shape[2:] != (1,) or decoder.features % 8:
        return False  # channels lie in rows of eight
    layers = 2 * decoder.layers + 1  # their contexts and lines; two blocks of images, of which one is on its way
    width = decoder.shape[1] + 2 * (max(decoder.first_kernel_size, decoder.kernel_size) // 2)
    return 2 * 4 * LANES * width * (layers * decoder.features + 5) <= MEMORY


def draw(
    params: dict, context: Context, draws: Array, given: Array, known: Array, temperature: Array
) -> tuple[Arrays, Array, Array]:
    """What the plain loop over a row's pixels (methods/autoencoder/sampling.py) makes: (the finished line, levels int32
    [N, W, 1], logits [N, W, 1]).

    params: the decoder's. context: the row's. draws, given [N, W, 1]: uniforms, and levels of which the first
    `known` [N] of the row are kept, however few or many that says. temperature [].
    """
    # here, since to import it takes a command that draws nothing half a second
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import tpu as pltpu

    (weights, rests), head = zip(*context, strict=True), params["head"]
    count, width, _ = draws.shape
    features = rests[0].shape[-1]
    reaches = [len(weights[0]), *(len(w) // features - 1 for w in weights[1:])]
    of_head = [head["Dense_0"]["kernel"].T, head["Dense_0"]["bias"][:, None]]
    of_head += [head["Dense_1"]["kernel"], head["Dense_1"]["bias"][:, None]]
    whole = [*(w.T for w in weights), *of_head]
    moved = [jnp.moveaxis(x, 0, -1) for x in (draws, given, *rests)]
    block = min(count, LANES)

    def blocks(shape):
        return pl.BlockSpec((*shape, block), lambda i: (0,) * len(shape) + (i,))

    scalar = pl.BlockSpec(memory_space=pltpu.SMEM)
    kept = [pl.BlockSpec(w.shape, lambda i: (0, 0)) for w in whole]
    made = [((width, 1), jnp.int32), ((width, 1), jnp.float32), ((width + 2 * reaches[0], 1), jnp.float32)]
    made += [((width + 2 * p, features), jnp.float32) for p in reaches[1:]]
    drawn, used, *line = pl.pallas_call(
        _row,
        grid=(pl.cdiv(count, block),),
        in_specs=[scalar, blocks((1,)), *(blocks(x.shape[:-1]) for x in moved), *kept],
        out_specs=[blocks(shape) for shape, _ in made],
        out_shape=[jax.ShapeDtypeStruct((*shape, count), kind) for shape, kind in made],
    )(temperature.reshape(1), known[None], *moved, *whole)
    back = [jnp.moveaxis(x, -1, 0) for x in (drawn, used, *line)]
    return back[2:], back[0], back[1]


def _row(temperature, known, draws, given, *refs):
    """The kernel; of `refs` come first the contexts, then weights, the head's four, levels, logits and the lines."""
    layers = (len(refs) - 6) // 3
    rests, weights, head = refs[:layers], refs[layers : 2 * layers], refs[2 * layers : 2 * layers + 4]
    drawn, used, *lines = refs[2 * layers + 4 :]
    kernel, bias, last_kernel, last_bias = (ref[...] for ref in head)
    for line in lines:
        line[...] = jnp.zeros(line.shape, line.dtype)

    def product(weight, x):
        return jnp.dot(weight, x, precision=jax.lax.Precision.HIGHEST)

    def one_pixel(column, _):
        h, reach = rests[0][column], weights[0].shape[1]
        for j in range(reach):
            h = h + weights[0][:, j : j + 1] * lines[0][column + j]
        for rest, weight, line in zip(rests[1:], weights[1:], lines[1:], strict=True):
            p = weight.shape[1] // h.shape[0] - 1
            line[column + p] = jnp.maximum(h, 0)
            seen = jnp.concatenate([line[column + j] for j in range(p + 1)])
            h = h + product(weight[...], seen) + rest[column]
        h = jnp.maximum(product(kernel, jnp.maximum(h, 0)) + bias, 0)
        logit = jnp.sum(h * last_kernel, axis=0, keepdims=True) + last_bias
        level = (draws[column] < jax.nn.sigmoid(logit / temperature[0])).astype(jnp.int32)
        level = jnp.where(column < known[...], given[column], level)
        used[column], drawn[column] = logit, level
        lines[0][column + reach] = 2.0 * level.astype(jnp.float32) - 1.0
        return 0

    jax.lax.fori_loop(0, draws.shape[0], one_pixel, 0)
