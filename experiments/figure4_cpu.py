"""Figure 4 at CPU scale, `--mode figure`."""

from ml_collections import ConfigDict

from experiments import figure2_cpu, figure4


def get_config() -> ConfigDict:
    return figure4.get_config()


def get_plan() -> dict:
    return figure2_cpu.at_scale(figure4.get_plan(), {"train.steps": 3000})
