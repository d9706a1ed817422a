"""Forms of common operations that XLA:CPU is faster with."""
