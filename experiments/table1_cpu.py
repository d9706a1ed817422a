"""Table 1 at CPU scale, `--mode table`: MNIST, 3 minutes to three quarters of an hour a run on one core, few longer;
SVHN and NORB in `best` alone, where the data lie."""

from ml_collections import ConfigDict

from experiments import mnist_cpu, table1

# narrow, a shallow decoder, four epochs
SCALE = mnist_cpu.SCALE | table1.SHALLOW | {"train.steps": 3000}
SEEDS = 3
TENTH = {"optim.encoder_share": 0.1}  # of the reconstruction's rate moves the encoder
NO_DECODER = {"optim.reconstruction": False}
ERASED, SELDOM_ERASED = {"model.input_erasing": 0.5}, {"model.input_erasing": 0.25}  # a blank band in half, a quarter
LONGER = {"train.replicates": 1}  # what takes long has one seed, but for MORE
BEST_LONGER = LONGER | {"train.steps": 12_000}
# without views a surer head finds clusters sooner, and they go on moving as long as the decoder learns, which small
# mini-batches and a high rate hasten, and as long as the adversary does not win, which the smallest put off; a soft
# code finds them, and a sure one gives each image to its own
CLUSTERS = {
    **table1.POOLED,
    "train.batch_size": 8,
    "train.steps": 24_000,
    "optim.reconstruction_rate": 3e-3,
    "model.logits_batch_norm": 20.0,
    "optim.temperature": 4.0,
    "model.encoder_channels": (32, 64, 128),
    "model.encoder_units": 1024,
    "optim.discriminator_rate": 1e-4,  # faster it tells so sure a softmax from one-hot codes, and wins
}
# beside that, what two draws of noise on an image share
CLUSTERS_OF_NOISE = {"optim.view_information": 3.0, "model.discriminator_draws": True}
FAITHFUL_LONGER = LONGER | {"train.steps": 40_000}  # half an hour: without views a step is cheap
POOLED, LONG = SCALE | table1.POOLED, SCALE | BEST_LONGER
POOLED_LONG = POOLED | BEST_LONGER
FIRST = ("labels_100", "clusters_30")  # trained before the other columns
ROWS = {  # title, and the fields of their cells
    "cpu_longer": ("PixelGAN, ours: recipe `best`: 768,000 images, CPU-scale", LONG),
    "aae_cpu_longer": (
        "AAE (joint discriminator), ours: same protocol: 768,000 images, CPU-scale",
        LONG | table1.JOINT,
    ),
    "without_views_cpu": (
        "PixelGAN, ours: `best` without views, deep decoder: 768,000 images, CPU-scale",
        LONG | table1.WITHOUT_VIEWS | table1.DEEP,
    ),
    "pooled_without_views_cpu": (
        "PixelGAN, ours: `best` without views, deep, pooling: 192,000 images, CPU-scale",
        POOLED | table1.WITHOUT_VIEWS | table1.DEEP,
    ),
    "pooled_without_views_cpu_longer": (
        "PixelGAN, ours: `best` without views, deep, pooling: 768,000 images, CPU-scale",
        POOLED_LONG | table1.WITHOUT_VIEWS | table1.DEEP,
    ),
    "tenth_without_views_cpu_longer": (
        "PixelGAN, ours: `best` without views, deep, pooling, a tenth of the reconstruction's rate moves the"
        " encoder: 768,000 images, CPU-scale",
        POOLED_LONG | table1.WITHOUT_VIEWS | table1.DEEP | TENTH,
    ),
    "noise_alone_cpu_longer": (
        "PixelGAN, ours: `best`, views of noise alone, deep, pooling, a tenth of the reconstruction's rate"
        " moves the encoder: 768,000 images, CPU-scale",
        POOLED_LONG | table1.NOISE_ALONE | table1.DEEP | TENTH,
    ),
    "noise_alone_cpu": (
        "PixelGAN, ours: `best`, views of noise alone, deep, pooling: 192,000 images, CPU-scale",
        POOLED | table1.NOISE_ALONE | table1.DEEP,
    ),
    "aae_noise_alone_cpu": (
        "AAE (two discriminators), ours: `best`, views of noise alone, pooling: 192,000 images, CPU-scale",
        POOLED | table1.NOISE_ALONE,
    ),
    "adversary_noise_alone_cpu": (
        "No decoder, ours: `best`, views of noise alone, pooling: 192,000 images, CPU-scale",
        POOLED | table1.NOISE_ALONE | NO_DECODER,
    ),
    "adversary_noise_alone_by_8_cpu": (
        "No decoder, ours: `best`, views of noise alone, pooling, mini-batches of 8: 192,000 images, CPU-scale",
        {},
    ),
    "adversary_alone_cpu": ("No decoder, ours: `best` without views: 192,000 images, CPU-scale", {}),
    "adversary_alone_cpu_longer": (
        "No decoder, ours: `best` without views, pooling: 768,000 images, CPU-scale",
        POOLED_LONG | table1.WITHOUT_VIEWS | table1.DEEP | NO_DECODER,
    ),
    "aae_without_views_cpu": (
        "AAE (joint discriminator), ours: `best` without views: 768,000 images, CPU-scale",
        LONG | table1.WITHOUT_VIEWS | table1.JOINT,
    ),
    "aae_pooled_without_views_cpu": (
        "AAE (joint discriminator), ours: `best` without views, pooling: 192,000 images, CPU-scale",
        POOLED | table1.WITHOUT_VIEWS | table1.JOINT,
    ),
    "aae_apart_without_views_cpu": (
        "AAE (two discriminators), ours: `best` without views, pooling: 192,000 images, CPU-scale",
        POOLED | table1.WITHOUT_VIEWS,
    ),
    "pooled_cpu_longer": (
        "PixelGAN, ours: recipe `best`, encoder with pooling: 768,000 images, CPU-scale",
        POOLED_LONG,
    ),
    "erased_cpu_longer": (
        "PixelGAN, ours: `best`, pooling, blank bands among the views: 768,000 images, CPU-scale",
        POOLED_LONG | ERASED,
    ),
    "seldom_erased_cpu_longer": (
        "PixelGAN, ours: `best`, pooling, blank bands among a quarter of the views: 768,000 images, CPU-scale",
        POOLED_LONG | SELDOM_ERASED,
    ),
    "aae_pooled_cpu_longer": (
        "AAE (joint discriminator), ours: same protocol, encoder with pooling: 768,000 images, CPU-scale",
        POOLED_LONG | table1.JOINT,
    ),
    "aae_seldom_erased_cpu_longer": (
        "AAE (joint discriminator), ours: same protocol, pooling, blank bands among a quarter of the views:"
        " 768,000 images, CPU-scale",
        POOLED_LONG | SELDOM_ERASED | table1.JOINT,
    ),
    "pooled_cpu": ("PixelGAN, ours: recipe `best`, encoder with pooling: 192,000 images, CPU-scale", POOLED),
    "erased_cpu": (
        "PixelGAN, ours: `best`, pooling, blank bands among the views: 192,000 images, CPU-scale",
        POOLED | ERASED,
    ),
    "aae_pooled_cpu": (
        "AAE (joint discriminator), ours: same protocol, encoder with pooling: 192,000 images, CPU-scale",
        POOLED | table1.JOINT,
    ),
    "aae_apart_pooled_cpu": (
        "AAE (two discriminators), ours: same protocol, encoder with pooling: 192,000 images, CPU-scale",
        POOLED,
    ),
    "cpu": ("PixelGAN, ours: recipe `best`: 192,000 images, CPU-scale", SCALE),
    "aae_cpu": ("AAE (joint discriminator), ours: same protocol: 192,000 images, CPU-scale", SCALE | table1.JOINT),
    "faithful_cpu": ("PixelGAN, ours: recipe `faithful`: 192,000 images, CPU-scale", table1.FAITHFUL | SCALE),
    "faithful_sgd_cpu": (
        "PixelGAN, ours: recipe `faithful`, SGD at the paper's rates: 2,560,000 images, CPU-scale",
        table1.FAITHFUL_SGD | SCALE | FAITHFUL_LONGER,
    ),
    "temporal_ensembling_cpu_longer": ("Temporal Ensembling, ours: 768,000 images, CPU-scale", {}),
}
ONLY = {  # columns of rows that do not have all of MNIST's; (): get_plan makes theirs
    "pooled_without_views_cpu": FIRST[:1],
    "pooled_without_views_cpu_longer": FIRST[:1],
    "tenth_without_views_cpu_longer": FIRST[:1],
    "noise_alone_cpu_longer": FIRST[:1],
    "noise_alone_cpu": FIRST[:1],
    "aae_noise_alone_cpu": FIRST[:1],
    "adversary_noise_alone_cpu": FIRST,
    "adversary_noise_alone_by_8_cpu": (),
    "adversary_alone_cpu": (),
    "adversary_alone_cpu_longer": FIRST[:1],
    "aae_pooled_without_views_cpu": FIRST[:1],
    "aae_apart_without_views_cpu": FIRST[:1],
    "seldom_erased_cpu_longer": ("labels_50",),
    "aae_seldom_erased_cpu_longer": ("labels_50",),
    "aae_apart_pooled_cpu": FIRST,
    "temporal_ensembling_cpu_longer": (),
}
# the other systems: as many steps as fit into half an hour of one core, one seed
ONE = {"train.replicates": 1, "train.batch_size": 64}
SCALES = {
    "catgan": ONE | {"train.steps": 3000},
    "temporal_ensembling": ONE | {"train.steps": 4000, "ensembling.weight": 3.0},  # docs/trials.md
    "pi_model": ONE | {"train.steps": 6000},
    "infogan": {"train.replicates": 1},
    "infogan_20": {"train.replicates": 1},
}
SEEN = {  # steps × batch
    "catgan": "192,000 images, CPU-scale",
    "temporal_ensembling": "256,000 images, CPU-scale",
    "pi_model": "384,000 images, CPU-scale",
    "infogan": "640,000 images",
}
NOTES = {
    "without_views_cpu/clusters_30": "location-dependent biases, 192,000 images by 8",
    "noise_alone_cpu/clusters_30": "location-dependent biases, 192,000 images by 8",
    "noise_alone_cpu_longer/clusters_30": "location-dependent biases, the whole rate, 384,000 images by 8",
    "aae_without_views_cpu/clusters_30": "192,000 images by 8",
    "adversary_alone_cpu/clusters_30": "192,000 images by 8",
}
MORE = {  # seeds of a cell that has more than its row
    "cpu_longer/labels_100": SEEDS,
    "cpu_longer/clusters_30": SEEDS,
    "cpu_longer/labels_50": SEEDS,
    "cpu_longer/labels_20": SEEDS,
    "aae_cpu_longer/labels_100": SEEDS,
    "aae_cpu_longer/clusters_30": SEEDS,
    "aae_cpu_longer/labels_20": SEEDS,
    "pooled_cpu_longer/labels_100": 10,
    "erased_cpu_longer/labels_50": SEEDS,
    "seldom_erased_cpu_longer/labels_50": SEEDS,
    "pooled_cpu_longer/clusters_30": SEEDS,
    "pooled_cpu_longer/labels_20": SEEDS,
    "noise_alone_cpu_longer/labels_100": SEEDS,
    "aae_pooled_cpu_longer/labels_100": SEEDS,
    "aae_pooled_cpu_longer/clusters_30": SEEDS,
    "cpu/clusters_30": 10,
    "without_views_cpu/clusters_30": 5,
}


def get_config() -> ConfigDict:
    config = table1.get_config()
    config.train.replicates = max(SEEDS, *MORE.values())  # of any cell
    return config


def _without_views(experiment: str, fields: dict) -> dict:
    """The cells of clusters by mini-batches of 8, from those fields of 30 clusters without views."""
    own = fields | table1.DEEP_LOCATED | CLUSTERS
    noise = own | CLUSTERS_OF_NOISE
    return {
        "without_views_cpu/clusters_30": (experiment, own),
        "adversary_alone_cpu/clusters_30": (experiment, own | LONGER | NO_DECODER),
        "adversary_noise_alone_by_8_cpu/clusters_30": (experiment, noise | LONGER | NO_DECODER),
        "noise_alone_cpu/clusters_30": (experiment, noise | {"train.replicates": SEEDS}),
        "noise_alone_cpu_longer/clusters_30": (experiment, noise | LONGER | {"train.steps": 48_000}),
    }


def get_plan() -> dict:
    cells = table1.others("cpu", SCALE) | table1.systems(("labels_100",), SCALES, "_cpu")
    for row, (_, fields) in ROWS.items():
        made = (table1.aae if row.startswith("aae") else table1.recipe)(row, fields)
        cells |= {f"{row}/{column}": made[f"{row}/{column}"] for column in ONLY.get(row, table1.MNIST)}
    ensembling, own = cells["temporal_ensembling_cpu/labels_100"]
    cells["temporal_ensembling_cpu_longer/labels_100"] = (ensembling, own | {"train.steps": 12_000})
    cells["aae_without_views_cpu/clusters_30"][1].update(CLUSTERS)
    for name, seeds in MORE.items():
        cells[name][1]["train.replicates"] = seeds
    cells |= _without_views(*cells["without_views_cpu/clusters_30"])
    for _, changes in cells.values():
        changes.setdefault("train.replicates", SEEDS)
    return table1.get_plan() | {
        "title": "Table 1 of Makhzani & Frey 2017 (CPU-scale)",
        "cells": dict(sorted(cells.items(), key=lambda item: not item[0].endswith(FIRST))),
        "rows": {row: title for row, (title, _) in ROWS.items()} | table1.system_rows(SEEN, "_cpu"),
        "notes": table1.notes("_cpu") | NOTES,
    }
