"""What the programs that are traced now are compiled for: "cpu", "gpu" or "tpu", which forms, precisions and the steps
of a call follow."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax

_named: list[str] = []


def platform() -> str:
    """The platform of this process's devices, or the one that a program is made for here."""
    return _named[-1] if _named else jax.default_backend()


@contextmanager
def made_for(name: str) -> Iterator[None]:
    """Inside, programs are made for another platform than this process's devices: to be compiled, not to be run."""
    _named.append(name)
    try:
        yield
    finally:
        _named.pop()
