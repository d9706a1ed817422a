"""The loop logs, saves and stops where it should, in one go or interrupted."""

import io
import os
import signal
import time
from contextlib import contextmanager, redirect_stderr

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelgan_jax.config import Train
from pixelgan_jax.methods.autoencoder import model, step
from pixelgan_jax.training import logs, loop
from pixelgan_jax.training.checkpoint import Checkpoints
from pixelgan_jax.training.signals import Interrupted
from tests import brief, tiny

counts = st.integers(1, 12)


def settings_of(steps, size, log=50, evaluate=500, checkpoint=500):
    return Train(steps, 16, 0, checkpoint, evaluate, log, size, "float32", 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), counts, counts, counts, counts)
def test_calls_make_every_step_and_end_where_something_is_due(steps, size, log, evaluate, checkpoint):
    train = settings_of(steps, size, log, evaluate, checkpoint)
    sizes = list(loop.call_sizes(0, train))
    ends = np.cumsum(sizes).tolist()
    assert ends[-1] == steps
    assert len({1, *sizes}) <= 2 and max(sizes) <= size
    due = {step for step in range(1, steps) for every in (log, evaluate, checkpoint) if step % every == 0}
    assert {1, steps} | due <= set(ends)
    for i, end in enumerate(ends):
        assert list(loop.call_sizes(end, train)) == sizes[i + 1 :]


def test_calls_are_as_large_as_asked_for():
    assert list(loop.call_sizes(0, settings_of(12, 4, log=100))) == [1, 1, 1, 1, 4, 4]
    assert list(loop.call_sizes(0, settings_of(60, 25, log=20))) == [1] * 20 + [20, 20]  # 25 would never fit
    assert list(loop.call_sizes(0, settings_of(30, 25, log=10))) == [1] * 10 + [10, 10]
    assert list(loop.call_sizes(0, settings_of(53, 25, log=53))) == [1] * 25 + [25, 1, 1, 1]  # nothing goes evenly
    assert list(loop.call_sizes(0, settings_of(3, 1))) == [1, 1, 1]
    assert list(loop.call_sizes(3, settings_of(3, 1))) == []
    assert list(loop.call_sizes(5, settings_of(3, 1))) == []  # fewer steps are asked for than were made


@pytest.mark.parametrize(("backend", "sizes"), [("cpu", [1] * 52), ("gpu", [1] * 25 + [25, 1, 1])])
def test_left_to_itself_a_call_is_one_step_on_cpu_and_many_on_an_accelerator(monkeypatch, backend, sizes):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert list(loop.call_sizes(0, settings_of(52, 0, log=1000))) == sizes


@pytest.mark.parametrize(("steps", "size"), [(1, 3), (2, 1), (3, 2)])
def test_the_first_and_the_last_step_are_logged(tmp_path, steps, size):
    made = brief.plain(train={"steps": steps, "steps_per_call": size})
    state, meta = brief.train(tmp_path, made)
    rows = logs.read(tmp_path)
    assert [row["step"] for row in rows] == sorted({1, steps})
    assert all({"reconstruction_nats", "images_per_second"} <= set(row) for row in rows)
    assert [("validation_error" in row) for row in rows] == [row["step"] == steps for row in rows]
    assert int(state.step) == steps
    assert meta.seconds > 0 and meta.compile_seconds > 0


def test_several_steps_in_a_call_log_what_single_steps_log(tmp_path):
    rows = {}
    for size in (1, 3):
        folder = tmp_path / str(size)
        brief.train(folder, brief.plain(train={"steps_per_call": size, "log_every": 6}))
        rows[size] = logs.read(folder)
    assert [row["step"] for row in rows[1]] == [row["step"] for row in rows[3]] == [1, 6]
    for one, three in zip(rows[1], rows[3], strict=True):
        np.testing.assert_allclose(three["reconstruction_nats"], one["reconstruction_nats"], rtol=1e-4)


def test_seconds_add_up_over_restarts_and_are_of_training_and_compiling_alone(monkeypatch):
    """Three seconds of training, five of compiling and seven of evaluating after 1,000 and 500."""
    ticks = iter([0.0, 1.0, 6.0, 8.0, 15.0, 15.0])  # made; compiling; evaluating; asked
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(ticks))
    clock = loop._Clock()
    for what in ("compiling", "evaluating"):
        with clock.apart(what):
            pass
    told = clock.added_to(brief.meta(brief.plain())._replace(seconds=1000.0, compile_seconds=500.0))
    assert (told.seconds, told.compile_seconds) == (1003.0, 505.0)


def interrupt(number, at):
    """A validation in which the signal arrives, at that step."""

    def validate(state):
        if int(state.step) == at:
            os.kill(os.getpid(), number)
        return {"validation_error": 0.5}, 0.5

    return validate


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run of 6 steps that was interrupted in the middle, what it raised, and the seconds it took."""
    folder = tmp_path_factory.mktemp("interrupted")
    made = brief.plain(train={"evaluate_every": 2, "log_every": 1})
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    begun = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        brief.train(folder, made, interrupt(signal.SIGTERM, 4))
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return folder, made, caught.value, time.monotonic() - begun


def test_a_signal_saves_the_step_it_arrives_in(interrupted):
    folder, made, raised, seconds = interrupted
    assert raised.number == signal.SIGTERM
    assert str(raised) == "SIGTERM: saved at step 4"
    with Checkpoints(folder, read_only=True) as checkpoints:
        assert checkpoints.steps() == [4]
        state, meta = checkpoints.newest_good(brief.target(made))
    assert int(state.step) == 4 and 0 < meta.seconds < seconds
    assert [row["step"] for row in logs.read(folder)] == [1, 2, 3, 4]


def test_a_loss_that_is_not_finite_stops_the_run_and_is_not_saved(interrupted):
    folder, *_ = interrupted
    made = brief.plain(train={"checkpoint_every": 5})  # only the save itself looks at step 5

    def change(state):
        decoder = jax.tree.map(lambda leaf: leaf * np.nan, state.params["decoder"])
        return state.replace(params=state.params | {"decoder": decoder})

    with pytest.raises(loop.Diverged) as caught:
        brief.train(folder, made, change=change)
    message = str(caught.value)
    assert message.startswith("step 5: reconstruction phase: reconstruction_")
    assert " is nan; " in message and "config.optim.reconstruction_rate" in message
    assert [row["step"] for row in logs.read(folder)] == [1, 2, 3, 4]
    with Checkpoints(folder, read_only=True) as checkpoints:
        assert checkpoints.steps() == [4]
        state, _ = checkpoints.newest_good(brief.target(made))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


@contextmanager
def changed(owner, name, value):
    """`owner` has another `name` inside, and so have the programs that are compiled there, which nobody else gets."""
    loop._compiled.cache_clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, value)
            yield
    finally:
        loop._compiled.cache_clear()


def poison(tree, value):
    """The tree with `value` for one entry of its first array."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [leaves[0].at[(0,) * leaves[0].ndim].set(value), *leaves[1:]])


def stopped(folder, made, said, **kwargs):
    """Trains; the run stops, says so, and leaves the checkpoint of step 2, which is good, as the newest."""
    with pytest.raises(loop.Diverged) as caught:
        brief.train(folder, made, **kwargs)
    assert str(caught.value).startswith(said), caught.value
    with Checkpoints(folder, read_only=True) as checkpoints:
        assert checkpoints.steps() == [2]
        state, _ = checkpoints.newest_good(brief.target(made))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def stopped_by_a_gradient(folder, phase, value, size=1):
    """Trains with a gradient that is not finite in step 4; the model, of which every phase but with reconstruction."""
    real, build = step.update, brief.plain if phase == "reconstruction" else tiny.build

    def update(model, state, name, gradients):
        bad = jnp.where(state.step == 3, value, 0.0) if name == phase else 0.0
        return real(model, state, name, jax.tree.map(lambda leaf: leaf + bad, gradients))

    made = build(train={"steps": 6, "steps_per_call": size, "checkpoint_every": 2, "evaluate_every": 100})
    with changed(step, "update", update):
        stopped(folder, made, f"step 4: {phase} phase: {phase}_gradient_norm is {value}; ")
    return made


@pytest.fixture(scope="module")
def plain_at_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return folder, stopped_by_a_gradient(folder, "reconstruction", np.nan, size=2)


@pytest.fixture(scope="module")
def every_phase_at_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    return folder, stopped_by_a_gradient(folder, "generator", np.inf)


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path, plain_at_two, every_phase_at_two):
    stopped_by_a_gradient(tmp_path, "supervised", np.nan)


@pytest.mark.parametrize(
    ("role", "value", "phase"), [("encoder", np.nan, "reconstruction"), ("discriminator", np.inf, "discriminator")]
)
def test_a_parameter_that_is_not_finite_stops_the_run(every_phase_at_two, role, value, phase):
    def change(state):
        return state.replace(params=state.params | {role: poison(state.params[role], value)})

    stopped(*every_phase_at_two, f"step 3: {phase} phase: {phase}_", change=change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_that_is_not_finite_stops_the_run(plain_at_two, value):
    # images are uint8, which has no such value; the networks see them scaled
    real = model.scale
    with changed(model, "scale", lambda *given: poison(real(*given), value)):
        stopped(*plain_at_two, "step 3: reconstruction phase: reconstruction_")


def test_a_signal_in_the_last_step_is_not_lost_and_a_finished_run_does_nothing(interrupted):
    folder, made, *_ = interrupted
    with pytest.raises(Interrupted, match="SIGINT: saved at step 6"):
        brief.train(folder, made, interrupt(signal.SIGINT, 6))
    printed = io.StringIO()
    with redirect_stderr(printed):
        state, meta = brief.train(folder, made)
    assert printed.getvalue() == ""
    with Checkpoints(folder, read_only=True) as checkpoints:
        assert checkpoints.steps() == [4, 6]
        assert checkpoints.meta(6)[0] == meta
    assert int(state.step) == 6
    assert [row["step"] for row in logs.read(folder)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("reconstruction_nats", "reconstruction"),
        ("generator_gradient_norm", "generator"),
        ("supervised_loss", "supervised"),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_diverged_is_named(name, phase, value):
    phases = tiny.build().method.phases
    metrics = {metric: 1e30 for each in phases for metric in each.metrics}
    loop.check_finite(7, phases, metrics)
    with pytest.raises(
        loop.Diverged, match=rf"^step 7: {phase} phase: {name} is {value}; .*config\.optim\.{phase}_rate"
    ):
        loop.check_finite(7, phases, metrics | {name: value})
