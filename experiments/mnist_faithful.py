"""`mnist` as the paper describes it, but by Adam (recipe `faithful` of Table 1): no random views, plain logits,
constant rates and a bias that is the same at every pixel."""

from ml_collections import ConfigDict

from experiments import mnist


def get_config() -> ConfigDict:
    config = mnist.plain()
    config.optim.schedule = "constant"
    return config
