"""Figure 5 of Makhzani & Frey 2017: samples of every cluster, a row each, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import mnist_clusters


def get_config() -> ConfigDict:
    return mnist_clusters.get_config()


def get_plan() -> dict:
    cells = {"clusters_30": ("mnist_clusters", {})}
    return {"title": "Figure 5: samples of every cluster", "cells": cells, "drawing": "rows"}
