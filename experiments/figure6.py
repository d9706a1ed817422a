"""Figure 6 of Makhzani & Frey 2017: samples of every class after training with few labels, a row each, `--mode figure`.

SVHN and NORB where `--config.data.dir` has them, with the paper's bias, as their experiments have.
"""

from ml_collections import ConfigDict

from experiments import mnist

TITLES = {"mnist_100": "MNIST, 100 labels", "svhn_1000": "SVHN, 1,000 labels", "norb_1000": "NORB, 1,000 labels"}
CLAIM = {
    "source": "The paper, figure 6",
    "text": "with few labels the code is the content and the decoder draws the style: a row is one digit in many hands",
    "checks": [
        {"cell": "mnist_100", "metric": "read_as_asked", "at_least": 0.9},
        {"cell": "mnist_100", "metric": "row_variance_ratio", "at_least": 0.8, "at_most": 1.2},
        {"cell": "mnist_100", "metric": "sharpness_ratio", "at_least": 0.9, "at_most": 1.1},
    ],
}


def get_config() -> ConfigDict:
    return mnist.get_config()


def get_plan() -> dict:
    cells = {"mnist_100": ("mnist", {}), "svhn_1000": ("svhn", {}), "norb_1000": ("norb", {})}
    title = "Figure 6: samples of every class"
    return {"title": title, "cells": cells, "drawing": "rows", "titles": TITLES, "claim": CLAIM}
