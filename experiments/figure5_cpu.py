"""Figure 5 at CPU scale, `--mode figure`: three seeds of a quarter of an hour each on one core."""

from ml_collections import ConfigDict

from experiments import figure2_cpu, figure5


def get_config() -> ConfigDict:
    config = figure5.get_config()
    config.train.replicates = 3
    return config


def get_plan() -> dict:
    return figure2_cpu.at_scale(figure5.get_plan(), {"model.layers": 4, "train.steps": 6000})
