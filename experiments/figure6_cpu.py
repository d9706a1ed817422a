"""Figure 6 at CPU scale, `--mode figure`: MNIST alone, 25 to 35 minutes a run on one core, three seeds of PixelGAN.

Beside PixelGAN with a bias for every pixel: under the paper's for labels, and the adversarial autoencoder, whose code
has ten more dimensions.
"""

from ml_collections import ConfigDict

from experiments import figure6, mnist_cpu, table1, table1_cpu


def get_config() -> ConfigDict:
    config = mnist_cpu.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    plan = figure6.get_plan()
    aae, own = table1_cpu.get_plan()["cells"]["aae_pooled_cpu_longer/labels_100"]
    cells = {
        "mnist_100": ("mnist_cpu", {}),
        "location_invariant": ("mnist_cpu", table1.INVARIANT | table1_cpu.LONGER),
        "aae": (aae, own | table1_cpu.LONGER),
    }
    titles = {
        "mnist_100": "PixelGAN, a bias for every pixel",
        "location_invariant": "PixelGAN, the paper's bias, the same at every pixel",
        "aae": "adversarial autoencoder",
    }
    return plan | {"title": f"{plan['title']}, MNIST with 100 labels (CPU-scale)", "cells": cells, "titles": titles}
