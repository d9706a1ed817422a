"""Figure 3 at CPU scale, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import figure2_cpu, figure3


def get_config() -> ConfigDict:
    return figure3.get_config()


def get_plan() -> dict:
    return figure2_cpu.at_scale(figure3.get_plan())
