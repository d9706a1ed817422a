"""Figure 5 at CPU scale, `--mode figure`: the run is that of table1_cpu's first seed, whose workdir may be copied."""

from ml_collections import ConfigDict

from experiments import figure2_cpu, figure5, table1_cpu


def get_config() -> ConfigDict:
    return figure5.get_config()


def get_plan() -> dict:
    return figure2_cpu.at_scale(figure5.get_plan(), table1_cpu.SCALE)
