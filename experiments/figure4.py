"""Figure 4 of Makhzani & Frey 2017: a code of three categories on its simplex, of three digits, with and without the
adversary, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import mnist_clusters, table1

TITLES = {"with_adversary": "with the adversary", "without_adversary": "without it"}
CLAIM = {
    "source": "The paper, figure 4 (three digits: recalled)",
    "text": "the adversary drives the codes of three digits apart, into the corners of the simplex, a digit to each",
    "checks": [
        {"cell": "with_adversary", "metric": "cluster_error_best_example", "at_most": 0.05},
        {
            "cell": "with_adversary",
            "less": "without_adversary",
            "metric": "cluster_error_best_example",
            "at_most": 0.0,
        },
    ],
}


def get_config() -> ConfigDict:
    return mnist_clusters.get_config()


def get_plan() -> dict:
    # plain: what `best` adds would spread the codes over the simplex by itself; the bias for every pixel that clusters
    # have, so that a category can stand for a layout
    own = {"data.classes": 3, "data.validation": 3000, "prior.categories": 3} | table1.PLAIN | table1.SHALLOW
    cells = {
        "with_adversary": ("mnist_clusters", own),
        "without_adversary": ("mnist_clusters", own | {"prior.adversarial": False}),
    }
    title = "Figure 4: three categories of the digits 0, 1 and 2"
    return {"title": title, "cells": cells, "drawing": "codes", "titles": TITLES, "claim": CLAIM}
