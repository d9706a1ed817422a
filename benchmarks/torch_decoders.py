"""The PixelCNN decoders in PyTorch, with the weights of ours, sampled as their users do: one whole pass a pixel.

Images are [N, C, H, W] here. Both decoders must give the same parameters as ours, which benchmarks/sampling.py checks
before it times anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
import torch
import torch.nn.functional as F

from pixelgan_jax.methods.autoencoder.model import Autoencoder


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, float32 products are of float32: a GPU's, but for PyTorch's matrix products, have fewer bits else."""
    with jax.default_matmul_precision("highest"), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def tensors(tree, device):
    """A tree of JAX arrays as tensors; one of tensors as it is."""
    if isinstance(tree, torch.Tensor):
        return tree
    if isinstance(tree, dict):
        return {name: tensors(leaf, device) for name, leaf in tree.items()}
    return torch.tensor(np.asarray(tree), device=device)


def kernel(weights: torch.Tensor) -> torch.Tensor:
    """[h, w, C, F] -> PyTorch's [F, C, h, w]."""
    return weights.permute(3, 2, 0, 1).contiguous()


def masked(weights: torch.Tensor, side: int, centre: bool) -> torch.Tensor:
    """A causal layer's kernel at full size, [F, C, side, side], zero where nothing may be seen."""
    p = side // 2
    full = torch.zeros(side, side, *weights.shape[2:], device=weights.device)
    full[: p + 1] = weights
    full[p, p + centre :] = 0
    return kernel(full)


def bias(layer: dict, z: torch.Tensor, shape: tuple[int, int, int], location_dependent: bool) -> torch.Tensor:
    """The code's bias [N, F, H or 1, W or 1]."""
    if not layer:
        return torch.zeros((), device=z.device)
    height, width = shape[:2] if location_dependent else (1, 1)
    return (z @ layer["Dense_0"]["kernel"]).reshape(len(z), height, width, -1).permute(0, 3, 1, 2)


def head(layer: dict, h: torch.Tensor) -> torch.Tensor:
    """[N, F, H, W] -> parameters [N, H, W, P]."""
    h = torch.relu(h).permute(0, 2, 3, 1)
    h = torch.relu(h @ layer["Dense_0"]["kernel"] + layer["Dense_0"]["bias"])
    return h @ layer["Dense_1"]["kernel"] + layer["Dense_1"]["bias"]


def gate(x: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class Plain(torch.nn.Module):
    """PixelCNN."""

    def __init__(self, model: Autoencoder, params: dict, device: str):
        super().__init__()
        self.settings, self.shape, self.params = model.config.model, model.shape, tensors(params, device)
        sides = [self.settings.first_kernel] + [self.settings.kernel] * self.settings.layers
        self.kernels = [masked(self.params[f"convs_{i}"]["kernel"], side, centre=i > 0) for i, side in enumerate(sides)]

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        located = self.settings.conditioning == "location_dependent"
        h = 0
        for i, weights in enumerate(self.kernels):
            a = x if i == 0 else torch.relu(h)
            added = F.conv2d(a, weights, self.params[f"convs_{i}"]["bias"], padding=weights.shape[-1] // 2)
            h = h + added + bias(self.params.get(f"biases_{i}", {}), z, self.shape, located)
        return head(self.params["head"], h)


class Gated(torch.nn.Module):
    """Gated PixelCNN."""

    def __init__(self, model: Autoencoder, params: dict, device: str):
        super().__init__()
        self.settings, self.shape, self.params = model.config.model, model.shape, tensors(params, device)
        stack = [self.params[f"stack_{i}"] for i in range(self.settings.layers + 1)]
        self.kernels = [(kernel(layer["vertical"]["kernel"]), kernel(layer["horizontal"]["kernel"])) for layer in stack]

    def layer(self, i: int, v: torch.Tensor, h: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own, located = self.params[f"stack_{i}"], self.settings.conditioning == "location_dependent"
        (above, left), first = self.kernels[i], i == 0
        p = above.shape[-1] // 2
        a = F.conv2d(F.pad(v, (p, p, p, 0)), above, own["vertical"]["bias"])
        b = F.conv2d(F.pad(h, (p, 0, 0, 0)), left, own["horizontal"]["bias"])
        if first:
            a, b = a[:, :, :-1], b[..., :-1]
        a = a + bias(own.get("vertical_bias", {}), z, self.shape, located)
        down = torch.einsum("nchw,cf->nfhw", a, own["down"]["kernel"])
        b = b + down + bias(own.get("horizontal_bias", {}), z, self.shape, located)
        mixed = torch.einsum("nchw,cf->nfhw", gate(b), own["out"]["kernel"]) + own["out"]["bias"].reshape(1, -1, 1, 1)
        return gate(a), mixed if first else h + mixed

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        v = h = x
        for i in range(len(self.kernels)):
            v, h = self.layer(i, v, h, z)
        return head(self.params["head"], h)


def build(model: Autoencoder, params: dict, device: str) -> torch.nn.Module:
    """The decoder of `model` with the parameters of ours."""
    return {"pixelcnn": Plain, "gated_pixelcnn": Gated}[model.config.model.decoder](model, params, device)


def draw_pixel(name: str, parameters: torch.Tensor, levels: int, channels: int) -> torch.Tensor:
    """A pixel of each image from its parameters [N, P]: [N, C], scaled to [-1, 1]."""
    if name == "bernoulli":
        level = torch.bernoulli(torch.sigmoid(parameters))
    elif name == "categorical":
        level = torch.multinomial(torch.softmax(parameters, -1), 1).float()
    else:
        return draw_mixture(parameters, channels)
    return level * (2 / (levels - 1)) - 1


def draw_mixture(parameters: torch.Tensor, channels: int) -> torch.Tensor:
    """A draw from the logistic mixture, green's mean moved by red and blue's by both."""
    kinds = parameters.reshape(len(parameters), 10 if channels == 3 else 3, -1)
    chosen = torch.multinomial(torch.softmax(kinds[:, 0], -1), 1)
    kinds = kinds.gather(2, chosen[:, None].expand(-1, kinds.shape[1], 1))[..., 0]
    u = torch.rand(len(kinds), channels, device=kinds.device).clamp(1e-5, 1 - 1e-5)
    scale = kinds[:, 1 + channels : 1 + 2 * channels].clamp(-7, 7).exp()
    x = list((kinds[:, 1 : 1 + channels] + scale * (u.log() - (-u).log1p())).unbind(1))
    if channels == 3:
        slope = torch.tanh(kinds[:, 7:])
        x[0] = x[0].clamp(-1, 1)
        x[1] = (x[1] + slope[:, 0] * x[0]).clamp(-1, 1)
        x[2] = x[2] + slope[:, 1] * x[0] + slope[:, 2] * x[1]
    return torch.stack(x, 1).clamp(-1, 1)


@torch.no_grad()
def naive(module: torch.nn.Module, name: str, levels: int, z: torch.Tensor, pixels: int) -> torch.Tensor:
    """Samples the first `pixels` pixels, a whole pass for each: images [N, C, H, W] in [-1, 1]."""
    height, width, channels = module.shape
    x = torch.full((len(z), channels, height, width), -1.0, device=z.device)
    for i in range(pixels):
        parameters = module(x, z)[:, i // width, i % width]
        x[:, :, i // width, i % width] = draw_pixel(name, parameters, levels, channels)
    return x
