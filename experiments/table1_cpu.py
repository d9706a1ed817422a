"""Table 1 at CPU scale, `--mode table`: MNIST, 3 minutes to three quarters of an hour a run on one core, few longer;
SVHN and NORB in `best` alone, where the data lie."""

from ml_collections import ConfigDict

from experiments import mnist_cpu, table1

# narrow, a shallow decoder, four epochs
SCALE = mnist_cpu.SCALE | table1.SHALLOW | {"train.steps": 3000}
SEEDS = 3
TENTH = {"optim.encoder_share": 0.1}  # of the reconstruction's rate moves the encoder
NO_DECODER = {"optim.reconstruction": False}
ERASED = table1.POOLED | {"model.input_erasing": 0.5}  # half of the views have a blank band
SELDOM_ERASED = table1.POOLED | {"model.input_erasing": 0.25}
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
ROWS = {
    "cpu_longer": "PixelGAN, ours: recipe `best`: 768,000 images, CPU-scale",
    "aae_cpu_longer": "AAE (joint discriminator), ours: same protocol: 768,000 images, CPU-scale",
    "without_views_cpu": "PixelGAN, ours: `best` without views, deep decoder: 768,000 images, CPU-scale",
    "pooled_without_views_cpu": "PixelGAN, ours: `best` without views, deep, pooling: 192,000 images, CPU-scale",
    "pooled_without_views_cpu_longer": "PixelGAN, ours: `best` without views, deep, pooling: 768,000 images, CPU-scale",
    "tenth_without_views_cpu_longer": "PixelGAN, ours: `best` without views, deep, pooling, a tenth of the"
    " reconstruction's rate moves the encoder: 768,000 images, CPU-scale",
    "noise_alone_cpu_longer": "PixelGAN, ours: `best`, views of noise alone, deep, pooling, a tenth of the"
    " reconstruction's rate moves the encoder: 768,000 images, CPU-scale",
    "noise_alone_cpu": "PixelGAN, ours: `best`, views of noise alone, deep, pooling: 192,000 images, CPU-scale",
    "aae_noise_alone_cpu": "AAE (two discriminators), ours: `best`, views of noise alone, pooling"
    ": 192,000 images, CPU-scale",
    "adversary_noise_alone_cpu": "No decoder, ours: `best`, views of noise alone, pooling: 192,000 images, CPU-scale",
    "adversary_noise_alone_by_8_cpu": "No decoder, ours: `best`, views of noise alone, pooling, mini-batches of 8"
    ": 192,000 images, CPU-scale",
    "adversary_alone_cpu": "No decoder, ours: `best` without views: 192,000 images, CPU-scale",
    "adversary_alone_cpu_longer": "No decoder, ours: `best` without views, pooling: 768,000 images, CPU-scale",
    "aae_without_views_cpu": "AAE (joint discriminator), ours: `best` without views: 768,000 images, CPU-scale",
    "aae_pooled_without_views_cpu": "AAE (joint discriminator), ours: `best` without views, pooling"
    ": 192,000 images, CPU-scale",
    "aae_apart_without_views_cpu": "AAE (two discriminators), ours: `best` without views, pooling"
    ": 192,000 images, CPU-scale",
    "pooled_cpu_longer": "PixelGAN, ours: recipe `best`, encoder with pooling: 768,000 images, CPU-scale",
    "erased_cpu_longer": "PixelGAN, ours: `best`, pooling, blank bands among the views: 768,000 images, CPU-scale",
    "seldom_erased_cpu_longer": "PixelGAN, ours: `best`, pooling, blank bands among a quarter of the views"
    ": 768,000 images, CPU-scale",
    "aae_pooled_cpu_longer": "AAE (joint discriminator), ours: same protocol, encoder with pooling"
    ": 768,000 images, CPU-scale",
    "aae_seldom_erased_cpu_longer": "AAE (joint discriminator), ours: same protocol, pooling, blank bands among a"
    " quarter of the views: 768,000 images, CPU-scale",
    "pooled_cpu": "PixelGAN, ours: recipe `best`, encoder with pooling: 192,000 images, CPU-scale",
    "erased_cpu": "PixelGAN, ours: `best`, pooling, blank bands among the views: 192,000 images, CPU-scale",
    "aae_pooled_cpu": "AAE (joint discriminator), ours: same protocol, encoder with pooling: 192,000 images, CPU-scale",
    "aae_apart_pooled_cpu": "AAE (two discriminators), ours: same protocol, encoder with pooling"
    ": 192,000 images, CPU-scale",
    "cpu": "PixelGAN, ours: recipe `best`: 192,000 images, CPU-scale",
    "aae_cpu": "AAE (joint discriminator), ours: same protocol: 192,000 images, CPU-scale",
    "faithful_cpu": "PixelGAN, ours: recipe `faithful`: 192,000 images, CPU-scale",
    "faithful_sgd_cpu": "PixelGAN, ours: recipe `faithful`, SGD at the paper's rates: 2,560,000 images, CPU-scale",
    "temporal_ensembling_cpu_longer": "Temporal Ensembling, ours: 768,000 images, CPU-scale",
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
FIRST = ("labels_100", "clusters_30")  # trained before the other columns
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


def get_plan() -> dict:
    pooled, longer, pooled_longer = SCALE | table1.POOLED, SCALE | BEST_LONGER, SCALE | table1.POOLED | BEST_LONGER
    without_views, deep_pooled = longer | table1.WITHOUT_VIEWS, pooled_longer | table1.WITHOUT_VIEWS | table1.DEEP
    cells = {
        **table1.recipe("cpu", SCALE),
        **table1.aae("aae_cpu", SCALE | table1.JOINT),
        **table1.recipe("pooled_cpu", pooled),
        **table1.aae("aae_pooled_cpu", pooled | table1.JOINT),
        **table1.recipe("erased_cpu", SCALE | ERASED),
        **table1.recipe("faithful_cpu", table1.FAITHFUL | SCALE),
        **table1.others("cpu", SCALE),
        **table1.recipe("faithful_sgd_cpu", table1.FAITHFUL_SGD | SCALE | FAITHFUL_LONGER),
        **table1.recipe("pooled_cpu_longer", pooled_longer),
        **table1.recipe("erased_cpu_longer", SCALE | ERASED | BEST_LONGER),
        **table1.aae("aae_pooled_cpu_longer", pooled_longer | table1.JOINT),
        **table1.recipe("cpu_longer", longer),
        **table1.aae("aae_cpu_longer", longer | table1.JOINT),
        **table1.recipe("without_views_cpu", without_views | table1.DEEP),
        **table1.aae("aae_without_views_cpu", without_views | table1.JOINT),
        **table1.systems(("labels_100",), SCALES, "_cpu"),
    }
    seldom_erased = SCALE | SELDOM_ERASED | BEST_LONGER
    seldom = {
        **table1.recipe("seldom_erased_cpu_longer", seldom_erased),
        **table1.aae("aae_seldom_erased_cpu_longer", seldom_erased | table1.JOINT),
    }
    cells |= {name: cell for name, cell in seldom.items() if name.endswith("labels_50")}
    ensembling, own = cells["temporal_ensembling_cpu/labels_100"]
    cells["temporal_ensembling_cpu_longer/labels_100"] = (ensembling, own | {"train.steps": 12_000})
    noise = pooled | table1.NOISE_ALONE
    pooled_alone = {
        **table1.recipe("pooled_without_views_cpu", pooled | table1.WITHOUT_VIEWS | table1.DEEP),
        **table1.recipe("pooled_without_views_cpu_longer", deep_pooled),
        **table1.recipe("tenth_without_views_cpu_longer", deep_pooled | TENTH),
        **table1.recipe("noise_alone_cpu_longer", pooled_longer | table1.NOISE_ALONE | table1.DEEP | TENTH),
        **table1.recipe("noise_alone_cpu", noise | table1.DEEP),
        **table1.aae("aae_noise_alone_cpu", noise),
        **table1.recipe("adversary_noise_alone_cpu", noise | NO_DECODER),
        **table1.recipe("adversary_alone_cpu_longer", deep_pooled | NO_DECODER),
        **table1.aae("aae_pooled_without_views_cpu", pooled | table1.WITHOUT_VIEWS | table1.JOINT),
        **table1.aae("aae_apart_without_views_cpu", pooled | table1.WITHOUT_VIEWS),
        **table1.aae("aae_apart_pooled_cpu", pooled),
    }
    kept = ("labels_100", "adversary_noise_alone_cpu/clusters_30", "aae_apart_pooled_cpu/clusters_30")
    cells |= {name: cell for name, cell in pooled_alone.items() if name.endswith(kept)}
    for name, seeds in MORE.items():
        cells[name][1]["train.replicates"] = seeds
    cells["without_views_cpu/clusters_30"][1].update(table1.DEEP_LOCATED | CLUSTERS)
    cells["aae_without_views_cpu/clusters_30"][1].update(CLUSTERS)
    experiment, own = cells["without_views_cpu/clusters_30"]
    cells["adversary_alone_cpu/clusters_30"] = (experiment, own | LONGER | NO_DECODER)
    own = own | CLUSTERS_OF_NOISE
    cells["adversary_noise_alone_by_8_cpu/clusters_30"] = (experiment, own | LONGER | NO_DECODER)
    cells["noise_alone_cpu/clusters_30"] = (experiment, own | {"train.replicates": SEEDS})
    cells["noise_alone_cpu_longer/clusters_30"] = (experiment, own | LONGER | {"train.steps": 48_000})
    for _, changes in cells.values():
        changes.setdefault("train.replicates", SEEDS)
    return table1.get_plan() | {
        "title": "Table 1 of Makhzani & Frey 2017 (CPU-scale)",
        "cells": dict(sorted(cells.items(), key=lambda item: not item[0].endswith(FIRST))),
        "rows": ROWS | table1.system_rows(SEEN, "_cpu"),
        "notes": table1.notes("_cpu") | NOTES,
    }
