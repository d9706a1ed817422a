"""Small decoders of every kind, with parameters away from their initial values."""

import itertools
from functools import partial

import numpy as np
import pytest

from experiments import base
from pixelgan_jax.methods.autoencoder import model
from pixelgan_jax.methods.registry import from_dict
from tests.variables import drawn

HEIGHT, WIDTH, CODE = 5, 6, 3
DECODERS = ("pixelcnn", "gated_pixelcnn")
LIKELIHOODS = {"bernoulli": (1, 2), "categorical": (1, 5), "logistic_mixture": (1, 16), "rgb_mixture": (3, 16)}

# between the code and its biases: nothing, or a network of (dense layers, maps)
LINEAR, FEATURES, MAPS = ((), 0), ((7, 11), 0), ((7, 11), 2)
CONDITIONS = {  # the conditioning and its network
    "linear": ("location_dependent", LINEAR),
    "linear_invariant": ("location_invariant", LINEAR),
    "network": ("location_dependent", MAPS),
    "network_invariant": ("location_invariant", FEATURES),
}
# What goes through nothing that the others do not: a mixture of three channels has all that one of one has, and a bias
# for every pixel all that one for the image has
SLOW = {"logistic_mixture", "linear_invariant", "network_invariant"}
COMBINATIONS = [(kind, "linear") for kind in LIKELIHOODS] + [
    ("bernoulli", name) for name in CONDITIONS if name != "linear"
]
CASES = [  # (decoder, likelihood, condition)
    pytest.param(decoder, *case, marks=pytest.mark.slow if SLOW & set(case) else ())
    for decoder, case in itertools.product(DECODERS, COMBINATIONS)
]


def build(decoder, kind, condition="linear", layers=2, first=3, side=3, shape=None, width=CODE):
    channels, levels = LIKELIHOODS[kind]
    conditioning, (units, maps) = CONDITIONS[condition]
    fields = base.get_config()
    fields.data.levels = levels
    fields.model.update(
        decoder=decoder,
        likelihood="logistic_mixture" if kind == "rgb_mixture" else kind,
        conditioning=conditioning,
        code_units=units,
        code_maps=maps,
        channels=8,
        layers=layers,
        first_kernel=first,
        kernel=side,
        mixtures=2,
    )
    fields.prior.name = "gaussian" if width else "none"
    fields.prior.dimensions = max(width, 1)
    made = model.build(from_dict(fields), shape or (HEIGHT, WIDTH, channels))
    return made, drawn(partial(model.initialise, made), 1)[0]["decoder"]


def codes(count, width=CODE):
    return np.random.RandomState(5).randn(count, width).astype(np.float32)
