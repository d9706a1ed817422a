"""A part of SVHN, 1,000 labels, with views that suit house numbers; `data.name` is its folder (docs/data.md)."""

from ml_collections import ConfigDict

from experiments import svhn

# a house number stays that number; it may be light on dark or dark on light
VIEWS = {
    "input_translation": 2.0,
    "input_rotation": 5.0,
    "input_scaling": 0.15,
    "input_shear": 0.1,
    "input_contrast": 2.0,
}


def get_config() -> ConfigDict:
    config = svhn.get_config()
    config.data.name = "svhn_reduced"
    config.data.validation = 1000
    config.model.update(VIEWS)
    config.model.logits_batch_norm = 3.0
    config.model.discriminator_draws = True
    config.optim.view_information = 10.0
    return config
