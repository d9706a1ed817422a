"""A locked ConfigDict becomes frozen dataclasses; every field is checked here and nowhere else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pixelgan_jax.config.fields import boolean, choice, integer, odd, real, refused, shown, text, value_of, widths
from pixelgan_jax.errors import InputError

# Fields that may differ between a checkpoint and the run that resumes it.
FREE_ON_RESUME = (
    "train.steps",
    "train.checkpoint_every",
    "train.evaluate_every",
    "train.log_every",
    "train.steps_per_call",
    "train.dtype",
    "train.replicates",
    "sample.count",
    "sample.seed",
    "sample.method",
    "sample.temperature",
)

# Fields younger than the first checkpoints, with the value under which a run is what it was before them.
ADDED = {
    "data.classes": 0,
    "model.input_translation": 0.0,
    "model.input_rotation": 0.0,
    "model.input_scaling": 0.0,
    "model.input_shear": 0.0,
    "model.input_thickness": 0.0,
    "model.discriminator_draws": False,
    "optim.view_information": 0.0,
}

# Fields that are gone, with the value under which they did nothing.
REMOVED = {"optim.consistency": 0.0}


@dataclass(frozen=True)
class Data:
    name: str = text('"digits", a TFDS name, or a path', empty=False)
    dir: str = text("a folder, or empty", empty=True)
    classes: int = integer(0)
    labels: int = integer(0)
    validation: int = integer(1)
    seed: int = integer(0)
    levels: int = integer(2, 256)
    binarisation: str = choice("stochastic", "threshold")


@dataclass(frozen=True)
class Model:
    encoder: str = choice("deterministic", "gaussian", "noise")
    encoder_channels: tuple[int, ...] = widths()
    encoder_units: int = integer(1, 65536)
    encoder_batch_norm: bool = boolean()
    logits_batch_norm: float = real(0)
    input_noise: float = real(0)
    input_translation: float = real(0)
    input_rotation: float = real(0, 180)
    input_scaling: float = real(0, 1, below=True)
    input_shear: float = real(0)
    input_thickness: float = real(0, 1)
    noise_dimensions: int = integer(1, 65536)
    decoder: str = choice("pixelcnn", "gated_pixelcnn", "deconv")
    channels: int = integer(1, 65536)
    layers: int = integer(0, 1000)
    first_kernel: int = odd(3, 99)
    kernel: int = odd(3, 99)
    conditioning: str = choice("location_invariant", "location_dependent")
    likelihood: str = choice("bernoulli", "categorical", "logistic_mixture")
    mixtures: int = integer(1, 1000)
    discriminator_units: tuple[int, ...] = widths()
    discriminator_noise: float = real(0)
    discriminator_draws: bool = boolean()


@dataclass(frozen=True)
class Prior:
    name: str = choice("none", "gaussian", "categorical", "product")
    categories: int = integer(2, 65536)
    dimensions: int = integer(1, 65536)
    adversarial: bool = boolean()


@dataclass(frozen=True)
class Optim:
    reconstruction_rate: float = real(0, above=True)
    discriminator_rate: float = real(0, above=True)
    generator_rate: float = real(0, above=True)
    supervised_rate: float = real(0, above=True)
    momentum: float = real(0, 1, below=True)
    adversarial_momentum: float = real(0, 1, below=True)
    schedule: str = choice("cosine", "constant")
    warmup: float = real(0, 1, below=True)
    clip: float = real(0)
    ema: float = real(0, 1, below=True)
    view_information: float = real(0)


@dataclass(frozen=True)
class Train:
    steps: int = integer(1)
    batch_size: int = integer(1)
    seed: int = integer(0)
    checkpoint_every: int = integer(1)
    evaluate_every: int = integer(1)
    log_every: int = integer(1)
    steps_per_call: int = integer(0, 10000)
    dtype: str = choice("auto", "float32", "bfloat16")
    replicates: int = integer(1, 1000)


@dataclass(frozen=True)
class Sample:
    count: int = integer(1, 65536)
    seed: int = integer(0)
    method: str = choice("auto", "cached", "fixed_point", "oracle")
    temperature: float = real(0, above=True)


@dataclass(frozen=True)
class Config:
    """A whole experiment; see experiments/base.py for what each field means."""

    data: Data
    model: Model
    prior: Prior
    optim: Optim
    train: Train
    sample: Sample


GROUPS = {"data": Data, "model": Model, "prior": Prior, "optim": Optim, "train": Train, "sample": Sample}


def _group(group: str, kind: type, values: Any) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not hasattr(values, "items"):
        raise refused(group, values, "a group of fields")
    values = dict(values.items())
    for name in values:
        if name not in fields:
            raise InputError(f"config.{group}.{shown(name)}: no such field; config.{group} has {', '.join(fields)}")
    for name in fields:
        if name not in values:
            raise InputError(f"config.{group}.{name}: missing; must be {fields[name].metadata['allowed']}")
    return kind(**{name: value_of(f"{group}.{name}", field, values[name]) for name, field in fields.items()})


def from_dict(values: Any) -> Config:
    """Checks every field of a ConfigDict or nested dict and returns the frozen Config.

    Raises InputError naming the first field that is unknown, missing, mistyped or out of range.
    """
    for name in values:
        if name not in GROUPS:
            raise InputError(f"config.{shown(name)}: no such group; a config has {', '.join(GROUPS)}")
    for name in GROUPS:
        if name not in values:
            raise InputError(f"config.{name}: missing; a config has {', '.join(GROUPS)}")
    config = Config(**{name: _group(name, kind, values[name]) for name, kind in GROUPS.items()})
    _check_together(config)
    return config


def from_saved(values: Any) -> Config:
    """`from_dict` of a configuration that this or an earlier version saved; raises InputError as that does, also where
    it used a field that is gone."""
    values = dict(values)
    for name, value in ADDED.items():
        group, field = name.split(".")
        if isinstance(values.get(group), dict):
            values[group] = {field: value} | values[group]
    for name, value in REMOVED.items():
        group, field = name.split(".")
        if isinstance(values.get(group), dict) and values[group].get(field) == value:
            values[group] = {other: kept for other, kept in values[group].items() if other != field}
    return from_dict(values)


def describe() -> str:
    """A line for each field: its name and what is allowed."""
    return "\n".join(
        f"  --config.{group}.{field.name}: {field.metadata['allowed']}"
        for group, kind in GROUPS.items()
        for field in dataclasses.fields(kind)
    )


def to_dict(config: Config) -> dict[str, dict[str, Any]]:
    """The nested dict that `from_dict` takes back, of JSON types (tuples become lists)."""
    values = dataclasses.asdict(config)
    return {
        group: {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
        for group, fields in values.items()
    }


def _check_together(config: Config) -> None:
    model, prior, data, train = config.model, config.prior, config.data, config.train
    for name, seed in (("train.seed", train.seed), ("data.seed", data.seed)):
        if seed + train.replicates > 2**31:  # a replicate adds its number to both
            raise refused(name, seed, f"at most {2**31 - train.replicates} with {train.replicates} replicates")
    if model.likelihood == "bernoulli" and data.levels != 2:
        raise InputError(f"config.data.levels: {data.levels} is not allowed: must be 2 with likelihood bernoulli")
    if data.labels and prior.name not in ("categorical", "product"):
        raise InputError(
            f"config.data.labels: {data.labels} is not allowed: must be 0 with prior.name {prior.name};"
            " labels need a categorical code"
        )
    if config.optim.view_information and not (prior.adversarial and prior.name in ("categorical", "product")):
        raise InputError(
            f"config.optim.view_information: {config.optim.view_information} is not allowed: must be 0 without a"
            " categorical code or without prior.adversarial"
        )
    if prior.name == "none" and model.decoder == "deconv":
        raise InputError("config.prior.name: 'none' is not allowed: the deconv decoder must have a code")
    if prior.name in ("none", "categorical") and model.encoder != "deterministic":
        raise InputError(
            f"config.model.encoder: {model.encoder!r} is not allowed: must be deterministic with prior.name"
            f" {prior.name}, which has no continuous code"
        )


def first_difference(saved: Config, wanted: Config) -> str | None:
    """Names the first field, with both values, that keeps `wanted` from resuming `saved`; None if nothing does."""
    old, new = to_dict(saved), to_dict(wanted)
    for group, fields in new.items():
        for name, value in fields.items():
            if f"{group}.{name}" not in FREE_ON_RESUME and old[group][name] != value:
                return f"config.{group}.{name}: {value!r} differs from the checkpoint's {old[group][name]!r}"
    return None
