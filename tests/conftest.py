"""Settings that every test shares."""

import ctypes
import gc
import os
import platform
from pathlib import Path

from tests import quick

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick.XLA_FLAGS}"  # before JAX starts

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# (B,) + (B, 1) is a bug, not a broadcast
jax.config.update("jax_numpy_rank_promotion", "raise")
# eight virtual devices: what runs on all of them is compared with what runs on the first
jax.config.update("jax_num_cpu_devices", 8)
# tracing makes many small objects that stay: looking through them every few hundred takes a tenth of the tests' time
gc.set_threshold(50_000)

# Cases of each property that does not say how many. There are 48 of hostile input:
# `python -m pytest -k hostile --hypothesis-profile=long` tries 19,200 cases, the default 1,410.
unhurried = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("short", max_examples=20, **unhurried)
settings.register_profile("long", max_examples=400, **unhurried)
settings.load_profile("short")


def pytest_configure(config):
    """What one test compiled no other compiles again: not in another module, nor by another worker, nor when the tests
    are run once more (`--cache-clear` forgets it)."""
    if cache := getattr(config, "cache", None):  # not with -p no:cacheprovider
        jax.config.update("jax_compilation_cache_dir", str(cache.mkdir("programs")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_modifyitems(items):
    """What a machine may do to a run comes first, so that it is not what CI leaves out where time is short."""
    items.sort(key=lambda item: not {"faults", "training"} & set(item.path.parts))


def pytest_runtest_setup(item):
    if item.get_closest_marker("slow") and quick.is_over():
        pytest.skip("no time was left to begin it")


@pytest.fixture(autouse=True, scope="module")
def programs_of_one_module():
    """Gives the memory of a module's compiled programs back to the system: a module that needs
    one again reads it from the folder."""
    gc.freeze()  # what is there already stays: later collections need not look at it
    yield
    jax.clear_caches()
    gc.collect()
    if platform.libc_ver()[0] == "glibc":  # which else keeps what is free between two blocks in use
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real data sets are not beside this checkout")
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
