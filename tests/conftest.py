"""Settings that every test shares."""

import os
from pathlib import Path

# tests compile far longer than they compute; set before JAX starts
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

import jax  # noqa: E402
import pytest  # noqa: E402

# (B,) + (B, 1) is a bug, not a broadcast
jax.config.update("jax_numpy_rank_promotion", "raise")
# eight virtual devices: what runs on all of them is compared with what runs on the first
jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data sets are not beside this checkout")
    return folder
