"""Figure 3 of Makhzani & Frey 2017: maps of the 2-D code under shallow and deep decoders, location-invariant and
location-dependent biases, and the three encoders, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import mnist_gaussian

SHALLOW = {"model.first_kernel": 5, "model.layers": 2}  # sees 9 columns
DEEP = {"model.first_kernel": 7, "model.layers": 8}  # 23 columns
DEPENDENT = {"model.conditioning": "location_dependent"}
INVARIANT = {"model.conditioning": "location_invariant", "model.code_maps": 0}
NO_MINIMUM = {"model.minimum_sd": 0.0}  # of a posterior that has no s.d.

TITLES = {
    "shallow_invariant": "shallow decoder, location-invariant bias",
    "shallow_dependent": "shallow decoder, location-dependent bias",
    "deep_invariant": "deep decoder, location-invariant bias",
    "deep_dependent": "deep decoder, location-dependent bias",
    "shallow_dependent_deterministic": "as the second, deterministic encoder",
    "shallow_dependent_noise_fed": "as the second, noise-fed encoder",
}

CLAIM = {
    "source": "The paper, figure 3 (recalled)",
    "text": (
        "a shallow decoder with a location-dependent bias leaves the classes to the code, where they lie apart; a"
        " location-invariant bias, or a deep decoder, which draws digits without the code's help, does so less"
    ),
    "checks": [
        {"cell": "shallow_dependent", "metric": "knn_error", "at_most": 0.22},
        {"cell": "shallow_dependent", "less": "shallow_invariant", "metric": "knn_error", "at_most": 0.0},
        {"cell": "shallow_dependent", "less": "deep_dependent", "metric": "knn_error", "at_most": 0.0},
    ],
}


def get_config() -> ConfigDict:
    return mnist_gaussian.get_config()


def get_plan() -> dict:
    changes = {
        "shallow_invariant": SHALLOW | INVARIANT,
        "shallow_dependent": SHALLOW | DEPENDENT,
        "deep_invariant": DEEP | INVARIANT,
        "deep_dependent": DEEP | DEPENDENT,
        "shallow_dependent_deterministic": SHALLOW | DEPENDENT | {"model.encoder": "deterministic"} | NO_MINIMUM,
        "shallow_dependent_noise_fed": SHALLOW | DEPENDENT | {"model.encoder": "noise"} | NO_MINIMUM,
    }
    cells = {name: ("mnist_gaussian", own) for name, own in changes.items()}
    title = "Figure 3: the 2-D code of the test images"
    return {"title": title, "cells": cells, "drawing": "codes", "titles": TITLES, "claim": CLAIM}
