"""The ablation at CPU scale, `--mode table`: 192,000 images a run, as Table 1's rows at that scale."""

from ml_collections import ConfigDict

from experiments import ablation, table1_cpu


def get_config() -> ConfigDict:
    return ablation.get_config()


def get_plan() -> dict:
    plan = ablation.get_plan()
    return plan | {"title": f"{plan['title']} (CPU-scale)", "cells": ablation.cells(table1_cpu.SCALE)}
