"""Data sets that TFDS has prepared; the only place that imports it, when one is asked for."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from pixelgan_jax.data.readers.parts import Part, Parts, thirds
from pixelgan_jax.errors import InputError, first_line

NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_.\-]+)*")
ALLOWED = '"digits", a TFDS name, or a path to a folder or a file of images (docs/data.md)'
BATCH = 1000
FORMATS = ("PNG", "JPEG", "BMP")  # of the pictures that it keeps
PREPARING = "tensorflow-cpu importlib_resources"


def _missing_package(name: str, error: ImportError) -> InputError:
    needs = "`pip install tensorflow-datasets array_record pillow`"
    return InputError(
        f"config.data.name: {name!r} is no file or folder here, and TFDS's needs {needs} ({first_line(error)})"
    )


def _import_tfds(name: str) -> ModuleType:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise _missing_package(name, error) from error
    return tfds


def _hide_gpus_from_tensorflow() -> None:
    """Keeps TensorFlow off the memory that JAX needs, should TFDS or the caller have imported it.

    Reading array_record files with TFDS does not import TensorFlow, and it is not imported here for this.
    """
    if tensorflow := sys.modules.get("tensorflow"):
        with suppress(RuntimeError):  # its devices are in use already, by someone else's choice
            tensorflow.config.set_visible_devices([], "GPU")


def has(name: str) -> bool:
    """Whether TFDS itself has a data set of that name; of community data sets the network would be asked."""
    return name.split("/")[0] in _import_tfds(name).list_builders(with_community_datasets=False)


def read(name: str, folder: str, download: bool) -> Parts:
    """TFDS's data set `name` under its data_dir `folder`, "" for its own: train, test and, where it has one,
    validation; with `download` TFDS prepares it first where it is not there.

    Raises InputError naming the field and what is allowed, or how to prepare it.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"config.data.name: {name!r} is not allowed: must be {ALLOWED}")
    tfds = _import_tfds(name)
    try:
        builder = tfds.builder(name, data_dir=folder or None)
    except Exception as error:  # a data set's own module runs here: it may raise anything
        text = f"{name!r} is not allowed: must be {ALLOWED}; TFDS says: {first_line(error)}"
        raise InputError(f"config.data.name: {text}") from error
    _hide_gpus_from_tensorflow()
    if download and not builder.info.splits:
        builder = _prepared(tfds, name, folder)
    where = f", data_dir={folder!r}" if folder else ""
    call = f"tfds.builder({name!r}{where}, file_format='array_record').download_and_prepare()"
    command = f'`python -c "import tensorflow_datasets as tfds; {call}"`'
    prepare = f"--config.data.download=True, or with {command}; either needs `pip install {PREPARING}`"
    if not builder.info.splits:
        place = repr(folder) if folder else "TFDS's default folder"
        raise InputError(f"config.data.dir: {name!r} is not prepared in {place}; prepare it with {prepare}")
    try:
        splits = builder.info.splits
        own = ["validation"] if "validation" in splits and splits["validation"].num_examples else []
        return Parts(*(_part(tfds, builder, part) for part in ("train", "test", *own)))
    except InputError as error:
        raise InputError(f"config.data.name: {name!r} is not allowed: {error}") from None
    except ImportError as error:
        raise _missing_package(name, error) from error
    except NotImplementedError as error:
        text = f"{builder.data_path} is not in array_record format; delete it and prepare it with {prepare}"
        raise InputError(f"config.data.dir: {text}") from error
    except Exception as error:  # on damaged files the readers raise what their C++ and protobuf layers do
        raise InputError(f"{builder.data_path}: damaged or unreadable: {first_line(error)}") from error


def _prepared(tfds: ModuleType, name: str, folder: str) -> Any:
    """The builder of a data set that TFDS has downloaded and prepared, under its own progress bars. It keeps
    the files that it has, compares checksums, and gives the data set its name when it is whole."""
    if importlib.util.find_spec("tensorflow") is None:
        raise InputError(f"config.data.download: preparing {name!r} needs TensorFlow: `pip install {PREPARING}`")
    builder = tfds.builder(name, data_dir=folder or None, file_format="array_record")
    try:
        builder.download_and_prepare()
    except Exception as error:  # no network, no room, another file than its checksum, a data set's own code
        raise InputError(f"config.data.download: {name!r}: TFDS says: {first_line(error)}") from error
    _hide_gpus_from_tensorflow()
    return builder


def _pixels(record: bytes | np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The image [H, W, C] of a record; what its own header claims is checked before anything is unpacked."""
    if isinstance(record, np.ndarray):  # a tensor, not a picture file
        return record
    with Image.open(io.BytesIO(record), formats=FORMATS) as picture:
        if picture.size != (shape[1], shape[0]):
            raise ValueError(f"an image of {picture.size[1]} × {picture.size[0]} pixels, not {shape[0]} × {shape[1]}")
        return np.asarray(picture, np.uint8).reshape(shape)


def _part(tfds: ModuleType, builder: Any, part: str) -> Part:
    small_norb = builder.name == "smallnorb"
    label = "label_category" if small_norb else "label"
    features, kinds = builder.info.features, tfds.features
    if part not in builder.info.splits or not builder.info.splits[part].num_examples:
        raise InputError(f"has splits {', '.join(builder.info.splits)}; must have train and test, with images")
    if not isinstance(features, kinds.FeaturesDict) or "image" not in features:
        raise InputError(f"must have a feature image, and {label} where there are labels")
    image = features["image"]
    if not isinstance(image, kinds.Image | kinds.Tensor) or image.np_dtype != np.uint8:
        raise InputError("its images must be uint8")
    if len(image.shape) != 3 or None in image.shape or image.shape[2] not in (1, 3):
        raise InputError(f"its images are {image.shape}; must all have one shape [H, W, C], C 1 or 3")
    told = features[label] if label in features else None
    if told is not None and not (
        isinstance(told, kinds.Tensor) and not told.shape and np.issubdtype(told.np_dtype, np.integer)
    ):
        raise InputError(f"its {label} must be one integer an image")
    undecoded = [key for key in features if isinstance(features[key], kinds.Image)]
    source = builder.as_data_source(split=part, decoders={key: tfds.decode.SkipDecoding() for key in undecoded})
    images, labels = [], []
    for start in range(0, len(source), BATCH):
        examples = source.__getitems__(range(start, min(start + BATCH, len(source))))
        batch = np.stack([_pixels(example["image"], image.shape) for example in examples])
        images.append(thirds(batch) if small_norb else batch)
        labels.extend(int(example[label]) for example in examples if told is not None)
    return Part(np.concatenate(images), np.array(labels, np.int64) if told is not None else None)
