"""Convolutions in the forms that XLA:CPU is better given are those they stand for, and are taken where they pay."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn.batch_norm import BatchNorm
from pixelgan_jax.nn.encoder import Encoder, convolution
from pixelgan_jax.nn.halving import halving
from pixelgan_jax.nn.masked_conv import convolve, masked
from pixelgan_jax.nn.patches import by_patches


@pytest.mark.parametrize(
    ("function", "shape", "stride"),
    [(by_patches, shape, stride) for shape in ((4, 4), (3, 2), (1, 5)) for stride in (1, 2)]
    + [(halving, shape, 2) for shape in ((4, 6), (2, 2), (8, 4))],
)
def test_another_form_of_a_convolution_has_its_values_and_gradients(function, shape, stride):
    random = np.random.RandomState(0)
    x, kernel = random.randn(2, *shape, 3).astype(np.float32), random.randn(3, 3, 3, 5).astype(np.float32)
    plain = partial(jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    results = []
    for form in (function, plain):
        y, pull_back = jax.vjp(lambda x, kernel, form=form: form(x, kernel, (stride, stride), "SAME"), x, kernel)
        results.append((y, *pull_back(jnp.cos(y))))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("platform", "shape", "stride", "expected"),
    [
        ("cpu", (28, 28, 1), 1, by_patches),
        ("cpu", (28, 28, 32), 1, jax.lax.conv_general_dilated),
        ("cpu", (28, 28, 32), 2, halving),
        ("cpu", (7, 8, 32), 2, jax.lax.conv_general_dilated),
        ("cpu", (4, 4, 32), 2, by_patches),
        ("gpu", (28, 28, 32), 2, jax.lax.conv_general_dilated),
    ],
)
def test_which_convolution_is_taken(platform, shape, stride, expected, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert convolution(jnp.zeros((1, *shape)), stride) is expected


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_training_is_the_same_on_every_platform(channels, batch_norm, monkeypatch):
    """On CPU an image's batch statistics follow from its patches, and gradients by parity."""
    random = np.random.RandomState(0)
    encoder = Encoder((6, 5), 4, 3, 0, gaussian=False, batch_norm=batch_norm, logits_batch_norm=0.0)
    x, noise = jnp.float32(random.randn(5, 8, 6, channels)), jnp.zeros((5, 0))
    weight = jnp.float32(random.randn(5, 3))
    variables = encoder.init(jax.random.key(0), x, noise, train=False)
    leaves, structure = jax.tree.flatten(variables)
    variables = jax.tree.unflatten(structure, [leaf + 0.1 * jnp.float32(random.randn(*leaf.shape)) for leaf in leaves])

    def loss(params):
        made, moved = encoder.apply(variables | {"params": params}, x, noise, train=True, mutable=["batch_stats"])
        return jnp.sum(weight * made.log_probabilities), moved

    results = []
    for platform in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        results.append(jax.value_and_grad(loss, has_aux=True)(variables["params"]))
    chex.assert_trees_all_close(*results, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("platform", "channels", "batch_norm", "train", "expected"),
    [
        ("cpu", 1, True, True, 1),
        ("cpu", 3, True, True, 1),
        ("cpu", 4, True, True, 0),
        ("cpu", 1, False, True, 0),
        ("cpu", 1, True, False, 0),
        ("gpu", 1, True, True, 0),
    ],
)
def test_an_images_statistics_are_by_patches_in_training_on_cpu(
    platform, channels, batch_norm, train, expected, monkeypatch
):
    calls, plain = [], BatchNorm.of_product
    monkeypatch.setattr(BatchNorm, "of_product", lambda *given: calls.append(1) or plain(*given))
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    encoder = Encoder((4, 4), 4, 2, 0, gaussian=False, batch_norm=batch_norm, logits_batch_norm=0.0)
    x, noise = jnp.zeros((2, 8, 8, channels)), jnp.zeros((2, 0))
    variables = jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, noise, train=train))
    assert not calls  # the first call makes the parameters
    jax.eval_shape(lambda v: encoder.apply(v, x, noise, train=train, mutable=["batch_stats"]), variables)
    assert len(calls) == expected


@pytest.mark.parametrize(
    ("platform", "channels", "expected"), [("cpu", 1, 1), ("cpu", 3, 1), ("cpu", 4, 2), ("gpu", 1, 2)]
)
def test_only_images_on_cpu_and_maps_smaller_than_the_kernel_go_by_patches(platform, channels, expected, monkeypatch):
    """8×8, 4×4 and 2×2: the last layer is a matrix product."""
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    encoder = Encoder((4, 4, 4), 4, 2, 0, gaussian=False, batch_norm=True, logits_batch_norm=0.0)
    x, noise = jnp.zeros((2, 8, 8, channels)), jnp.zeros((2, 0))
    variables = jax.eval_shape(lambda: encoder.init(jax.random.key(0), x, noise, train=False))
    program = str(jax.make_jaxpr(lambda v: encoder.apply(v, x, noise, train=False))(variables))
    assert program.count("conv_general_dilated[") == expected


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("padding", [((2, 0), (1, 1)), ((1, 0), (1, 1)), ((0, 0), (1, 0))])
def test_an_images_causal_convolution_and_its_gradients_are_the_same_on_every_platform(channels, padding, monkeypatch):
    random = np.random.RandomState(0)
    sides = [sum(pad) + 1 for pad in padding]
    x, kernel = jnp.float32(random.randn(2, 5, 4, channels)), jnp.float32(random.randn(*sides, channels, 6))
    results = []
    for platform in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        y, pull_back = jax.vjp(lambda x, kernel: convolve(x, kernel, padding), x, kernel)
        results.append((y, *pull_back(jnp.cos(y))))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("centre", [0, 1])
@pytest.mark.parametrize("reach", [1, 2])
def test_a_masked_convolutions_gradients_are_the_same_on_every_platform(reach, centre, monkeypatch):
    random = np.random.RandomState(0)
    side, shape = 2 * reach + 1, (2, 5, 4, 6)
    arrays = shape, (reach, side, 6, 3), (1, reach + centre, 6, 3)
    x, above, own = (jnp.float32(random.randn(*shape)) for shape in arrays)
    results = []
    # forward, and back to x, to the weights above and to those of the own row; or to all weights at once
    for platform, convolutions in (("cpu", 4), ("gpu", 3)):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        y, pull_back = jax.vjp(masked, x, above, own)
        results.append((y, *pull_back(jnp.cos(y))))
        gradients = jax.make_jaxpr(jax.grad(lambda *arrays: jnp.sum(jnp.sin(masked(*arrays))), (0, 1, 2)))
        assert str(gradients(x, above, own)).count("conv_general_dilated[") == convolutions
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
