"""The digits in bfloat16 and in float32, five seeds each, `--mode table`: what the cheaper one costs in error."""

from ml_collections import ConfigDict

from experiments import digits


def get_config() -> ConfigDict:
    config = digits.get_config()
    config.train.replicates = 5
    return config


def get_plan() -> dict:
    rows = {"float32": "PixelGAN, float32", "bfloat16": "PixelGAN, bfloat16"}
    return {
        "title": "Digits, 100 labels, by the networks' arithmetic",
        "cells": {f"{dtype}/digits": ("digits", {"train.dtype": dtype}) for dtype in rows},
        "columns": {"digits": "digits, 100 labels"},
        "rows": rows,
        "published": {},
    }
