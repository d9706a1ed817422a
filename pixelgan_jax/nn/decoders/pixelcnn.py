"""The conditional PixelCNN decoder p(x | z), and what the gated one (nn/decoders/gated.py) shares with it.

Both see the code as a condition, which `condition` computes: once per image, however often it is then used. With it
they can be run in two ways with the same parameters. `image` runs whole images (training, likelihood; `__call__` is the
two together). `start`, `row`, `pixel` and `end_row` run the same arithmetic for one row and one pixel at a time, so
that a sampler does one pixel's work per pixel:

- the cache is the last p rows of every layer's input;
- `row` turns it into the context of a row: for every layer the weights of the pixel's own row [(p + 1) · C, F] (sliced
  here, since XLA would slice them for every pixel), and what the rows above and the code give its pixels [N, W, F];
- the line is the inputs of the row in the making, a buffer [N, p + W + p, C] a layer with p zeros on either side, the
  image's own first. `pixel` reads the p pixels to the left from it and writes its own; the sampler writes the image's.

Shapes: N images, H rows, W columns, C image channels, D code width, F layer channels, P parameters per pixel of the
likelihood, L layers, p the reach of a kernel; a condition is [N, D'], or maps [N, H, W, M]. Images come in
scaled to [-1, 1].
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.decoders.masked_conv import AdaptiveBias, CausalConv, CodeNetwork
from pixelgan_jax.nn.layers import Dense
from pixelgan_jax.nn.ops import barrier

Array = jax.Array
Arrays = list[Array]
Context = list[tuple[Array, Array]]


def reach(layers: int, first_kernel_size: int, kernel_size: int) -> int:
    """How many rows above and columns to either side a decoder of `layers` residual layers sees at most: its
    receptive field is 2 · reach + 1 columns wide, of which the pixel's own row has the `reach` to its left."""
    return first_kernel_size // 2 + layers * (kernel_size // 2)


def push(rows: Array, line: Array) -> Array:
    """Appends a line [N, p + W + p, C] to the cached rows [N, p, p + W + p, C] and drops the oldest."""
    return jnp.concatenate([rows[:, 1:], line[:, None]], axis=1)


def write_pixel(line: Array, column: Array, pixel: Array) -> Array:
    """Writes a pixel [N, C] at a column of a line [N, p + W + p, C], counted with its padding."""
    return jax.lax.dynamic_update_slice_in_dim(line, pixel[:, None].astype(line.dtype), column, axis=1)


def window(line: Array, column: Array, reach: int, own: Array | None = None) -> Array:
    """The `reach` pixels left of a column of a line, counted without its padding of `reach`, and after them the
    pixel's `own` [N, C] where given, in one row: [N, reach (+ 1) · C]."""
    left = jax.lax.dynamic_slice_in_dim(line, column, reach, axis=1).reshape(line.shape[0], -1)
    return left if own is None else jnp.concatenate([left, own], axis=1)


def read_pixel(context: Array, column: Array) -> Array:
    """One pixel's part [N, F] of a row's context [N, W, F]."""
    return jax.lax.dynamic_index_in_dim(context, column, axis=1, keepdims=False)


class Head(nn.Module):
    """Two 1×1 layers from the features of a pixel to its likelihood's parameters, in float32."""

    features: int
    num_parameters: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """h [..., F] -> [..., P]."""
        h = nn.relu(Dense(self.features, dtype=self.dtype)(nn.relu(h)))
        return Dense(self.num_parameters, dtype=jnp.float32)(h)


class Autoregressive(nn.Module):
    """What both decoders are made from: the image's shape (H, W, C), P, F, L residual layers after the first, the sizes
    of the first kernel and of the others, whether the code's bias differs by pixel, and the code network's dense layers
    (none: the biases are linear in the code) and maps."""

    shape: tuple[int, int, int]
    num_parameters: int
    features: int
    layers: int
    first_kernel_size: int
    kernel_size: int
    location_dependent: bool
    code_units: tuple[int, ...] = ()
    code_maps: int = 0
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        if self.code_units:
            height, width, _ = self.shape
            self.code_network = CodeNetwork(height, width, self.code_units, self.code_maps, self.dtype)

    def __call__(self, x: Array, z: Array) -> Array:
        """x [N, H, W, C], z [N, D] -> parameters [N, H, W, P]; those of a pixel depend on earlier pixels only."""
        return self.image(x, self.condition(z))

    def condition(self, z: Array) -> Array:
        """What the layers see of the code: z [N, D] itself, or what the code network makes of it."""
        return self.code_network(z) if self.code_units else z


class PixelCNN(Autoregressive):
    """A mask-A convolution, then residual mask-B ones, with the code's adaptive bias in every layer.

    Like every stack of square masked kernels it has the blind spot to the upper right that
    van den Oord et al. (2016, Conditional PixelCNN) describe; the gated one has not.
    """

    def setup(self):
        super().setup()
        height, width, channels = self.shape
        self.convs = [CausalConv(channels, self.features, self.first_kernel_size, centre=False, dtype=self.dtype)] + [
            CausalConv(self.features, self.features, self.kernel_size, centre=True, dtype=self.dtype)
            for _ in range(self.layers)
        ]
        self.biases = [
            AdaptiveBias(height, width, self.features, self.location_dependent, self.dtype) for _ in self.convs
        ]
        self.head = Head(self.features, self.num_parameters, self.dtype)

    def image(self, x: Array, condition: Array) -> Array:
        """x [N, H, W, C], the code's condition -> parameters [N, H, W, P]."""
        h = barrier(self.convs[0].full(x, self.biases[0](condition)))
        for conv, bias in zip(self.convs[1:], self.biases[1:], strict=True):
            h = barrier(h + conv.full(barrier(nn.relu(h)), bias(condition)))
        return self.head(h)

    def start(self, count: int) -> Arrays:
        """The cache of N images before their first row, all zero: L + 1 arrays [N, p, p + W + p, C]."""
        width = self.shape[1]
        return [jnp.zeros((count, c.reach, width + 2 * c.reach, c.inputs), self.dtype) for c in self.convs]

    def row(self, cache: Arrays, condition: Array, row: Array) -> tuple[Arrays, Context, Arrays]:
        """Row `row`: (cache, context, line)."""
        layers = zip(self.convs, cache, self.biases, strict=True)
        context = [(conv.left(), conv.above(rows, bias(condition, row))) for conv, rows, bias in layers]
        return cache, context, [jnp.zeros_like(rows[:, 0]) for rows in cache]

    def pixel(self, context: Context, line: Arrays, column: Array) -> tuple[Array, Arrays]:
        """The pixel at `column`: its parameters [N, P], and the line with every layer's input but the image."""
        weights, rest = context[0]
        h = window(line[0], column, self.convs[0].reach) @ weights + read_pixel(rest, column)
        written = [line[0]]
        for conv, (weights, rest), old in zip(self.convs[1:], context[1:], line[1:], strict=True):
            a = nn.relu(h)
            written.append(write_pixel(old, column + conv.reach, a))
            # read after the write: the other way round XLA copies the whole line for every pixel
            h = h + window(written[-1], column, conv.reach, a) @ weights + read_pixel(rest, column)
        return self.head(h), written

    def end_row(self, cache: Arrays, line: Arrays) -> Arrays:
        """The cache with a finished row."""
        return [push(rows, new) for rows, new in zip(cache, line, strict=True)]
