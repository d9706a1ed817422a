"""Figure 2 of Makhzani & Frey 2017: samples of PixelGAN, of a PixelCNN alone and of an AAE, `--mode figure`.

The first two see the same 9 columns, the first and the last have the same 2-D Gaussian code.
"""

from ml_collections import ConfigDict

from experiments import mnist_gaussian

THRESHOLD = {"data.binarisation": "threshold"}  # pixels drawn at random look ragged in the real images too


def get_config() -> ConfigDict:
    return mnist_gaussian.get_config()


def get_plan() -> dict:
    cells = {
        "pixelgan": ("mnist_gaussian", THRESHOLD),
        "pixelcnn": ("mnist_pixelcnn", THRESHOLD),
        "aae": ("mnist_gaussian", {"model.decoder": "deconv"} | THRESHOLD),
    }
    return {"title": "Figure 2: samples", "cells": cells, "drawing": "samples"}
