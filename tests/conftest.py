"""Settings and compiled pieces that the tests share."""

from pathlib import Path

import jax
import pytest

# (B,) + (B, 1) is a bug, not a broadcast
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data sets are not beside this checkout")
    return folder
