"""`mnist` for a laptop: smaller networks, an encoder with pooling; 35 minutes of one core."""

from ml_collections import ConfigDict

from experiments import mnist

# the networks and mini-batches of everything at CPU scale
SCALE = {"train.batch_size": 64, "model.encoder_channels": (16, 32, 64), "model.channels": 16}


def get_config() -> ConfigDict:
    config = mnist.get_config()
    config.update_from_flattened_dict(SCALE)
    config.model.encoder_pooling = True
    config.train.steps = 12_000
    return config
