"""Figure 6 of Makhzani & Frey 2017: samples of every class after training with few labels, a row each, `--mode figure`.

SVHN and NORB where `--config.data.dir` has them.
"""

from ml_collections import ConfigDict

from experiments import mnist

AS_REAL = {"cell": "mnist_100", "less": "real test images"}
CLAIM = {
    "source": "The paper, figure 6",
    "text": "with few labels the code is the content and the decoder draws the style: a row is one digit in many hands",
    "checks": [
        {"cell": "mnist_100", "metric": "read_as_asked", "at_least": 0.9},
        # as various as the real images of a class, within a fifth of their 0.072, and as sharp, within a tenth
        AS_REAL | {"metric": "row_variance", "at_least": -0.014, "at_most": 0.014},
        AS_REAL | {"metric": "sharpness", "at_least": -0.053, "at_most": 0.053},
    ],
}


def get_config() -> ConfigDict:
    return mnist.get_config()


def get_plan() -> dict:
    cells = {"mnist_100": ("mnist", {}), "svhn_1000": ("svhn", {}), "norb_1000": ("norb", {})}
    return {"title": "Figure 6: samples of every class", "cells": cells, "drawing": "rows", "claim": CLAIM}
