import numpy as np
import pytest

from pixelgan_jax.data.batches import indices


@pytest.mark.parametrize(("examples", "batch_size"), [(12, 4), (10, 4), (3, 8), (1, 5), (7, 1), (5, 5)])
def test_every_epoch_has_every_example_once(examples, batch_size):
    epochs = 6
    steps = -(-epochs * examples // batch_size)
    row = np.concatenate([indices(examples, batch_size, 0, 0, step) for step in range(steps)])
    for epoch in range(epochs):
        np.testing.assert_array_equal(np.sort(row[epoch * examples : (epoch + 1) * examples]), np.arange(examples))


@pytest.mark.parametrize("step", [0, 1, 999, 10**6])
def test_is_a_pure_function_of_its_arguments(step):
    first = indices(1000, 64, 7, 0, step)
    for other in range(20):
        indices(1000, 64, 7, 1, other * 17)
    np.testing.assert_array_equal(first, indices(1000, 64, 7, 0, step))
    assert first.dtype == np.int32 and first.shape == (64,)


def test_what_it_draws_never_changes():
    """A checkpoint written by one version must resume under the next: RandomState([1, 0, epoch]), epochs 0 and 1."""
    assert indices(6, 4, 1, 0, 0).tolist() == np.random.RandomState([1, 0, 0]).permutation(6)[:4].tolist()
    assert indices(6, 4, 1, 0, 1).tolist() == [
        *np.random.RandomState([1, 0, 0]).permutation(6)[4:],
        *np.random.RandomState([1, 0, 1]).permutation(6)[:2],
    ]


def test_seeds_streams_and_epochs_draw_different_orders():
    orders = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2**31 - 1, 0, 0)]
    assert len({tuple(indices(100, 100, seed, stream, step)) for seed, stream, step in orders}) == len(orders)


def test_few_examples_do_not_drive_out_the_order_of_many(monkeypatch):
    """As of 20 labels beside 50,000 images, in batches of 128."""
    drawn = []
    permuted = np.random.RandomState.permutation
    state = type(
        "State", (np.random.RandomState,), {"permutation": lambda self, n: drawn.append(n) or permuted(self, n)}
    )
    monkeypatch.setattr(np.random, "RandomState", state)
    for step in range(5):
        indices(50_001, 128, 0, 0, step)
        indices(20, 128, 0, 1, step)
    assert drawn.count(50_001) == 1


def test_a_batch_may_be_written_to_without_changing_the_next_call():
    batch = indices(8, 8, 0, 0, 0)
    before = batch.copy()
    batch[:] = 0
    np.testing.assert_array_equal(indices(8, 8, 0, 0, 0), before)
