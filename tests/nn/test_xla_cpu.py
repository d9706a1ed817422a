"""The forms that XLA:CPU is given compute what the plain operations do, and are taken where they pay alone."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn import ops, xla_cpu
from pixelgan_jax.nn.encoder import Encoder
from pixelgan_jax.nn.xla_cpu.sampler import FEW, after, by_turns
from tests.variables import drawn


def arrays(*shapes):
    random = np.random.RandomState(0)
    return [jnp.float32(random.randn(*shape)) for shape in shapes]


def wide(x):  # as many channels as convolutions of XLA's own are for
    return arrays((2, *x, 6), (3, 3, 6, 5))


# (form, operation, arguments) where the form is taken
TAKEN = {
    "a dense layer": ("dense", ops.dense, arrays((4, 3), (3, 5))),
    "a dense layer with few rows": ("dense", ops.dense, arrays((2, 7), (7, 5))),
    "a dense layer of every pixel": ("dense", ops.dense, arrays((2, 3, 4, 7), (7, 5))),
    "an image's convolution": ("patches", ops.conv, arrays((2, 5, 4, 3), (3, 3, 3, 5))),
    "a small map's": ("patches", ops.conv, arrays((2, 2, 2, 6), (3, 3, 6, 5))),
    "a strided one of an odd image": (
        "patches",
        lambda x, kernel: ops.conv(x, kernel, (2, 2)),
        arrays((2, 5, 4, 1), (3, 3, 1, 5)),
    ),
    "a row's": (
        "patches",
        lambda x, kernel: ops.conv(x, kernel, padding=((1, 0), (1, 1))),
        arrays((2, 5, 4, 3), (2, 3, 3, 5)),
    ),
    "a strided one": ("halving", lambda x, kernel: ops.conv(x, kernel, (2, 2)), wide((8, 6))),
    "an image's causal one": ("patches", ops.causal_conv, arrays((2, 5, 4, 3), (2, 5, 3, 3), (1, 3, 3, 3))),
    "a transposed one": ("doubling", ops.conv_transpose, arrays((2, 3, 4, 6), (4, 4, 6, 5))),
    "maxima, some of them equal": ("maxima", ops.max_pool, [jnp.round(arrays((2, 5, 4, 3))[0])]),
    "sums": ("sums", ops.channel_sums, arrays((5, 4, 3, 2))),
    "a bias of every channel": ("sums", ops.add_bias, arrays((5, 4, 3, 2), (2,))),
    "a bias of every image": ("sums", ops.add_bias, arrays((5, 4, 3, 2), (5, 1, 1, 2))),
    "batch statistics": ("moments", ops.batch_moments, arrays((5, 4, 3, 2))),
    "a gate's sigmoid": ("sigmoid", ops.sigmoid, arrays((5, 4, 3, 2))),
    "a barrier": ("barriers", ops.barrier, arrays((2, 3))),
}
# operations to which the form does not belong
NOT_TAKEN = {
    "a wide map's convolution by patches": ("patches", ops.conv, wide((8, 6))),
    "an odd map halved": ("halving", lambda x, kernel: ops.conv(x, kernel, (2, 2)), wide((7, 6))),
    "a stride of 1 halved": ("halving", ops.conv, wide((8, 6))),
    "a bias of every place": ("sums", ops.add_bias, arrays((5, 4, 3), (5, 4, 3))),
}


def gradients(operation):
    """Values, and the gradients of a sum that weighs them all differently."""

    def run(*given):
        y, pull_back = jax.vjp(operation, *given)
        return y, pull_back(jnp.cos(y))

    return run


def program(operation, given):
    return str(jax.make_jaxpr(gradients(lambda *given: operation(*given)))(*given))


@pytest.mark.parametrize("case", TAKEN)
def test_a_form_has_the_plain_operations_values_and_gradients(case):
    form, operation, given = TAKEN[case]
    found, taken = gradients(operation)(*given), program(operation, given)
    with xla_cpu.without(form):
        plain, without = gradients(lambda *given: operation(*given))(*given), program(operation, given)
    assert taken != without, f"{form} is not taken"
    chex.assert_trees_all_close(found, plain, rtol=1e-4, atol=1e-4)
    with xla_cpu.without(*xla_cpu.FORMS):
        chex.assert_trees_all_close(found, gradients(operation)(*given), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_a_form_is_not_taken_where_it_does_not_pay(case):
    form, operation, given = NOT_TAKEN[case]
    with_form = program(operation, given)
    with xla_cpu.without(form):
        assert program(operation, given) == with_form


def test_every_form_has_a_case():
    elsewhere = {
        "patch_statistics",
        "microbatches",
        "sampler_chain",
        "sampler_turns",
        "no_ynnpack",
        "unoptimised_start",
    }
    assert {form for form, *_ in TAKEN.values()} == set(xla_cpu.FORMS) - elsewhere


def test_accelerators_take_no_form(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not any(xla_cpu.chosen(form) for form in xla_cpu.FORMS)
    assert xla_cpu.compiler_options() is None and xla_cpu.run_once_options() is None
    monkeypatch.undo()
    assert all(xla_cpu.chosen(form) for form in xla_cpu.FORMS)
    with xla_cpu.without("sums"), xla_cpu.without("patches"):
        assert [form for form in xla_cpu.FORMS if not xla_cpu.chosen(form)] == ["sums", "patches"]
    assert all(xla_cpu.chosen(form) for form in xla_cpu.FORMS)


@pytest.mark.parametrize(
    "channels, batch_norm, pooling",
    [(1, True, False), (1, False, False), (3, True, False), (3, False, True), (4, True, True), (4, False, False)],
)
def test_an_encoders_training_is_the_same_with_and_without_forms(channels, batch_norm, pooling):
    """Images of one or three channels have their first batch statistics from patches."""
    x, noise, weight = *arrays((5, 8, 6, channels)), jnp.zeros((5, 0)), *arrays((5, 3))
    plain = {"gaussian": False, "minimum_sd": 0.0, "logits_batch_norm": 0.0, "mean_batch_norm": False}
    encoder = Encoder((6, 5), 4, 3, 0, batch_norm=batch_norm, pooling=pooling, **plain)
    variables = drawn(partial(encoder.init, train=False), jax.random.key(0), x, noise)

    def loss(params):
        made, moved = encoder.apply(variables | {"params": params}, x, noise, train=True, mutable=["batch_stats"])
        return jnp.sum(weight * made.log_probabilities), moved

    def trained(*turned_off):
        with xla_cpu.without(*turned_off):
            run = jax.value_and_grad(lambda params: loss(params), has_aux=True)
            return jax.jit(run)(variables["params"]), str(jax.make_jaxpr(run)(variables["params"]))

    (found, taken), (others, without), (plain, _) = trained(), trained("patch_statistics"), trained(*xla_cpu.FORMS)
    assert (taken != without) == (batch_norm and channels < 4)
    chex.assert_trees_all_close(found, others, rtol=1e-3, atol=1e-4)
    chex.assert_trees_all_close(found, plain, rtol=1e-3, atol=1e-4)


def test_a_long_sum_is_as_exact_as_the_plain_one():
    x = jnp.float32(np.random.RandomState(0).rand(128, 784, 4))
    np.testing.assert_allclose(ops.channel_sums(x), np.sum(np.float64(x), (0, 1)), rtol=1e-6)


def test_the_chain_between_pixels_changes_no_count():
    pixel = jnp.ones((2, 3))
    assert after(jnp.uint32(4), pixel) == 4
    assert jax.make_jaxpr(after)(jnp.uint32(4), pixel).eqns
    with xla_cpu.without("sampler_chain"):
        assert not jax.make_jaxpr(lambda *given: after(*given))(jnp.uint32(4), pixel).eqns


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1])
def test_a_few_images_are_drawn_by_turns(count):
    sizes = []

    def draw(code, start):
        sizes.append(len(code))
        return code * 2, (start + code[:, 0],)

    code, start = arrays((count, 3), (count,))
    doubled, (moved,) = by_turns(draw, code, start)
    np.testing.assert_array_equal(doubled, 2 * code)
    np.testing.assert_array_equal(moved, start + code[:, 0])
    assert set(sizes) == {1 if count <= FEW else count}
