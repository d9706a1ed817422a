"""The groups of fields that every method has; a method's own are in methods/."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from pixelgan_jax.config.fields import boolean, choice, integer, real, refused, text

SAMPLERS = ("auto", "cached", "fixed_point", "oracle")


@dataclass(frozen=True)
class Method:
    name: str = text("the name of a method", "autoencoder", "the system that is trained", empty=False)


@dataclass(frozen=True)
class Data:
    name: str = text(
        '"digits", a TFDS name, or a path',
        "digits",
        "the data set; a path is one of a folder of images or of arrays, or of one .npz (docs/data.md)",
        empty=False,
    )
    dir: str = text(
        "a folder, or empty",
        "",
        "with a TFDS name: where the prepared data set, or its raw files, lie",
        empty=True,
        on_resume=True,
    )
    classes: int = integer(0, 0, "only the images of the first so many classes; 0: all", absent=0)
    labels: int = integer(0, 0, "labelled training images; 0: unsupervised")
    validation: int = integer(0, 200, "images held out of the training split; 0: the data's own validation part")
    seed: int = integer(
        0,
        0,
        "of the validation split and of the labelled subset, and of test images where the data have none of their own",
    )
    levels: int = integer(2, 2, "grey levels that a pixel is quantised to", high=256)
    binarisation: str = choice(
        ("stochastic", "threshold"), "stochastic", "of two levels: grey is a probability, or is rounded"
    )
    balanced: bool = boolean(True, "labelled images are as many of each class; False: any", absent=True)
    download: bool = boolean(
        False,
        "have TFDS download and prepare a data set that is not there, which needs TensorFlow",
        on_resume=True,
        absent=False,
    )
    side: int = integer(0, 0, "pixels a side that a folder's pictures are resized to; 0: none", high=1024, absent=0)
    scale: float = real(0, 1.0, "factor of every pixel: 255 over the images' white", high=255, above=True, absent=1.0)


@dataclass(frozen=True)
class Train:
    steps: int = integer(1, 1000, "of the whole run", on_resume=True)
    batch_size: int = integer(1, 128, "over all devices; labelled mini-batches have the same size")
    seed: int = integer(0, 0, "of initialisation, data order and every draw")
    checkpoint_every: int = integer(1, 500, "steps", on_resume=True)
    evaluate_every: int = integer(1, 500, "steps, on the validation split", on_resume=True)
    log_every: int = integer(1, 50, "steps", on_resume=True)
    steps_per_call: int = integer(
        0, 0, "most steps in one compiled call; 0: one on CPU, 25 on accelerators", high=10000, on_resume=True
    )
    dtype: str = choice(
        ("auto", "float32", "bfloat16"),
        "auto",
        "of the networks' arithmetic in training; auto: bfloat16 on accelerators",
        on_resume=True,
    )
    importance_draws: int = integer(
        0,
        0,
        "codes drawn for an image, by which the last evaluation bounds -log p(x), the more closely the more, where"
        " q(z|x) has a density; categories are all summed over, whatever the number; 0: left out",
        high=100_000,
        on_resume=True,
        absent=0,
    )
    replicates: int = integer(1, 1, "seeds trained one after another, from the two seeds up", high=1000, on_resume=True)


@dataclass(frozen=True)
class Sample:
    count: int = integer(1, 64, "images of a grid", high=65536, on_resume=True)
    seed: int = integer(0, 0, "of every draw", on_resume=True)
    method: str = choice(SAMPLERS, "auto", "the sampler: all draw the same images, at different speeds", on_resume=True)
    temperature: float = real(0, 1.0, "below 1 the likelier pixels become likelier still", above=True, on_resume=True)


@dataclass(frozen=True)
class Config:
    """A whole experiment. A method's own configuration adds its groups.

    removed: fields that are gone, with the value under which they did nothing.
    """

    method: Method = Method()
    data: Data = Data()
    train: Train = Train()
    sample: Sample = Sample()

    removed: ClassVar[dict[str, object]] = {}

    def check(self) -> None:
        """Raises InputError naming a field that does not go together with the others."""
        for name, seed in (("train.seed", self.train.seed), ("data.seed", self.data.seed)):
            if seed + self.train.replicates > 2**31:  # a replicate adds its number to both
                most = 2**31 - self.train.replicates
                raise refused(name, seed, f"at most {most} with {self.train.replicates} replicates")

    def idle(self) -> list[str]:
        """A line for each field that is set and does nothing beside the others."""
        return []


def groups(kind: type[Config]) -> dict[str, type]:
    """The groups of fields of a method's configuration, by name: its own between those that every method has."""
    kinds = {field.name: field.type for field in dataclasses.fields(kind)}
    own = [name for name in kinds if name not in ("train", "sample")]
    return {name: kinds[name] for name in [*own, "train", "sample"]}
