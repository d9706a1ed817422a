"""The training step: what each phase moves, and that it is the same on one device and on eight."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pixelgan_jax.methods import priors
from pixelgan_jax.methods.autoencoder import phases, step
from pixelgan_jax.methods.autoencoder.model import in_training
from pixelgan_jax.methods.autoencoder.phases import create, learning_rate, optimizers
from pixelgan_jax.methods.method import AXIS
from pixelgan_jax.methods.state import average
from pixelgan_jax.nn.encoder import Posterior
from pixelgan_jax.nn.xla_cpu import microbatches
from pixelgan_jax.training import parallel
from tests import tiny


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def moved(old, new):
    """Whether any leaf of a role's parameters differs, by role."""
    return {
        role: any(not np.array_equal(a, b) for a, b in zip(leaves(old[role]), leaves(new[role]), strict=True))
        for role in old
    }


PHASES = {
    "reconstruction": {"encoder", "decoder"},
    "adversarial": {"discriminator", "encoder"},
    "supervised": {"encoder"},
}


def ready(made, devices):
    """(mesh, state, examples) placed on the given devices."""
    mesh = parallel.make_mesh(devices)
    return mesh, parallel.replicate(create(made, 0), mesh), parallel.replicate(tiny.examples(), mesh)


def compiled(made, mesh):
    """The step over the devices of the mesh."""
    return parallel.compile_step(partial(step.train_step, made), mesh)


@pytest.fixture(scope="module")
def semi_supervised():
    return tiny.model()


@pytest.fixture(scope="module")
def each_phase(semi_supervised):
    """The state before and after each phase alone, in one compiled program."""
    made, examples = semi_supervised, tiny.examples()
    batch = jax.tree.map(lambda x: x[0], tiny.batch())

    def every(before):
        images = examples.images(batch.index)
        keys, prior_keys = (jax.random.split(jax.random.key(i), tiny.BATCH) for i in (0, 1))
        labelled = examples.images(examples.labelled[batch.labelled_index])
        labels = examples.labels[batch.labelled_index]
        return {
            "reconstruction": step.reconstruction_phase(made, before, images, keys)[0],
            "adversarial": step.adversarial_phase(made, before, images, [keys], prior_keys)[0],
            "supervised": step.supervised_phase(made, before, labelled, labels, keys)[0],
        }

    mesh = parallel.make_mesh(jax.devices()[:1])
    before = create(made, 0)
    mapped = jax.shard_map(every, mesh=mesh, in_specs=jax.P(), out_specs=jax.P(), check_vma=False)
    return before, jax.jit(mapped)(before)


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_moves_its_own_roles_alone(each_phase, phase):
    before, after = each_phase
    changed = moved(before.params, after[phase].params)
    assert {role for role, yes in changed.items() if yes} == PHASES[phase]
    own = {
        "reconstruction": {"reconstruction"},
        "adversarial": {"discriminator", "generator"},
        "supervised": {"supervised"},
    }
    assert {name for name, yes in moved(before.opt, after[phase].opt).items() if yes} == own[phase]


def test_running_statistics_move_in_the_reconstruction_phase_alone(each_phase):
    before, after = each_phase
    assert {phase: moved(before.stats, after[phase].stats)["encoder"] for phase in PHASES} == {
        "reconstruction": True,
        "adversarial": False,
        "supervised": False,
    }


def names(config):
    return tuple(phase.name for phase in phases.phases(config))


WITHOUT_RECONSTRUCTION = {"optim": {"view_information": 1.0, "reconstruction": False}}


@pytest.mark.parametrize(
    "groups", [{}, tiny.VIEWS, {"data": {"labels": 0}, "prior": {"name": "none"}}, WITHOUT_RECONSTRUCTION]
)
def test_a_steps_metrics_are_those_of_its_phases(groups):
    made = tiny.model(**groups)
    mesh, before, examples = ready(made, jax.devices()[:1])
    told = [name for phase in phases.phases(made.config) for name in phase.metrics]
    call = compiled(made, mesh)
    _, metrics = jax.eval_shape(call, before, examples, tiny.batch())
    assert sorted(told) == sorted(metrics)


def test_phases_follow_from_the_configuration():
    config = tiny.model().config
    assert names(config) == ("reconstruction", "discriminator", "generator", "supervised")
    assert names(tiny.model(data={"labels": 0}).config) == ("reconstruction", "discriminator", "generator")
    assert names(tiny.model(data={"labels": 0}, prior={"adversarial": False}).config) == ("reconstruction",)
    assert names(tiny.model(data={"labels": 0}, prior={"name": "none"}).config) == ("reconstruction",)


def test_without_reconstruction_the_adversarys_phase_moves_the_running_statistics():
    made = tiny.model(**WITHOUT_RECONSTRUCTION)
    assert names(made.config) == ("discriminator", "generator", "supervised")
    mesh, before, examples = ready(made, jax.devices()[:1])
    start = jax.device_get(before)
    after, _ = compiled(made, mesh)(before, examples, parallel.split_batch(tiny.batch(), mesh))
    assert moved(start.params, after.params) == {"encoder": True, "decoder": False, "discriminator": True}
    assert moved(start.stats, after.stats)["encoder"] and moved(start.ema_stats, after.ema_stats)["encoder"]


def test_without_reconstruction_nothing_is_drawn_and_there_is_no_likelihood():
    made = tiny.build(**WITHOUT_RECONSTRUCTION).method
    assert (made.log_prob, made.targets, made.prior, made.draw, made.completes) == (None, None, None, None, False)
    assert made.encode and made.summary == "no decoder is trained"


def record_gradients(config):
    """In place of each phase's optimizer."""
    return {name: tiny.recorder() for name in names(config)}


def keep_gradients(patch):
    """Steps that are compiled from now on keep each phase's gradient in the place of its optimizer's state."""
    for module in (step, phases):
        patch.setattr(module, "optimizers", record_gradients)


@pytest.fixture
def recorders(monkeypatch):
    keep_gradients(monkeypatch)


@pytest.fixture(scope="module")
def on_one(semi_supervised):
    """`recorded` of the plain model on one device."""
    with pytest.MonkeyPatch.context() as patch:
        keep_gradients(patch)
        return recorded(semi_supervised, jax.devices()[:1])


def recorded(made, devices):
    """Every phase's gradients, the state and the metrics after a step on the devices."""
    mesh, before, examples = ready(made, devices)
    after, metrics = compiled(made, mesh)(before, examples, parallel.split_batch(tiny.batch(), mesh))
    return jax.device_get((after.opt, after, jax.tree.map(lambda x: x[0], metrics)))


NORMALISED = {
    "data": {"labels": 0},
    "prior": {"name": "gaussian"},
    "model": {"encoder": "gaussian", "mean_batch_norm": True},
}


def on_eight(made):
    opt, _, metrics = recorded(made, jax.devices())
    return opt, metrics


def by_pmap(made):
    share = jax.tree.map(lambda x: x.reshape(8, -1), tiny.batch())
    mapped = jax.pmap(partial(step.train_step, made), AXIS, in_axes=(None, None, 0))
    after, metrics = mapped(create(made, 0), tiny.examples(), share)
    return jax.tree.map(lambda x: x[0], (after.opt, metrics))


slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(("groups", "other"), [({}, on_eight), slow({}, by_pmap), slow(NORMALISED, on_eight)])
def test_gradients_on_eight_devices_are_those_on_one(groups, other, on_one, recorders):
    made = tiny.model(**groups)
    opt, _, metrics = recorded(made, jax.devices()[:1]) if groups else on_one
    reference, found = (dict(jax.tree_util.tree_leaves_with_path(each)) for each in ((opt, metrics), other(made)))
    assert any(np.abs(value).max() > 0.1 for value in reference.values())
    for path, value in reference.items():
        # rounding is relative to a gradient's size, not to each of its entries
        atol = 1e-5 * np.abs(value).max()
        np.testing.assert_allclose(found[path], value, rtol=1e-5, atol=atol, err_msg=jax.tree_util.keystr(path))


@pytest.mark.slow
def test_view_information_adds_its_gradient_to_the_generators_alone(recorders):
    # without batch normalisation, through which the second view would reach the first one's code
    model = tiny.VIEWS["model"] | {"encoder_batch_norm": False}
    found, told = {}, {}
    for weight in (0.0, 100.0, 300.0):
        made = tiny.model(optim={"view_information": weight}, model=model)
        found[weight], after, metrics = recorded(made, jax.devices()[:1])
        told[weight] = metrics.get("generator_view_information_nats")
    assert told[0.0] is None and 0 < told[100.0] < np.log(10)
    assert told[100.0] == pytest.approx(told[300.0], rel=1e-5)
    assert set(after.ema_stats) == {"encoder"} and after.stats["joint"].sum() == pytest.approx(1.0, rel=1e-5)
    for phase in ("reconstruction", "discriminator", "supervised"):
        chex.assert_trees_all_close(found[300.0][phase], found[0.0][phase], rtol=1e-4, atol=1e-6)
    once, thrice = (jax.tree.map(np.subtract, found[w]["generator"], found[0.0]["generator"]) for w in (100.0, 300.0))
    assert optax.tree.norm(once) > 1e-3
    chex.assert_trees_all_close(jax.tree.map(lambda x: 3 * x, once), thrice, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("devices", "images"), [(1, 8), slow(8, 1)])
def test_a_step_in_microbatches_is_the_step(semi_supervised, on_one, recorders, monkeypatch, devices, images):
    monkeypatch.setattr(microbatches, "VALUES", images * 4 * 4 * 4)
    assert microbatches.sizes(tiny.BATCH // devices, 4 * 4 * 4) == [images, images]
    chex.assert_trees_all_close(recorded(semi_supervised, jax.devices()[:devices]), on_one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "groups", [tiny.VIEWS | {"prior": {"categories": 4}}, pytest.param(WITHOUT_RECONSTRUCTION, marks=pytest.mark.slow)]
)
def test_views_agree_on_one_device_and_eight(recorders, groups):
    made = tiny.model(**groups)
    (one, after, metrics), (eight, after_eight, metrics_eight) = (
        recorded(made, devices) for devices in (jax.devices()[:1], jax.devices())
    )
    for path, value in jax.tree_util.tree_leaves_with_path(one):
        other = dict(jax.tree_util.tree_leaves_with_path(eight))[path]
        np.testing.assert_allclose(other, value, rtol=1e-5, atol=1e-5 * np.abs(value).max(), err_msg=str(path))
    chex.assert_trees_all_close(after_eight.stats, after.stats, rtol=1e-5, atol=1e-6)
    assert metrics_eight["generator_view_information_nats"] == pytest.approx(
        metrics["generator_view_information_nats"], rel=1e-4
    )


def test_bfloat16_networks_have_float32_parameters_losses_and_near_the_same_gradients(on_one, recorders):
    found = {"float32": on_one, "bfloat16": recorded(tiny.model(train={"dtype": "bfloat16"}), jax.devices()[:1])}
    for each in found.values():
        kinds = {np.asarray(leaf).dtype for leaf in jax.tree.leaves(each)}
        assert kinds == {np.dtype("float32"), np.dtype("int32")}
    (whole, _, metrics), (half, _, half_metrics) = found.values()
    for phase, gradients in whole.items():
        one, other = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(g)]) for g in (gradients, half[phase]))
        apart = np.linalg.norm(one - other) / np.linalg.norm(one)
        assert 1e-4 < apart < 0.1, phase  # eight bits of mantissa are seen, and do no harm
    for name in metrics:
        assert half_metrics[name] == pytest.approx(metrics[name], rel=0.1), name


@pytest.mark.parametrize(("backend", "dtype"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")])
def test_the_arithmetic_is_the_platforms_unless_named(monkeypatch, backend, dtype):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    outside, inside = tiny.model(), in_training(tiny.model())
    for model, expected in ((outside, "float32"), (inside, dtype)):
        assert {jnp.dtype(part.dtype) for part in (model.encoder, model.decoder, model.discriminator)} == {
            jnp.dtype(expected)
        }
    assert in_training(tiny.model(train={"dtype": "float32"})).encoder.dtype == jnp.float32


def test_the_discriminator_sees_draws_and_the_encoder_the_softmaxs_gradient():
    logits = jax.random.normal(jax.random.key(0), (500, 3))
    keys = jax.random.split(jax.random.key(1), 500)
    empty = jnp.zeros((500, 0))

    def code(logits, kind):
        return kind(Posterior(jax.nn.log_softmax(logits), empty, empty), keys)

    drawn, soft = code(logits, priors.straight_through_code), code(logits, priors.soft_code)
    np.testing.assert_allclose(drawn, code(logits, priors.hard_code), atol=1e-6)
    assert np.abs(np.asarray(drawn - soft).mean(0)).max() < 0.06  # draws of it
    weights = jax.random.normal(jax.random.key(2), drawn.shape)
    kinds = (priors.straight_through_code, priors.soft_code)
    slopes = [jax.grad(lambda x, kind=kind: jnp.vdot(weights, code(x, kind)))(logits) for kind in kinds]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-6)
    assert np.abs(slopes[0]).max() > 0.01


def test_steps_in_one_call_equal_steps_one_by_one(semi_supervised):
    mesh, single, examples = ready(semi_supervised, jax.devices()[:1])
    _, several, _ = ready(semi_supervised, jax.devices()[:1])
    call = compiled(semi_supervised, mesh)
    single, first = call(single, examples, parallel.split_batch(tiny.batch(0), mesh))
    single, last = call(single, examples, parallel.split_batch(tiny.batch(1), mesh))
    both = jax.tree.map(lambda *x: np.concatenate(x), tiny.batch(0), tiny.batch(1))
    several, metrics = call(several, examples, parallel.split_batch(both, mesh))
    assert int(several.step) == 2
    for name, value in last.items():
        np.testing.assert_allclose(metrics[name][0], first[name][0], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(metrics[name][1], value[0], rtol=1e-4, err_msg=name)  # Adam enlarges rounding


def test_average_warms_up_and_covers_statistics():
    old, new = {"a": jnp.zeros(2)}, {"a": jnp.ones(2)}
    np.testing.assert_allclose(average(0.999, 0, old, new)["a"], 0.9, rtol=1e-6)
    np.testing.assert_allclose(average(0.999, 90, old, new)["a"], 0.09, rtol=1e-5)
    np.testing.assert_allclose(average(0.999, 10**6, old, new)["a"], 0.001, rtol=1e-3)
    assert set(create(tiny.model(), 0).ema_stats) == {"encoder"}


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_schedules_work_for_any_number_of_steps(steps):
    for schedule in ("cosine", "step", "constant"):
        config = tiny.model(train={"steps": steps}, optim={"schedule": schedule, "warmup": 0.5}).config
        rates = [float(learning_rate(config, "generator")(i)) for i in range(steps)]
        assert all(0.0 <= rate <= 1.000001 * config.optim.generator_rate for rate in rates)
        assert max(rates) > 0
    config = tiny.model(train={"steps": 100}, optim={"warmup": 0.1}).config
    rate = learning_rate(config, "supervised")
    np.testing.assert_allclose([rate(0), rate(5), rate(10), rate(100)], [0.0, 5e-4, 1e-3, 0.0], atol=1e-9)
    np.testing.assert_allclose(rate(40), 1e-3 * (1 + np.cos(np.pi / 3)) / 2, rtol=1e-5)  # a third of the way down
    config = tiny.model(train={"steps": 100}, optim={"warmup": 0.1, "schedule": "step"}).config
    rate = learning_rate(config, "supervised")
    np.testing.assert_allclose([rate(5), rate(10), rate(49), rate(50), rate(99)], [5e-4, 1e-3, 1e-3, 1e-4, 1e-4])


def test_sgd_moves_by_the_rate_and_what_momentum_keeps():
    """Two updates by one gradient: the rate times it, then that times 1 + momentum."""
    config = tiny.model(optim={"optimizer": "sgd", "schedule": "constant", "adversarial_momentum": 0.1}).config
    params, gradients = {"discriminator": {"a": jnp.zeros(2)}}, {"discriminator": {"a": jnp.array([3.0, -4.0])}}
    optimizer = optimizers(config)["discriminator"]
    first, state = optimizer.update(gradients, optimizer.init(params), params)
    second, _ = optimizer.update(gradients, state, params)
    moved = -config.optim.discriminator_rate * np.array([3.0, -4.0])
    np.testing.assert_allclose(first["discriminator"]["a"], moved, rtol=1e-6)
    np.testing.assert_allclose(second["discriminator"]["a"], 1.1 * moved, rtol=1e-6)


def test_clipping_bounds_the_gradient_an_optimizer_sees():
    config = tiny.model(optim={"clip": 1.0}).config
    params = {"discriminator": {"a": jnp.zeros(2)}}
    tight, loose = optimizers(config)["discriminator"], optimizers(tiny.model().config)["discriminator"]
    gradients = {"discriminator": {"a": jnp.array([30.0, 40.0])}}
    states = [optimizer.update(gradients, optimizer.init(params), params)[1] for optimizer in (tight, loose)]
    first_moments = [optax.tree.get(s, "mu")["discriminator"]["a"] for s in states]
    np.testing.assert_allclose(first_moments[1] / first_moments[0], 50.0, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_share_of_what_moves_the_decoder_moves_the_encoder(optimizer, share):
    """Of the reconstruction's rate, and of no other phase's."""

    def updates(phase, share):
        config = tiny.model(optim={"optimizer": optimizer, "encoder_share": share}).config
        roles = phases.ROLES[phase]
        params = {role: {"a": jnp.zeros(2)} for role in roles}
        gradients = {role: {"a": jnp.array([3.0, -4.0])} for role in roles}
        made = optimizers(config)[phase]
        return made.update(gradients, made.init(params), params)[0]

    whole, part = (updates("reconstruction", each) for each in (1.0, share))
    np.testing.assert_allclose(part["encoder"]["a"], share * whole["encoder"]["a"], rtol=1e-6)
    chex.assert_trees_all_equal(part["decoder"], whole["decoder"])
    chex.assert_trees_all_equal(updates("generator", share), updates("generator", 1.0))


def test_discriminators_apart_see_a_part_of_the_code_each():
    made = tiny.model(prior={"name": "product"}, model={"discriminator_apart": True})
    state = create(made, 0)
    params, keys = state.params["discriminator"], jax.random.split(jax.random.key(0), 2)
    code = priors.sample(made.config.prior.code, keys)
    categories = made.config.prior.categories

    def logits(code):
        return np.asarray(step.discriminate(made, params, code, keys))

    before = logits(code)
    assert before.shape == (2, 2)
    for part, changed in enumerate((code.at[:, :categories].add(1.0), code.at[:, categories:].add(1.0))):
        after = logits(changed)
        assert (after[:, part] != before[:, part]).all()
        np.testing.assert_array_equal(after[:, 1 - part], before[:, 1 - part])


def test_a_code_of_one_part_has_one_discriminator_all_the_same():
    assert tiny.model(model={"discriminator_apart": True}).discriminator == tiny.model().discriminator
