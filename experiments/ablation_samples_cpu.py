"""What the ablation's models draw of each class, a row each: `--mode figure --workdir runs/ablation_cpu`."""

from ml_collections import ConfigDict

from experiments import ablation_cpu

SHOWN = {
    "deep": "PixelGAN, no views",
    "deep_information": "PixelGAN, views and their information",
    "deconv_information": "adversarial autoencoder, the same",
}


def get_config() -> ConfigDict:
    return ablation_cpu.get_config()


def get_plan() -> dict:
    cells = ablation_cpu.get_plan()["cells"]
    return {
        "title": "What the ablation's models draw of each class (CPU-scale)",
        "cells": {f"{row}/labels_100": cells[f"{row}/labels_100"] for row in SHOWN},
        "drawing": "rows",
        "titles": {f"{row}/labels_100": title for row, title in SHOWN.items()},
    }
