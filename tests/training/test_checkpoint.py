"""Checkpoints bring back every bit of a run, the newest and the best are kept, and damage is noticed."""

import gc
import os
import shutil
import signal
from pathlib import Path

import jax
import jax.flatten_util
import numpy as np
import optax
import pytest

from pixelgan_jax.config import to_dict
from pixelgan_jax.config.convert import fields_of
from pixelgan_jax.config.fields import NEVER_ABSENT
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.autoencoder.phases import optimizers
from pixelgan_jax.training import parallel
from pixelgan_jax.training.checkpoint import Checkpoints, checksums, newest
from pixelgan_jax.training.signals import Interrupted, handled_by
from tests import brief, tiny
from tests.faults.checkpoints import described


def save(folder, state, steps, errors=()):
    """Saves the state under each of the steps, with its error where there is one."""
    with Checkpoints(folder) as checkpoints:
        for step in steps:
            checkpoints.save(state.replace(step=np.int32(step)), ABOUT, dict(errors).get(step))
            checkpoints.wait()


def kept(folder):
    with Checkpoints(folder, read_only=True) as checkpoints:
        return checkpoints.steps()


def same(one, other):
    return checksums(one) == checksums(other)


# tensorstore's threads report to an event loop that is closed by then, after a read that fails
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected():
    """What a failed read leaves behind is collected here, not in the midst of another module's tests."""
    yield
    gc.collect()


MADE = brief.plain()
ABOUT = brief.meta(MADE)._replace(seconds=1.25, compile_seconds=0.5)


@pytest.fixture(scope="module")
def small():
    """The state of a model with few arrays."""
    return brief.target(MADE)(None)


@pytest.fixture(scope="module")
def four_steps(tmp_path_factory):
    """Four steps of every phase, saved after two and not waited for: (folder, run on, the states at two and four)."""
    folder, made = tmp_path_factory.mktemp("four"), tiny.build(**tiny.VIEWS)
    over, state, examples = tiny.ready(made, jax.devices()[:1])
    call = parallel.compile_step(made.method.step, over)

    def two_more(state):
        for step in range(int(state.step), int(state.step) + 2):
            state, _ = call(state, examples, parallel.split_batch(tiny.batch(step), over))
        return state

    state = two_more(state)
    at_two = jax.tree.map(np.array, state)
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(state, brief.meta(made), 0.25)
        state = two_more(state)  # donates what is being saved
        jax.block_until_ready(state)
    return folder, made, two_more, at_two, state


def test_a_state_that_is_donated_while_it_is_saved_is_saved_as_it_was(four_steps):
    folder, made, _, at_two, at_four = four_steps
    assert not same(at_two, at_four)
    with Checkpoints(folder, read_only=True) as checkpoints:
        restored, meta = checkpoints.newest_good(brief.target(made))
    assert same(restored, at_two)
    assert meta == brief.meta(made)


def test_a_restored_run_goes_on_as_if_never_stopped_bit_for_bit(four_steps):
    folder, made, two_more, _, at_four = four_steps
    with Checkpoints(folder, read_only=True) as checkpoints:
        restored, _ = checkpoints.newest_good(brief.target(made))
    assert same(two_more(restored), at_four)


def test_eight_devices_restore_what_one_saved(four_steps):
    folder, made, _, at_two, _ = four_steps
    over = parallel.make_mesh()
    with Checkpoints(folder, read_only=True) as checkpoints:
        restored, _ = checkpoints.newest_good(lambda meta: parallel.replicate(brief.target(made)(meta), over))
    assert same(restored, at_two)
    for leaf in jax.tree.leaves(restored):
        assert len(leaf.addressable_shards) == 8
        for shard in leaf.addressable_shards:
            np.testing.assert_array_equal(shard.data, leaf.addressable_shards[0].data)


def test_what_a_run_says_of_itself_comes_back(tmp_path, small):
    save(tmp_path, small, [3])
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        meta, sums = checkpoints.meta(3)
    assert (meta, sums) == (ABOUT, checksums(small.replace(step=np.int32(3))))


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({1: 0.3, 2: 0.1, 3: 0.2, 4: 0.4, 5: 0.5, 6: 0.6}, [2, 4, 5, 6]),
        ({step: 1.0 - 0.1 * step for step in range(1, 7)}, [4, 5, 6]),
        ({1: 0.2, 2: float("nan"), 4: 0.3}, [1, 4, 5, 6]),  # not every checkpoint was evaluated
        ({}, [4, 5, 6]),
    ],
)
def test_the_newest_three_and_the_best_are_kept(tmp_path, small, errors, expected):
    save(tmp_path, small, [1, 2, 3], errors)
    assert kept(tmp_path) == [1, 2, 3]
    save(tmp_path, small, [4, 5, 6], errors)  # as another process would
    assert kept(tmp_path) == expected


def test_another_step_than_the_newest_is_restored_where_it_is_asked_for(tmp_path, small):
    save(tmp_path, small, [1, 2, 3], {1: 0.3, 2: 0.1, 3: 0.2})
    for asked, step in ((None, 3), (1, 1), ("best", 2)):
        state, _ = newest(tmp_path, brief.target(MADE), asked)
        assert state.step == step
    for asked in (7, "3", True, 3.0):
        with pytest.raises(
            InputError, match=f"^step {asked!r}: must be one of those of .*checkpoints, 1, 2, 3, or best$"
        ):
            newest(tmp_path, brief.target(MADE), asked)
    state, _ = newest(tmp_path, brief.target(MADE), np.int64(1))
    assert state.step == 1
    shutil.rmtree(tmp_path / "checkpoints" / "1" / "state")
    with pytest.raises(InputError, match="checkpoints/1: cannot be restored; there are steps 2, 3 as well$"):
        newest(tmp_path, brief.target(MADE), 1)


def test_without_validation_errors_none_is_the_best(tmp_path, small):
    save(tmp_path, small, [1, 2])
    with pytest.raises(InputError, match="^step best: no checkpoint of .* has a validation error$"):
        newest(tmp_path, brief.target(MADE), "best")


def test_a_step_that_is_saved_already_is_left_alone(tmp_path, small):
    save(tmp_path, small, [1], {1: 0.5})
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    save(tmp_path, small, [1, 1], {1: 0.1})
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before


def test_saving_and_restoring_says_nothing(tmp_path, small, capfd):
    save(tmp_path, small, [1, 2])
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        checkpoints.newest_good(brief.target(MADE))
    assert capfd.readouterr() == ("", "")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_whatever_happens_to_a_file_no_wrong_value_is_restored(tmp_path, small, capsys):
    """Each file of the newest checkpoint in turn: a byte flipped, half of it gone, all of it gone."""
    save(tmp_path / "whole", small, [1, 2])
    newest = tmp_path / "whole" / "checkpoints" / "2"
    files = [path.relative_to(tmp_path / "whole") for path in newest.rglob("*") if path.is_file()]
    skips = {}
    for damage in (flip, cut, os.remove):
        for file in (file for file in files if (tmp_path / "whole" / file).stat().st_size or damage is os.remove):
            folder = tmp_path / "damaged"
            shutil.copytree(tmp_path / "whole", folder)
            damage(folder / file)
            with Checkpoints(folder, read_only=True) as checkpoints:
                state, meta = checkpoints.newest_good(brief.target(MADE))
            printed = capsys.readouterr().out
            assert (int(state.step), printed == "") in [(2, True), (1, False)], (damage, file, printed)
            assert same(state, small.replace(step=state.step)) and meta == ABOUT
            if printed:
                assert printed.startswith("checkpoint 2 skipped: ") and printed.count("\n") == 1
                skips.setdefault(damage.__name__, []).append(file.name)
            shutil.rmtree(folder)
    assert {"flip", "cut", "remove"} == set(skips)
    assert all("metadata" in names and len(names) >= 3 for names in skips.values()), skips


def test_arrays_that_orbax_reads_without_complaint_are_compared_with_what_was_saved(tmp_path, small, capsys):
    save(tmp_path, small, [1, 2])
    save(tmp_path / "other", jax.tree.map(lambda leaf: leaf + 1, small), [2])
    shutil.rmtree(tmp_path / "checkpoints" / "2" / "state")
    shutil.copytree(tmp_path / "other" / "checkpoints" / "2" / "state", tmp_path / "checkpoints" / "2" / "state")
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        state, _ = checkpoints.newest_good(brief.target(MADE))
    assert int(state.step) == 1
    assert capsys.readouterr().out.startswith("checkpoint 2 skipped: checksum of .params[")


def test_a_changed_description_is_noticed(tmp_path, small, capsys):
    save(tmp_path, small, [1, 2])
    described = tmp_path / "checkpoints" / "2" / "meta" / "metadata"
    described.write_text(described.read_text().replace('"levels": 2', '"levels": 3'))
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        state, _ = checkpoints.newest_good(brief.target(MADE))
    assert int(state.step) == 1
    assert capsys.readouterr().out.startswith("checkpoint 2 skipped: checksum of its description")


def test_a_checkpoint_of_before_a_field_existed_is_read_as_what_it_was(tmp_path, small, capsys):
    save(tmp_path, small, [1])
    older = to_dict(MADE.config)
    for group, name, field in fields_of(type(MADE.config)):
        if field.metadata["absent"] is not NEVER_ABSENT:
            del older[group][name]
    del older["method"]
    described(config=older)(tmp_path / "checkpoints" / "1")
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.meta(1)[0].config == MADE.config
        assert same(checkpoints.newest_good(brief.target(MADE))[0].replace(step=small.step), small)
    assert capsys.readouterr().out == ""


def test_optimizers_that_earlier_versions_kept_in_one_vector_are_read(tmp_path, small, capsys):
    params = {phase: jax.tree.map(np.asarray, optax.tree.get(state, "mu")) for phase, state in small.opt.items()}
    numbers = {phase: jax.tree.map(lambda x: np.random.RandomState(x.size).rand(*x.shape).astype(np.float32), tree)
               for phase, tree in params.items()}  # fmt: skip
    now = small.replace(opt={phase: optax.tree.set(small.opt[phase], mu=numbers[phase]) for phase in numbers})
    before = {}
    for phase, tree in numbers.items():
        vectors = optax.flatten(optimizers(ABOUT.config)[phase]).init(tree)
        before[phase] = optax.tree.set(vectors, mu=jax.flatten_util.ravel_pytree(tree)[0])
    save(tmp_path, now.replace(opt=before), [1])
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        found, _ = checkpoints.newest_good(brief.target(MADE))
    assert not capsys.readouterr().out
    assert same(found.replace(step=now.step), now)
    assert jax.tree.structure(found) == jax.tree.structure(now)


def test_a_damaged_checkpoint_is_replaced_when_training_gets_there(tmp_path, small, capsys):
    save(tmp_path, small, [1, 2, 3, 4])
    for step in (3, 4):
        flip(tmp_path / "checkpoints" / str(step) / "meta" / "metadata")
    shutil.rmtree(tmp_path / "checkpoints" / "3" / "state")
    with Checkpoints(tmp_path) as checkpoints:
        state, _ = checkpoints.newest_good(brief.target(MADE))
        assert int(state.step) == 2
        assert checkpoints.steps() == [2, 3, 4]
        checkpoints.save(state.replace(step=np.int32(3)), ABOUT)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["checkpoint 4 skipped", "checkpoint 3 skipped"]
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.steps() == [2, 3]
        state, _ = checkpoints.newest_good(brief.target(MADE))
    assert int(state.step) == 3
    assert capsys.readouterr().out == ""


def test_where_no_checkpoint_is_good_nothing_is_started_over(tmp_path, small):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.newest_good(brief.target(MADE)) is None  # there is nothing: that is no damage
    save(tmp_path, small, [1, 2])
    for step in (1, 2):
        cut(tmp_path / "checkpoints" / str(step) / "meta" / "metadata")
    for read_only in (True, False):
        with Checkpoints(tmp_path, read_only) as checkpoints:
            with pytest.raises(InputError, match=r"checkpoints: none of the checkpoints \[1, 2\] can be restored"):
                checkpoints.newest_good(brief.target(MADE))
    assert kept(tmp_path) == [1, 2]


def test_a_refusal_is_passed_on_and_not_taken_for_damage(tmp_path, small, capsys):
    save(tmp_path, small, [1, 2])

    def refuse(meta):
        raise InputError("config.model.layers: differs")

    with Checkpoints(tmp_path) as checkpoints, pytest.raises(InputError, match="config.model.layers: differs"):
        checkpoints.newest_good(refuse)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_restores_is_not_taken_for_damage(tmp_path, small, capsys, monkeypatch, number):
    """Orbax and tensorstore make an error of their own of what a signal's handler raises in their call-backs."""
    save(tmp_path, small, [1, 2])
    restore = Checkpoints.restore

    def interrupted(*given):
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise ValueError("Encountered error while reading") from error
        return restore(*given)

    def stop(received):
        raise Interrupted(received, "stopped")

    monkeypatch.setattr(Checkpoints, "restore", interrupted)
    with pytest.raises(Interrupted, match=f"^{signal.Signals(number).name}: stopped$"), handled_by(stop):
        newest(tmp_path, brief.target(MADE))
    before = signal.signal(number, signal.default_int_handler)  # Python's own for Ctrl-C, without the command line
    try:
        with pytest.raises(KeyboardInterrupt):
            newest(tmp_path, brief.target(MADE))
    finally:
        signal.signal(number, before)
    assert capsys.readouterr().out == "" and kept(tmp_path) == [1, 2]


def test_a_process_killed_while_it_looked_whether_it_may_write_keeps_no_other_from_it(tmp_path, small):
    save(tmp_path, small, [1])
    (tmp_path / "checkpoints" / f".{os.getpid()}.probe").mkdir()
    save(tmp_path, small, [2])
    assert kept(tmp_path) == [1, 2]


def test_what_a_killed_process_left_is_removed(tmp_path, small):
    save(tmp_path, small, [1])
    left = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints" / "1", left)
    save(tmp_path, small, [2])
    assert not left.exists()
    assert kept(tmp_path) == [1, 2]


def test_a_save_that_cannot_be_written_is_an_error_that_names_the_folder(tmp_path, small):
    with pytest.raises(OSError) as caught, Checkpoints(tmp_path) as checkpoints:
        shutil.rmtree(tmp_path / "checkpoints")
        (tmp_path / "checkpoints").write_text("in the way")
        checkpoints.save(small, ABOUT)
    assert str(tmp_path / "checkpoints") in str(caught.value)
    assert (tmp_path / "checkpoints").read_text() == "in the way"
