"""`best` taken apart, `--mode table`: what finds the digits, decoder, views, their information or the adversary?"""

from ml_collections import ConfigDict

from experiments import mnist, table1

# the deconvolutional decoder is asked for the same pixels, so that nats compare
SAME_PIXELS = {"data.binarisation": "stochastic"}
WITHOUT_VIEWS = {f"model.{field}": 0.0 for field in mnist.VIEWS} | {"optim.view_information": 0.0}
ROWS = {
    "pixelcnn": ("PixelCNN decoder, adversary, no views", WITHOUT_VIEWS),
    "pixelcnn_views": ("PixelCNN decoder, adversary, views", {"optim.view_information": 0.0}),
    "pixelcnn_information": ("PixelCNN decoder, adversary, views and their information (`best`)", {}),
    "deconv": ("Deconvolutional decoder (AAE), adversary, no views", WITHOUT_VIEWS),
    "deconv_views": ("Deconvolutional decoder (AAE), adversary, views", {"optim.view_information": 0.0}),
    "deconv_information": ("Deconvolutional decoder (AAE), adversary, views and their information", {}),
    "pixelcnn_alone": ("PixelCNN decoder, no adversary, no views", WITHOUT_VIEWS | {"prior.adversarial": False}),
    "no_reconstruction": ("No reconstruction: adversary, views and their information", {"optim.reconstruction": False}),
}
COLUMNS = ("clusters_30", "labels_100")


def get_config() -> ConfigDict:
    config = mnist.get_config()
    config.train.replicates = 3
    return config


def cells(scale: dict) -> dict:
    """Those of all rows, with these fields besides, a column after the other."""
    found = {}
    for row, (_, changes) in ROWS.items():
        if row.startswith("deconv"):
            found |= table1.aae(row, SAME_PIXELS | changes | scale)
        else:
            found |= table1.recipe(row, changes | scale)
    return {f"{row}/{column}": found[f"{row}/{column}"] for column in COLUMNS for row in ROWS}


def get_plan() -> dict:
    return {
        "title": "What finds the digits: `best` taken apart",
        "cells": cells({}),
        "columns": {column: table1.COLUMNS[column] for column in COLUMNS},
        "rows": {row: title for row, (title, _) in ROWS.items()},
        "published": {},
        "metrics": ("cluster_error_majority", "clusters_used", "reconstruction_nats", "shuffled_code_nats"),
    }
