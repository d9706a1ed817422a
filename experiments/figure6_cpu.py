"""Figure 6 at CPU scale, `--mode figure`: MNIST alone, under either bias, 35 minutes each on one core."""

from ml_collections import ConfigDict

from experiments import figure6, mnist_cpu, table1


def get_config() -> ConfigDict:
    return mnist_cpu.get_config()


def get_plan() -> dict:
    plan = figure6.get_plan()
    cells = {"mnist_100": ("mnist_cpu", {}), "location_invariant": ("mnist_cpu", table1.INVARIANT)}
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": cells}
