"""Figure 5 of Makhzani & Frey 2017: samples of every cluster, a row each, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import mnist_clusters

TITLES = {"clusters_30": "PixelGAN, 30 clusters, no labels"}
CLAIM = {
    "source": "The paper, figure 5",
    "text": "without labels the clusters are of content: a row is one digit in many hands",
    "checks": [
        {"cell": "clusters_30", "metric": "cluster_error_best_example", "at_most": 0.0527},  # Table 1
        {"cell": "clusters_30", "metric": "row_purity", "at_least": 0.9},
    ],
}


def get_config() -> ConfigDict:
    return mnist_clusters.get_config()


def get_plan() -> dict:
    cells = {"clusters_30": ("mnist_clusters", {"model.layers": 8})}
    title = "Figure 5: samples of every cluster"
    return {"title": title, "cells": cells, "drawing": "rows", "titles": TITLES, "claim": CLAIM}
