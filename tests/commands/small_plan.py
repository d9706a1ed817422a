"""A plan of small runs, and its experiments beside it."""

from pathlib import Path

from pixelgan_jax import cli

ROOT = Path(__file__).resolve().parents[2]
# one cell on two seeds, a cell without data, and the same cell as a figure
PLAN = """
from experiments import base, tiny_clusters

def get_config():
    config = tiny_clusters.get_config()
    config.train.replicates = 2
    return config

def get_plan():
    return {
        "title": "T", "rows": {"ours": "Ours"}, "columns": {"clusters": "Clusters", "svhn": "SVHN"},
        "published": {"Theirs": {"clusters": ("5.27", "(verified)")}},
        "cells": {"ours/clusters": ("tiny_clusters", {}), "ours/svhn": ("tiny_svhn", {})},
        "drawing": "samples",
    }
"""
CLUSTERS = """
from experiments import base

def get_config():
    config = base.get_config()
    config.data.validation = 100
    config.prior.update(categories=3, adversarial=False)
    config.model.update(encoder_channels=(2,), encoder_units=4, channels=2, layers=0, discriminator_units=(4,))
    config.train.update(batch_size=16, steps=2, log_every=2, evaluate_every=2)
    config.sample.count = 4
    return config
"""
SVHN = """
from experiments import tiny_clusters

def get_config():
    config = tiny_clusters.get_config()
    config.data.name = "/no/such/folder"
    return config
"""


def write(place):
    """The folder of experiments, in `place`."""
    (place / "experiments").mkdir()
    (place / "experiments" / "base.py").write_text((ROOT / "experiments" / "base.py").read_text())
    for name, text in (("plan", PLAN), ("tiny_clusters", CLUSTERS), ("tiny_svhn", SVHN)):
        (place / "experiments" / f"{name}.py").write_text(text)
    return place


def command(folder, mode, *more):
    """The exit status of a table or figure."""
    arguments = ["--config", folder / "experiments" / "plan.py", "--mode", mode, "--workdir", folder / "runs"]
    return cli.run_command([str(argument) for argument in [*arguments, *more]])
