"""Drawing images from p(x | z): the cached sampler, the fixed-point one, and the slow oracle that both must equal.

All take their uniform draws from outside, so they differ in nothing but how the likelihood's parameters of a pixel are
computed. Shapes: N images, H rows, W columns, C channels, D code width, S uniforms of a pixel. Pixels are numbered in
raster order, 0 to H·W - 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pixelgan_jax.data.levels import quantise, scale, to_uint8
from pixelgan_jax.data.randomness import Stream, uniform
from pixelgan_jax.methods.autoencoder.model import Autoencoder, Params
from pixelgan_jax.nn.decoders import tpu_row
from pixelgan_jax.nn.decoders.pixelcnn import read_pixel, write_pixel
from pixelgan_jax.nn.xla_cpu.sampler import after, by_turns

Array = jax.Array

Variables = tuple[dict[str, Params], Params]  # averaged parameters and statistics, by role


class Request(NamedTuple):
    """What to draw. code [N, D]; draws [N, H, W, S] uniforms; given int32 [N, H, W, C], of which the first `known` [N]
    pixels are kept; temperature []."""

    code: Array
    draws: Array
    given: Array
    known: Array
    temperature: Array


def pixel_uniforms(model: Autoencoder, keys: Array) -> Array:
    """The uniforms of the images with those keys [N]: [N, H, W, S]."""
    return uniform(keys, Stream.PIXELS, (*model.shape[:2], model.likelihood.uniforms))


def cached(model: Autoencoder, params: Params, request: Request, kernel: bool = False) -> tuple[Array, Array]:
    """Rows are scanned, and in each row its pixels; a pixel costs one pixel's work.

    Returns levels int32 [N, H, W, C] and the likelihood's parameters they were drawn from [N, H, W, P]. What the rows
    above and the code contribute is computed once per row for all its pixels; per pixel there are only matrix products
    with the few pixels to its left. Memory: the p last rows of every layer's input, p the reach of a kernel.
    kernel: a row's pixels are drawn by one kernel, where `by_kernel`.
    """

    def draw(code, draws, given, known):
        return _scanned(model, params, Request(code, draws, given, known, request.temperature), kernel)

    return by_turns(draw, request.code, request.draws, request.given, request.known)


def _scanned(model: Autoencoder, params: Params, request: Request, kernel: bool) -> tuple[Array, Array]:
    (count, height, width, _), levels = request.given.shape, model.config.data.levels
    pad = model.config.model.first_kernel // 2

    def call(method: str, *arguments):
        return model.decoder.apply({"params": params}, *arguments, method=method)

    condition = call("condition", request.code)

    def one_row(cache, row):
        draws, given = read_pixel(request.draws, row), read_pixel(request.given, row)
        cache, context, line = call("row", cache, condition, row)
        if kernel:
            known = request.known - row.astype(jnp.int32) * width
            line, drawn, used = tpu_row.draw(params, context, draws, given, known, request.temperature)
            return call("end_row", cache, line), (drawn, used)

        def one_pixel(state):
            column, line, drawn, used = state
            parameters, line = call("pixel", context, line, column)
            level = model.likelihood.sample(parameters, read_pixel(draws, column), request.temperature)
            level = jnp.where((row * width + column < request.known)[:, None], read_pixel(given, column), level)
            used, drawn = write_pixel(used, column, parameters), write_pixel(drawn, column, level)
            seen = scale(read_pixel(drawn, column), levels)
            line = [write_pixel(line[0], column + pad, seen), *line[1:]]
            return after(column + 1, read_pixel(line[0], column + pad)), line, drawn, used

        # unsigned: XLA need not look whether an index counts from the end
        state = jnp.uint32(0), line, jnp.zeros_like(given), jnp.zeros((count, width, model.likelihood.num_parameters))
        _, line, drawn, used = jax.lax.while_loop(lambda state: state[0] < width, one_pixel, state)
        return call("end_row", cache, line), (drawn, used)

    _, drawn = jax.lax.scan(one_row, call("start", count), jnp.arange(height, dtype=jnp.uint32))
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), drawn)


def by_kernel(model: Autoencoder) -> bool:
    """Whether one kernel can draw a row's pixels, as it can on TPUs where it is made for the decoder and fits."""
    return model.config.model.likelihood == "bernoulli" and tpu_row.fits(model.decoder)


def redraw(
    model: Autoencoder, params: Params, request: Request, condition: Array, drawn: Array, first: Array, last: Array
) -> Array:
    """Draws the pixels `first` <= number < `last` anew, given the image `drawn` int32 [N, H, W, C] as it is; the
    others, and those that the request keeps, stay. One pass of the decoder, with the condition that it makes of the
    request's code."""
    _, height, width, _ = drawn.shape
    image = scale(drawn, model.config.data.levels)
    parameters = model.decoder.apply({"params": params}, image, condition, method="image")
    anew = model.likelihood.sample(parameters, request.draws, request.temperature)
    number = jnp.arange(height * width).reshape(1, height, width, 1)
    known = request.known.reshape(-1, 1, 1, 1)
    return jnp.where((number >= jnp.maximum(first, known)) & (number < last), anew, drawn)


def iterated(model: Autoencoder, params: Params, request: Request, block: Array) -> tuple[Array, Array]:
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
    condition = model.decoder.apply({"params": params}, request.code, method="condition")

    def one_pass(state):
        drawn, first, tries, passes = state
        anew = redraw(model, params, request, condition, drawn, first, first + block)
        done = jnp.all(anew == drawn) | (tries + 1 >= block)
        return anew, jnp.where(done, first + block, first), jnp.where(done, 0, tries + 1), passes + 1

    start = (blank, jnp.min(request.known), 0, 0)
    drawn, _, _, passes = jax.lax.while_loop(lambda state: state[1] < height * width, one_pass, start)
    return drawn, passes


def mean_images(
    model: Autoencoder, variables: Variables, options: None, code: Array, keys: Array, given: Array, known: Array
) -> Array:
    """What the adversarial autoencoder draws: the mean of its pixels' distributions. Its deconvolutional decoder is
    deterministic given the code, so that nothing else counts."""
    parameters = model.decoder.apply({"params": variables[0]["decoder"]}, jnp.zeros(given.shape), code)
    return to_uint8(model.likelihood.mean(parameters), model.config.data.levels)


def images_by_scan(
    model: Autoencoder,
    kernel: bool,
    variables: Variables,
    temperature: Array,
    code: Array,
    keys: Array,
    given: Array,
    known: Array,
) -> Array:
    """uint8 [N, H, W, C] by the `cached` sampler."""
    levels = model.config.data.levels
    request = Request(code, pixel_uniforms(model, keys), quantise(given, levels), known, temperature)
    return to_uint8(cached(model, variables[0]["decoder"], request, kernel)[0], levels)


def images_by_iteration(
    model: Autoencoder, variables: Variables, options: Any, code: Array, keys: Array, given: Array, known: Array
) -> Array:
    """uint8 [N, H, W, C] by the `iterated` sampler; options: temperature [] and block []."""
    levels, (temperature, block) = model.config.data.levels, options
    request = Request(code, pixel_uniforms(model, keys), quantise(given, levels), known, temperature)
    return to_uint8(iterated(model, variables[0]["decoder"], request, block)[0], levels)


def samplers(model: Autoencoder) -> Callable[[str, float], tuple[Callable, Any]]:
    """The `draw` of the model's method (methods/method.py): "auto" takes the cached sampler, on TPUs by a kernel where
    there is one, which "cached" does without.

    On two CPU cores the cached sampler was the fastest at every batch from 1 to 256 and every shape of
    benchmarks/sampling.py (results/sampling.json): the fixed-point sampler needs fewer passes than there are pixels,
    but a whole network for each. On a GPU it was the fastest for one image of random weights
    (results/sampling_gpu.json), which take fewer passes than trained ones; of trained models it was not measured there.
    """
    pixels = model.shape[0] * model.shape[1]
    mean, by_iteration = partial(mean_images, model), partial(images_by_iteration, model)
    by_scan = {kernel: partial(images_by_scan, model, kernel) for kernel in (False, True)}

    def draw(sampler: str, temperature: float) -> tuple[Callable, Any]:
        if model.config.model.decoder == "deconv":
            return mean, None
        temperature = max(temperature, 1e-30)  # colder is no different, but logits over it overflow to NaN
        if sampler in ("auto", "cached"):
            return by_scan[sampler == "auto" and by_kernel(model)], jnp.float32(temperature)
        return by_iteration, (jnp.float32(temperature), jnp.int32(1 if sampler == "oracle" else pixels))

    return draw
