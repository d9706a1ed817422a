"""The ablation at CPU scale, `--mode table`: 192,000 images a run, as Table 1's rows at that scale."""

from ml_collections import ConfigDict

from experiments import ablation, table1_cpu

SEVERAL = (  # on three seeds, since they decide a sentence; the others on one
    "deep/labels_100",
    "deconv/labels_100",
    "adversary_alone/labels_100",
    "adversary_alone/labels_100_pooling",
)


def get_config() -> ConfigDict:
    return ablation.get_config()


def get_plan() -> dict:
    plan = ablation.get_plan()
    cells = ablation.cells(table1_cpu.SCALE)
    for name in cells.keys() - set(SEVERAL):
        cells[name][1]["train.replicates"] = 1
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}
