import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.data.randomness import Stream, example_keys, fold, seeded_keys


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
@pytest.mark.parametrize("streams", [(Stream.EVALUATION,), (Stream.SAMPLING, Stream.PRIOR)])
def test_seeded_keys_are_the_seeds_folded_with_stream_and_number(seed, streams):
    """Compiled or not, however many are asked for: what a seed draws never changes."""
    wanted = jax.random.key_data(example_keys(fold(jax.random.key(seed), *streams), jnp.arange(8)))
    for count, made in ((8, 8), (5, 8), (2, 2), (1, 1)):
        np.testing.assert_array_equal(jax.random.key_data(seeded_keys(seed, streams, count)), wanted[:made])
    np.testing.assert_array_equal(jax.random.key_data(seeded_keys(seed, streams, 2, start=3)), wanted[3:5])
