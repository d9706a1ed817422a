"""The training step in PyTorch: the same layers, phases, batch and optimizers, from our parameters.

Written as PyTorch users would: masks on kernels of full size, `F.batch_norm`, fused Adam. Every random number is an
argument (`Draws`), so that benchmarks/training.py can check with ours that both steps are the same before timing them.
On a GPU `captured` has what PyTorch offers against launching small kernels: compiled losses, in one CUDA graph a step.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmarks import torch_decoders
from pixelgan_jax.config import Config
from pixelgan_jax.methods.autoencoder.likelihoods import LOG_SCALES
from pixelgan_jax.methods.autoencoder.model import Autoencoder
from pixelgan_jax.methods.autoencoder.phases import ROLES, phases


class Draws(NamedTuple):
    """A step's random numbers: standard normal input noise [N, C, H, W] of the three phases that run the encoder,
    uniform [N, H, W, C] to binarise, one-hot prior codes [N, K], normal [N, K] noise on the prior's and the encoder's
    codes."""

    noise: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    uniform: torch.Tensor
    prior: torch.Tensor
    prior_noise: torch.Tensor
    code_noise: torch.Tensor


def draw(model: Autoencoder, count: int, device: str) -> Draws:
    """New random numbers for a step over `count` images."""
    (height, width, channels), codes = model.shape, model.width
    with torch.device(device):
        prior = F.one_hot(torch.randint(codes, (count,)), codes).float()
        noise = tuple(torch.randn(count, channels, height, width) for _ in range(3))
        uniform = torch.rand(count, height, width, channels)
        return Draws(noise, uniform, prior, torch.randn(count, codes), torch.randn(count, codes))


def dense(layer: dict, x: torch.Tensor) -> torch.Tensor:
    y = x @ layer["kernel"]
    return y + layer["bias"] if "bias" in layer else y


def log_prob(model: Autoencoder, parameters: torch.Tensor, levels_of: torch.Tensor) -> torch.Tensor:
    """log p of levels int64 [N, H, W, C] under parameters [N, H, W, P], nats [N, H, W]."""
    name, levels = model.config.model.likelihood, model.config.data.levels
    if name == "bernoulli":
        return -F.binary_cross_entropy_with_logits(parameters, levels_of.float(), reduction="none")[..., 0]
    if name == "categorical":
        return -F.cross_entropy(parameters.permute(0, 3, 1, 2), levels_of[..., 0], reduction="none")
    return mixture_log_prob(parameters, levels_of.float() * (2 / (levels - 1)) - 1, levels)


def mixture_log_prob(parameters: torch.Tensor, x: torch.Tensor, levels: int) -> torch.Tensor:
    """The discretised logistic mixture of RGB images x [N, H, W, 3] in [-1, 1] (Salimans et al. 2017)."""
    kinds = parameters.reshape(*parameters.shape[:-1], 10, -1)
    logits, means, slope = kinds[..., 0, :], kinds[..., 1:4, :], torch.tanh(kinds[..., 7:, :])
    inverse = torch.exp(-kinds[..., 4:7, :].clamp(*LOG_SCALES))
    red, green = x[..., 0, None], x[..., 1, None]
    shift = (
        torch.zeros_like(logits),
        slope[..., 0, :] * red,
        slope[..., 1, :] * red + slope[..., 2, :] * green,
    )
    means, x, half = means + torch.stack(shift, -2), x[..., None], 1 / (levels - 1)
    below, above = F.logsigmoid((x + half - means) * inverse), F.logsigmoid((means - x + half) * inverse)
    inside = torch.log(-torch.expm1(-2 * half * inverse))
    mass = torch.where(x < -1 + half, below, torch.where(x > 1 - half, above, below + above + inside))
    return torch.logsumexp(torch.log_softmax(logits, -1) + mass.sum(-2), -1)


def rate(config: Config, phase: str, step: int) -> float:
    """A phase's learning rate after `step` steps."""
    optim, steps = config.optim, config.train.steps
    highest, warmup = getattr(optim, f"{phase}_rate"), int(optim.warmup * steps)
    if step < warmup:
        return highest * step / warmup
    if optim.schedule == "constant":
        return highest
    return highest * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Step:
    """Parameters, optimizers and averages of one model; calling it runs a step and gives its metrics. `half`: networks
    in bfloat16, by PyTorch's own choice of operations."""

    def __init__(self, model: Autoencoder, params: dict, stats: dict, channels_last: bool, device: str, half: bool):
        self.model, self.config, self.done = model, model.config, 0
        self.device, self.half = device, half
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.params = torch_decoders.tensors(params, device)
        self.leaves = {role: jax.tree.leaves(self.params[role]) for role in params}
        for leaf in jax.tree.leaves(self.params):
            leaf.requires_grad_(True)
        self.stats = torch_decoders.tensors(stats["encoder"], device)
        averaged = self.leaves["encoder"] + self.leaves["decoder"]
        self.averaged, self.ema = averaged, [leaf.detach().clone() for leaf in averaged]
        self.optimizers = {phase.name: self._adam(phase.name) for phase in phases(model.config)}

    def _adam(self, phase: str) -> torch.optim.Optimizer:
        optim = self.config.optim
        b1 = optim.adversarial_momentum if phase in ("discriminator", "generator") else optim.momentum
        leaves = [leaf for role in ROLES[phase] for leaf in self.leaves[role]]
        # a captured step reads its rate where the optimizer keeps it
        lr, capturable = (torch.tensor(0.0, device="cuda"), True) if self.device == "cuda" else (0.0, False)
        return torch.optim.Adam(leaves, lr=lr, betas=(b1, 0.999), fused=True, capturable=capturable)

    def _update(self, phase: str, loss: torch.Tensor) -> dict[str, torch.Tensor]:
        """Moves the phase's parameters; the loss and the gradient's norm."""
        optimizer = self.optimizers[phase]
        (group,) = optimizer.param_groups
        gradients = torch.autograd.grad(loss, group["params"])
        for leaf, gradient in zip(group["params"], gradients, strict=True):
            leaf.grad = gradient.contiguous()  # on a GPU the fused optimizer asks for the parameter's own strides
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate(self.config, phase, self.done))
        else:
            group["lr"] = rate(self.config, phase, self.done)
        optimizer.step()
        name = "reconstruction_nats" if phase == "reconstruction" else f"{phase}_loss"
        norm = torch.nn.utils.get_total_norm(gradients)
        return {name: loss.detach(), f"{phase}_gradient_norm": norm}

    def _norm(self, x: torch.Tensor, name: str, moves: bool) -> torch.Tensor:
        own, held = self.params["encoder"].get(name, {}), self.stats[name]
        running = (held["mean"], held["var"]) if moves else (None, None)
        return F.batch_norm(x, *running, own.get("scale"), own.get("bias"), training=True, momentum=0.1, eps=1e-5)

    def encode(self, x: torch.Tensor, moves: bool = False) -> torch.Tensor:
        """x [N, C, H, W] -> log q(z | x) [N, K]; `moves` its running statistics."""
        own, settings = self.params["encoder"], self.config.model
        for i in range(len(settings.encoder_channels)):
            weights = torch_decoders.kernel(own[f"Conv_{i}"]["kernel"])
            stride = 1 if i == 0 else 2
            height, width = (max(0, (side - 1) // stride * stride + 3 - side) for side in x.shape[2:])  # as "SAME" pads
            if height == width == 2:
                x = F.conv2d(x, weights, stride=stride, padding=1)
            else:
                pads = (width // 2, width - width // 2, height // 2, height - height // 2)
                x = F.conv2d(F.pad(x, pads), weights, stride=stride)
            x = F.leaky_relu(self._norm(x, f"BatchNorm_{i}", moves), 0.2)
        h = dense(own["Dense_0"], x.permute(0, 2, 3, 1).reshape(len(x), -1))
        norms = len(settings.encoder_channels)
        logits = dense(own["logits"], F.leaky_relu(self._norm(h, f"BatchNorm_{norms}", moves), 0.2))
        if settings.logits_batch_norm:
            logits = settings.logits_batch_norm * self._norm(logits, f"BatchNorm_{norms + 1}", moves)
        return torch.log_softmax(logits, 1)

    def discriminate(self, z: torch.Tensor) -> torch.Tensor:
        own = self.params["discriminator"]
        for i in range(len(own) - 1):
            z = F.leaky_relu(dense(own[f"Dense_{i}"], z), 0.2)
        return dense(own[f"Dense_{len(own) - 1}"], z)[:, 0]

    def reconstruction(self, images: torch.Tensor, x: torch.Tensor, draws: Draws) -> torch.Tensor:
        """-log p(x | z) of uint8 images [N, H, W, C]; x is what the encoder sees of them."""
        levels = self.config.data.levels
        if levels == 2 and self.config.data.binarisation == "stochastic":
            levels_of = (draws.uniform < images / 255).long()
        else:
            levels_of = torch.round(images * ((levels - 1) / 255)).long()
        target = (levels_of.float() * (2 / (levels - 1)) - 1).permute(0, 3, 1, 2)
        target = target.contiguous(memory_format=self.layout)
        code = torch.exp(self.encode(x, moves=True))
        decoder = torch_decoders.build(self.model, self.params["decoder"], self.device)
        return -log_prob(self.model, decoder(target, code), levels_of).sum((1, 2)).mean()

    def compile(self) -> None:
        """Has PyTorch compile the losses and their gradients, all but the step's frame."""
        for name in ("encode", "discriminate", "reconstruction"):
            setattr(self, name, torch.compile(getattr(self, name)))

    def __call__(
        self, images: torch.Tensor, labelled: torch.Tensor, labels: torch.Tensor, draws: Draws
    ) -> dict[str, torch.Tensor]:
        """A step over uint8 images and labelled images [N, H, W, C] with labels int64 [N]."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half, cache_enabled=False):
            return self._phases(images, labelled, labels, draws)

    def _phases(
        self, images: torch.Tensor, labelled: torch.Tensor, labels: torch.Tensor, draws: Draws
    ) -> dict[str, torch.Tensor]:
        sd, spread = self.config.model.input_noise, self.config.model.discriminator_noise

        def seen(images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            x = images.permute(0, 3, 1, 2) * (2 / 255) - 1 + sd * noise
            return x.contiguous(memory_format=self.layout)

        x = seen(images, draws.noise[0])
        metrics = self._update("reconstruction", self.reconstruction(images, x, draws))
        code = torch.exp(self.encode(seen(images, draws.noise[1])))
        prior, fake = draws.prior + spread * draws.prior_noise, spread * draws.code_noise
        loss = F.softplus(-self.discriminate(prior)).mean() + F.softplus(self.discriminate(code.detach() + fake)).mean()
        metrics |= self._update("discriminator", loss)
        loss = F.softplus(-self.discriminate(code + fake)).mean()
        metrics |= self._update("generator", loss)
        log_q = self.encode(seen(labelled, draws.noise[2]))
        metrics |= self._update("supervised", F.nll_loss(log_q, labels))
        decay = min(self.config.optim.ema, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            get_ema_multi_avg_fn(decay)(self.ema, self.averaged, None)
        self.done += 1
        return metrics


def captured(step: Step, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], dict[str, torch.Tensor]]:
    """A call that draws random numbers and runs the step, as one CUDA graph of compiled losses. Its rates and the decay
    of its average stay those of the capture."""
    step.compile()
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):  # compiles, and makes the optimizers' states
            step(images, images, labels, draw(step.model, len(images), "cuda"))
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        metrics = step(images, images, labels, draw(step.model, len(images), "cuda"))

    def run() -> dict[str, torch.Tensor]:
        graph.replay()
        return metrics

    return run
