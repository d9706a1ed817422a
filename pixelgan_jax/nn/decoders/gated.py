"""The gated conditional PixelCNN decoder p(x | z): two stacks. How it is run, and its shapes, are pixelcnn.py's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import lecun_normal, zeros_init

from pixelgan_jax.nn.decoders.masked_conv import AdaptiveBias
from pixelgan_jax.nn.decoders.pixelcnn import (
    Arrays,
    Autoregressive,
    Context,
    Head,
    push,
    read_pixel,
    window,
    write_pixel,
)
from pixelgan_jax.nn.layers import Dense
from pixelgan_jax.nn.ops import add_bias, barrier, conv, sigmoid

Array = jax.Array


class RowConv(nn.Module):
    """A convolution over a kernel of [kh, kw] whose weights a whole image and a row share; no mask, only padding."""

    inputs: int
    features: int
    height: int
    width: int
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self.kernel = self.param("kernel", lecun_normal(), (self.height, self.width, self.inputs, self.features))
        self.bias = self.param("bias", zeros_init(), (self.features,))

    def __call__(self, x: Array, padding: tuple[tuple[int, int], tuple[int, int]]) -> Array:
        """x [N, H, W, C], zero-padded by ((top, bottom), (left, right)) -> [N, H', W', F], without the bias: the
        layer adds it together with the code's."""
        return conv(x.astype(self.dtype), self.kernel.astype(self.dtype), padding=padding)


def gate(x: Array) -> Array:
    """tanh(a) · sigmoid(b) of the two halves of the channels (van den Oord et al. 2016, Gated PixelCNN, eq. 2)."""
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.tanh(a) * sigmoid(b)


class GatedLayer(nn.Module):
    """One layer of both stacks. The vertical stack sees the rows above (from the second layer on: of its own, which
    are already shifted, also the current one); the horizontal stack sees its own row up to the pixel, and the
    vertical stack's result. The code's adaptive bias enters both halves of both gates."""

    shape: tuple[int, int, int]
    inputs: int
    features: int
    kernel_size: int
    is_first: bool
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        height, width, _ = self.shape
        p, wide = self.kernel_size // 2, 2 * self.features
        own = 0 if self.is_first else 1
        self.vertical = RowConv(self.inputs, wide, p + own, self.kernel_size, self.dtype)
        self.horizontal = RowConv(self.inputs, wide, 1, p + own, self.dtype)
        self.down = Dense(wide, use_bias=False, dtype=self.dtype)
        self.out = Dense(self.features, dtype=self.dtype)
        self.vertical_bias, self.horizontal_bias = (
            AdaptiveBias(height, width, wide, self.location_dependent, self.dtype) for _ in range(2)
        )

    @property
    def reach(self) -> int:
        return self.kernel_size // 2

    def __call__(self, v: Array, h: Array, condition: Array) -> tuple[Array, Array]:
        """v, h [N, H, W, inputs] (the first layer: both the image), the code's condition -> v, h [N, H, W, F]."""
        p = self.reach
        beside, before = ((p, 0), (p, p)), ((0, 0), (p, 0))  # padding of the vertical and of the horizontal stack
        if self.is_first:  # strictly above and strictly left: no pixel sees the image's last row and column
            # padded beforehand: else a TPU reverses all of the gradient's maps for so few channels
            v = jnp.pad(v[:, :-1], ((0, 0), *beside, (0, 0)))
            h = jnp.pad(h[:, :, :-1], ((0, 0), *before, (0, 0)))
            beside = before = ((0, 0), (0, 0))
        above, left = self.vertical(v, beside), self.horizontal(h, before)
        above = add_bias(above, add_bias(self.vertical_bias(condition), self.vertical.bias))
        mixed = self.out(
            gate(add_bias(left + self.down(above), add_bias(self.horizontal_bias(condition), self.horizontal.bias)))
        )
        return gate(above), mixed if self.is_first else h + mixed

    def row(self, rows: Array, condition: Array, row: Array) -> tuple[Array, tuple[Array, Array]]:
        """The vertical stack at one row: rows [N, p (+ 1), p + W + p, inputs], the current row of its input among them
        but for the first layer, -> (its output [N, W, F], the horizontal stack's context)."""
        above = self.vertical(rows, ((0, 0), (0, 0)))[:, 0]
        above = add_bias(above, add_bias(self.vertical_bias(condition, row), self.vertical.bias))
        rest = add_bias(self.down(above), add_bias(self.horizontal_bias(condition, row), self.horizontal.bias))
        weights = self.horizontal.kernel[0].reshape(-1, rest.shape[2]).astype(self.dtype)
        return gate(above), (weights, rest)

    def pixel(self, seen: Array, weights: Array, rest: Array) -> Array:
        """The horizontal stack at one pixel: seen [N, p (+ 1) · inputs], its context, rest [N, 2F] -> what it adds
        [N, F]."""
        return self.out(gate(seen @ weights + rest))


class GatedPixelCNN(Autoregressive):
    """Gated PixelCNN with a vertical and a horizontal stack, without blind spot (van den Oord et al. 2016,
    Conditional Image Generation with PixelCNN Decoders, figure 2)."""

    def setup(self):
        super().setup()
        common = dict(
            shape=self.shape,
            features=self.features,
            location_dependent=self.location_dependent,
            dtype=self.dtype,
        )
        self.stack = [GatedLayer(inputs=self.shape[2], kernel_size=self.first_kernel_size, is_first=True, **common)] + [
            GatedLayer(inputs=self.features, kernel_size=self.kernel_size, is_first=False, **common)
            for _ in range(self.layers)
        ]
        self.head = Head(self.features, self.num_parameters, self.dtype)

    def image(self, x: Array, condition: Array) -> Array:
        """x [N, H, W, C], the code's condition -> parameters [N, H, W, P]."""
        v = h = x
        for layer in self.stack:
            v, h = barrier(layer(v, h, condition))
        return self.head(h)

    def start(self, count: int) -> Arrays:
        """The vertical stack's cache of N images before their first row: L + 1 arrays [N, p, p + W + p, C]."""
        width = self.shape[1]
        return [
            jnp.zeros((count, layer.reach, width + 2 * layer.reach, layer.inputs), self.dtype) for layer in self.stack
        ]

    def row(self, cache: Arrays, condition: Array, row: Array) -> tuple[Arrays, Context, Arrays]:
        """Runs the vertical stack once for row `row`: (cache, context, the horizontal stack's line)."""
        v, own = self.stack[0].row(cache[0], condition, row)
        moved, context = [cache[0]], [own]
        for layer, rows in zip(self.stack[1:], cache[1:], strict=True):
            p = layer.reach
            seen = jnp.concatenate([rows, jnp.pad(v, ((0, 0), (p, p), (0, 0)))[:, None]], axis=1)
            v, own = layer.row(seen, condition, row)
            moved.append(seen[:, 1:])
            context.append(own)
        return moved, context, [jnp.zeros_like(rows[:, 0]) for rows in cache]

    def pixel(self, context: Context, line: Arrays, column: Array) -> tuple[Array, Arrays]:
        """The horizontal stack at `column`: parameters [N, P], and the line with every layer's input but the image."""
        layer, (weights, rest) = self.stack[0], context[0]
        h = layer.pixel(window(line[0], column, layer.reach), weights, read_pixel(rest, column))
        written = [line[0]]
        for layer, (weights, rest), old in zip(self.stack[1:], context[1:], line[1:], strict=True):
            written.append(write_pixel(old, column + layer.reach, h))
            # read after the write: the other way round XLA copies the whole line for every pixel
            h = h + layer.pixel(window(written[-1], column, layer.reach, h), weights, read_pixel(rest, column))
        return self.head(h), written

    def end_row(self, cache: Arrays, line: Arrays) -> Arrays:
        """The cache with a finished row: the image's alone, the vertical stack's own is there already."""
        return [push(cache[0], line[0]), *cache[1:]]
