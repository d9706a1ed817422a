"""`best` taken apart, `--mode table`: what finds the digits, decoder, views, their information or the adversary?"""

from ml_collections import ConfigDict

from experiments import mnist, table1
from experiments.table1 import DEEP, DEEP_LOCATED, JOINT, SHALLOW, WITHOUT_INFORMATION, WITHOUT_VIEWS

DECONV = JOINT | {"data.binarisation": "stochastic"}  # asked for the same pixels, so that nats compare
ROWS = {
    "deep": ("Deep PixelCNN, adversary, no views", DEEP | WITHOUT_VIEWS),
    "deep_located": ("Deep PixelCNN, location-dependent biases, adversary, no views", DEEP_LOCATED | WITHOUT_VIEWS),
    "deep_views": ("Deep PixelCNN, adversary, views", DEEP | WITHOUT_INFORMATION),
    "deep_draws": (
        "Deep PixelCNN, adversary, views, draws shown",
        DEEP | {"optim.view_information": 0.0},
    ),
    "deep_information": ("Deep PixelCNN, adversary, views, their information, draws shown", DEEP),
    "shallow": ("Shallow PixelCNN, adversary, no views", SHALLOW | WITHOUT_VIEWS),
    "shallow_information": ("Shallow PixelCNN, adversary, views, their information, draws shown", SHALLOW),
    "deconv": ("AAE (deconvolutional, joint discriminator), no views", DECONV | WITHOUT_VIEWS),
    "deconv_views": ("AAE (deconvolutional, joint discriminator), views", DECONV | WITHOUT_INFORMATION),
    "deconv_information": ("AAE (deconvolutional, joint discriminator), views, their information, draws shown", DECONV),
    "content_deconv": (
        "Deconvolutional decoder, no code for style, adversary, no views",
        {"model.decoder": "deconv"} | WITHOUT_VIEWS,
    ),
    "deep_alone": ("Deep PixelCNN, no adversary, no views", DEEP | WITHOUT_VIEWS | {"prior.adversarial": False}),
    "adversary_alone": ("No decoder, adversary, no views", WITHOUT_VIEWS | {"optim.reconstruction": False}),
    "labels_alone": (
        "Labels alone: no adversary, no views, the decoder (a shallow PixelCNN) does not move the encoder",
        SHALLOW | WITHOUT_VIEWS | {"prior.adversarial": False, "optim.encoder_share": 0.0},
    ),
    "no_reconstruction": (
        "No decoder, adversary, views, information, draws shown",
        {"optim.reconstruction": False},
    ),
}
COLUMNS = ("clusters_30", "labels_100")
POOLING = "labels_100_pooling"  # once more with an encoder that learns more of as few labels: is it the same story?
POOLED_ROWS = ("deep", "shallow", "deconv", "content_deconv", "deep_alone", "adversary_alone", "labels_alone")


def get_config() -> ConfigDict:
    config = mnist.get_config()
    config.train.replicates = 3
    return config


def cells(scale: dict) -> dict:
    """Those of all rows, with these fields besides, a column after the other."""
    found = {}
    for row, (_, changes) in ROWS.items():
        recipe = table1.aae if row.startswith("deconv") else table1.recipe
        found |= recipe(row, scale | changes)
    del found["deep_located/labels_100"]  # docs/trials.md: ten pictures are too few
    del found["labels_alone/clusters_30"]  # which has none
    names = [f"{row}/{column}" for column in COLUMNS for row in ROWS]
    ordered = {name: found[name] for name in names if name in found}
    for row in POOLED_ROWS:
        experiment, fields = found[f"{row}/labels_100"]
        ordered[f"{row}/{POOLING}"] = (experiment, fields | table1.POOLED)
    return ordered


def get_plan() -> dict:
    return {
        "title": "What finds the digits: `best` taken apart",
        "cells": cells({}),
        "columns": {column: table1.COLUMNS[column] for column in COLUMNS}
        | {POOLING: f"{table1.COLUMNS['labels_100']}, encoder with pooling"},
        "rows": {row: title for row, (title, _) in ROWS.items()},
        "published": {},
        "metrics": ("cluster_error_majority", "reconstruction_nats", "shuffled_code_nats"),
    }
