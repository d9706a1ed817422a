"""Forms of common operations that XLA:CPU is faster with, and the one place that chooses them.

Each computes what its plain form in nn/ops.py does, up to rounding. docs/performance.md says why each is there, what it
gains, and which test holds it to the plain form. Accelerators take the plain forms.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pixelgan_jax.nn.platform import platform

FORMS = {
    "sums": "sums over all pixels, and what is broadcast to them, as matrix products with ones",
    "barriers": "results kept in memory that XLA would compute again for every reader",
    "dense": "a dense layer's gradient with the longer of its two factors first",
    "moments": "the gradient of batch statistics without a map of one value per channel",
    "patches": "convolutions of images of few channels, and of maps smaller than the kernel, as matrix products",
    "patch_statistics": "batch statistics of an image's convolution from those of its patches",
    "halving": "the input gradient of a strided convolution by even and odd rows and columns",
    "sigmoid": "a gate's sigmoid as a hyperbolic tangent",
    "doubling": "a transposed convolution of stride 2 as one of stride 1 for all four parities",
    "maxima": "maxima over 2×2 pixels element by element",
    "microbatches": "a decoder's gradient accumulated over micro-batches that fit into the caches",
    "sampler_chain": "a sampler's pixels each made to wait for the one before",
    "sampler_turns": "a few images drawn one after the other",
    "no_ynnpack": "XLA's own convolutions in place of YNNPACK's",
    "unoptimised_start": "initial parameters by a program that is not optimised, since it runs once",
}
_turned_off: set[str] = set()


def chosen(form: str) -> bool:
    """Whether an operation takes this form: on CPU, unless it is turned off."""
    assert form in FORMS
    return form not in _turned_off and platform() == "cpu"


@contextmanager
def without(*forms: str) -> Iterator[None]:
    """Inside, programs that are traced take the plain forms in place of these."""
    before = set(_turned_off)
    _turned_off.update(forms)
    try:
        yield
    finally:
        _turned_off.clear()
        _turned_off.update(before)


def compiler_options() -> dict[str, str] | None:
    """CPU compiler options that speed up programs full of convolutions; None elsewhere."""
    options = {}
    if chosen("barriers"):
        options["xla_disable_hlo_passes"] = "cse_barrier_expander"  # it removes barriers before fusion
    if chosen("no_ynnpack"):
        options["xla_cpu_experimental_ynn_fusion_type"] = ""  # its convolutions take twice as long as Eigen's
    return options or None


def run_once_options() -> dict[str, int] | None:
    """CPU compiler options for a program that runs once: optimising random generators takes ten times longer than
    running them as they are."""
    return {"xla_backend_optimization_level": 0} if chosen("unoptimised_start") else None
