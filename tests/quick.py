"""What has XLA compile in a hurry: tests compile far longer than they compute."""

from importlib.metadata import version

XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# The emitters of fusions before MLIR's compile in half the time and a quarter of the memory. They are to go, and
# XLA aborts at a flag that it does not know.
if version("jaxlib").startswith("0.10."):
    XLA_FLAGS += " --xla_cpu_use_fusion_emitters=false"
