"""Conditional PixelCNN decoders p(x | z): the plain residual stack and the gated two-stack one.

Each has two faces with the same parameters. `__call__` runs whole images (training, likelihood). `start`, `row`,
`pixel` and `end_row` run the same arithmetic for one row and one pixel at a time from cached activations, so that
a sampler (sampling.py) does one pixel's work per pixel.

Letters: N images, H rows, W columns, C image channels, D code width, F layer channels, P parameters per pixel of the
likelihood, L layers. Images come in scaled to [-1, 1].
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import lecun_normal, zeros_init

from pixelgan_jax.nn.masked_conv import AdaptiveBias, CausalConv, bias_row, convolve, shift

Array = jax.Array
Cache = dict[str, Any]


def reach(layers: int, first: int, side: int) -> int:
    """How many rows above and columns to either side a decoder of `layers` residual layers sees at most: its
    receptive field is 2 · reach + 1 columns wide, of which the pixel's own row has the `reach` to its left."""
    return first // 2 + layers * (side // 2)


def push(rows: Array, row: Array) -> Array:
    """Appends row [N, W, F] to the cached rows [N, p, W, F] and drops the oldest."""
    return jnp.concatenate([rows[:, 1:], row[:, None].astype(rows.dtype)], axis=1)


class Head(nn.Module):
    """Two 1×1 layers from the features of a pixel to its likelihood's parameters, in float32."""

    features: int
    parameters: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, h: Array) -> Array:
        """h [..., F] -> [..., P]."""
        h = nn.relu(nn.Dense(self.features, dtype=self.dtype)(nn.relu(h)))
        return nn.Dense(self.parameters, dtype=jnp.float32)(h)


class PixelCNN(nn.Module):
    """A mask-A convolution, then residual mask-B ones, with the code's adaptive bias in every layer.

    Like every stack of square masked kernels it has the blind spot to the upper right that
    van den Oord et al. (2016, Conditional PixelCNN) describe; GatedPixelCNN has not.
    """

    shape: tuple[int, int, int]
    parameters: int
    features: int
    layers: int
    first: int
    side: int
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        height, width, channels = self.shape
        self.convs = [CausalConv(channels, self.features, self.first, centre=False, dtype=self.dtype)] + [
            CausalConv(self.features, self.features, self.side, centre=True, dtype=self.dtype)
            for _ in range(self.layers)
        ]
        self.biases = [
            AdaptiveBias(height, width, self.features, self.location_dependent, self.dtype) for _ in self.convs
        ]
        self.head = Head(self.features, self.parameters, self.dtype)

    def __call__(self, x: Array, z: Array) -> Array:
        """x [N, H, W, C], z [N, D] -> parameters [N, H, W, P]; those of a pixel depend on earlier pixels only."""
        h = self.convs[0].full(x) + self.biases[0](z)
        for conv, bias in zip(self.convs[1:], self.biases[1:], strict=True):
            h = h + conv.full(nn.relu(h)) + bias(z)
        return self.head(h)

    def start(self, z: Array) -> Cache:
        """The cache before the first row: every layer's bias, and its input's last p rows, all zero."""
        width = self.shape[1]
        rows = [jnp.zeros((z.shape[0], conv.reach, width, conv.inputs), self.dtype) for conv in self.convs]
        return {"biases": [bias(z) for bias in self.biases], "rows": rows}

    def row(self, cache: Cache, row: Array) -> tuple[Cache, list[Array]]:
        """What the rows above and the code give every pixel of row `row`: L + 1 arrays [N, W, F]."""
        context = [
            conv.above(rows) + bias_row(bias, row)
            for conv, rows, bias in zip(self.convs, cache["rows"], cache["biases"], strict=True)
        ]
        return cache, context

    def registers(self, count: int) -> list[Array]:
        """Each layer's input at the last p pixels of the row, all zero as left of the image: L + 1 [N, p, F]."""
        return [jnp.zeros((count, conv.reach, conv.inputs), self.dtype) for conv in self.convs]

    def pixel(self, context: list[Array], registers: list[Array]) -> tuple[Array, list[Array], list[Array]]:
        """One pixel: context L + 1 arrays [N, F] and the registers -> (parameters [N, P], registers of all layers
        but the first moved on by a pixel, those layers' inputs [N, F], which `end_row` wants)."""
        h = context[0] + self.convs[0].left(registers[0])
        moved, inputs = [], []
        for conv, own, register in zip(self.convs[1:], context[1:], registers[1:], strict=True):
            a = nn.relu(h)
            window = jnp.concatenate([register, a[:, None]], axis=1)
            h = h + conv.left(window) + own
            moved.append(window[:, 1:])
            inputs.append(a)
        return self.head(h), [registers[0], *moved], inputs

    def end_row(self, cache: Cache, image_row: Array, inputs: list[Array]) -> Cache:
        """Stores a finished row: image_row [N, W, C] and the layers' inputs [N, W, F] that `pixel` gave."""
        rows = [push(old, new) for old, new in zip(cache["rows"], [image_row, *inputs], strict=True)]
        return {**cache, "rows": rows}


class RowConv(nn.Module):
    """A convolution over a kernel of [kh, kw] whose weights `full`, `rows` and `pixel` share; no mask, only padding."""

    inputs: int
    features: int
    height: int
    width: int
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        self.kernel = self.param("kernel", lecun_normal(), (self.height, self.width, self.inputs, self.features))
        self.bias = self.param("bias", zeros_init(), (self.features,))

    def __call__(self, x: Array, padding: tuple[tuple[int, int], tuple[int, int]]) -> Array:
        """x [N, H, W, C], zero-padded by ((top, bottom), (left, right)) -> [N, H', W', F]."""
        return shift(convolve(x.astype(self.dtype), self.kernel.astype(self.dtype), padding), self.bias)

    def pixel(self, window: Array) -> Array:
        """A kernel one row high at one pixel: window [N, kw, C] -> [N, F]."""
        kernel = self.kernel[0].astype(self.dtype)
        return shift(jnp.einsum("npc,pcf->nf", window.astype(self.dtype), kernel), self.bias)


def gate(x: Array) -> Array:
    """tanh(a) · sigmoid(b) of the two halves of the channels (van den Oord et al. 2016, Gated PixelCNN, eq. 2)."""
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.tanh(a) * nn.sigmoid(b)


class GatedLayer(nn.Module):
    """One layer of both stacks. The vertical stack sees the rows above (from the second layer on: of its own, which
    are already shifted, also the current one); the horizontal stack sees its own row up to the pixel, and the
    vertical stack's result. The code's adaptive bias enters both halves of both gates."""

    shape: tuple[int, int, int]
    inputs: int
    features: int
    side: int
    first: bool
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        height, width, _ = self.shape
        p, wide = self.side // 2, 2 * self.features
        own = 0 if self.first else 1
        self.vertical = RowConv(self.inputs, wide, p + own, self.side, self.dtype)
        self.horizontal = RowConv(self.inputs, wide, 1, p + own, self.dtype)
        self.down = nn.Dense(wide, use_bias=False, dtype=self.dtype)
        self.out = nn.Dense(self.features, dtype=self.dtype)
        self.vertical_bias, self.horizontal_bias = (
            AdaptiveBias(height, width, wide, self.location_dependent, self.dtype) for _ in range(2)
        )

    @property
    def reach(self) -> int:
        return self.side // 2

    def __call__(self, v: Array, h: Array, z: Array) -> tuple[Array, Array]:
        """v, h [N, H, W, inputs] (the first layer: both the image), z [N, D] -> v, h [N, H, W, F]."""
        p = self.reach
        if self.first:  # strictly above and strictly left: pad one more, drop the last row and column
            above = self.vertical(v, ((p, 0), (p, p)))[:, :-1]
            left = self.horizontal(h, ((0, 0), (p, 0)))[:, :, :-1]
        else:
            above = self.vertical(v, ((p, 0), (p, p)))
            left = self.horizontal(h, ((0, 0), (p, 0)))
        above = above + self.vertical_bias(z)
        mixed = self.out(gate(left + self.down(above) + self.horizontal_bias(z)))
        return gate(above), mixed if self.first else h + mixed

    def start(self, z: Array) -> dict[str, Array]:
        rows = jnp.zeros((z.shape[0], self.reach, self.shape[1], self.inputs), self.dtype)
        return {"rows": rows, "vertical": self.vertical_bias(z), "horizontal": self.horizontal_bias(z)}

    def row(self, cache: dict[str, Array], v: Array | None, row: Array) -> tuple[Array, Array]:
        """The vertical stack at one row: v [N, W, inputs], the current row of its input (None for the first layer)
        -> (its output [N, W, F], what it and the code give the horizontal stack [N, W, 2F])."""
        p = self.reach
        seen = cache["rows"] if v is None else jnp.concatenate([cache["rows"], v[:, None]], axis=1)
        above = self.vertical(seen, ((0, 0), (p, p)))[:, 0] + bias_row(cache["vertical"], row)
        return gate(above), self.down(above) + bias_row(cache["horizontal"], row)

    def pixel(self, context: Array, window: Array) -> Array:
        """The horizontal stack at one pixel: context [N, 2F], window [N, p (+ 1), inputs] -> its output [N, F]."""
        mixed = self.out(gate(self.horizontal.pixel(window) + context))
        return mixed if self.first else window[:, -1] + mixed


class GatedPixelCNN(nn.Module):
    """Gated PixelCNN with a vertical and a horizontal stack, without blind spot (van den Oord et al. 2016,
    Conditional Image Generation with PixelCNN Decoders, figure 2)."""

    shape: tuple[int, int, int]
    parameters: int
    features: int
    layers: int
    first: int
    side: int
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        common = dict(
            shape=self.shape,
            features=self.features,
            location_dependent=self.location_dependent,
            dtype=self.dtype,
        )
        self.stack = [GatedLayer(inputs=self.shape[2], side=self.first, first=True, **common)] + [
            GatedLayer(inputs=self.features, side=self.side, first=False, **common) for _ in range(self.layers)
        ]
        self.head = Head(self.features, self.parameters, self.dtype)

    def __call__(self, x: Array, z: Array) -> Array:
        """x [N, H, W, C], z [N, D] -> parameters [N, H, W, P]; those of a pixel depend on earlier pixels only."""
        v = h = x
        for layer in self.stack:
            v, h = layer(v, h, z)
        return self.head(h)

    def start(self, z: Array) -> Cache:
        """The cache before the first row: every layer's biases, and its vertical input's last p rows, all zero."""
        return {"layers": [layer.start(z) for layer in self.stack]}

    def row(self, cache: Cache, row: Array) -> tuple[Cache, list[Array]]:
        """Runs the vertical stack once for row `row`: L + 1 arrays [N, W, 2F] for the horizontal one."""
        v, context, layers = None, [], []
        for layer, old in zip(self.stack, cache["layers"], strict=True):
            layers.append(old if v is None else {**old, "rows": push(old["rows"], v)})
            v, own = layer.row(old, v, row)
            context.append(own)
        return {"layers": layers}, context

    def registers(self, count: int) -> list[Array]:
        """Each layer's input at the last p pixels of the row, all zero as left of the image: L + 1 [N, p, F]."""
        return [jnp.zeros((count, layer.reach, layer.inputs), self.dtype) for layer in self.stack]

    def pixel(self, context: list[Array], registers: list[Array]) -> tuple[Array, list[Array], list[Array]]:
        """One pixel of the horizontal stack; as PixelCNN.pixel, but `end_row` wants nothing of it."""
        h = self.stack[0].pixel(context[0], registers[0])
        moved = []
        for layer, own, register in zip(self.stack[1:], context[1:], registers[1:], strict=True):
            window = jnp.concatenate([register, h[:, None]], axis=1)
            h = layer.pixel(own, window)
            moved.append(window[:, 1:])
        return self.head(h), [registers[0], *moved], []

    def end_row(self, cache: Cache, image_row: Array, inputs: list[Array]) -> Cache:
        """Stores a finished row image_row [N, W, C] for the vertical stack of the rows below."""
        first, *rest = cache["layers"]
        return {"layers": [{**first, "rows": push(first["rows"], image_row)}, *rest]}
