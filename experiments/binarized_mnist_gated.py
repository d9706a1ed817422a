"""A gated PixelCNN of Larochelle's fixed binarisation of MNIST."""

from ml_collections import ConfigDict

from experiments import binarized_mnist


def get_config() -> ConfigDict:
    config = binarized_mnist.get_config()
    config.model.decoder = "gated_pixelcnn"
    return config
