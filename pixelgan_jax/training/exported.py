"""A model to take along: its averaged variables in safetensors and what they are of, in a folder or a .zip of one.

Untrusted like every file: nothing is unpickled, and what is read is held against what the description asks for and
against checksums before it is used.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from pixelgan_jax.config import Config, to_dict
from pixelgan_jax.data.readers.files import DAMAGED
from pixelgan_jax.errors import InputError, one_line
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.methods.registry import from_saved
from pixelgan_jax.training.description import checksum
from pixelgan_jax.training.workdir import write_json, write_whole

WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"
FORMAT = 1
STORED = ("float32", "int8")  # how weights may be stored
COMPACT = 1 << 14  # values from which int8 stores a kernel in 8 bits
SCALE = "/scale"  # of the kernel's name, the name of its scales
MOST_DESCRIPTION = 1 << 24  # bytes
MOST_HEADER = 1 << 20  # bytes that safetensors says of a method's arrays, at most


class ExportMeta(NamedTuple):
    """What weights are of. results: those of results.json, {} where there are none."""

    experiment: str
    config: Config
    data: DataSpec
    step: int
    names: tuple[str, ...]
    cluster_classes: tuple[str, ...]
    results: dict[str, Any]


def _named(variables: Any) -> dict[str, Any]:
    """The arrays of a tree by their paths in it, such as 0/encoder/Conv_0/kernel."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def write(folder: Path, variables: Any, meta: ExportMeta, weights: str = STORED[0]) -> None:
    """Writes model.safetensors and config.json into the folder, each whole or not at all. weights: of STORED."""
    arrays = {name: np.ascontiguousarray(jax.device_get(leaf)) for name, leaf in _named(variables).items()}
    if weights == "int8":
        arrays = _compact(arrays)
    content = safetensors.numpy.save(arrays, {"format": "flax"})
    described = {
        "format": FORMAT,
        "experiment": meta.experiment,
        "step": meta.step,
        "config": to_dict(meta.config),
        "data": {**meta.data._asdict(), "shape": list(meta.data.shape)},
        "names": list(meta.names),
        "cluster_classes": list(meta.cluster_classes),
        "results": meta.results,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / WEIGHTS, content)
    write_json(folder / DESCRIPTION, described | {"checksum": checksum(described)})


def _compact(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, large kernels [..., C] being int8 times a scale of each of C channels, float32 [C]."""
    made: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.ndim < 2 or array.size < COMPACT:
            made[name] = array
            continue
        largest = np.abs(array).max(axis=tuple(range(array.ndim - 1)))
        scale = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
        made |= {name: np.rint(array / scale).astype(np.int8), name + SCALE: scale}
    return made


def _whole(arrays: dict[str, np.ndarray], name: str) -> np.ndarray | None:
    """The array of this name, as it was before `_compact`; None where there is none."""
    array, scale = arrays.get(name), arrays.get(name + SCALE)
    if array is None or scale is None:
        return array
    if array.dtype != np.int8 or scale.dtype != np.float32 or scale.shape != array.shape[-1:]:
        raise ValueError(f"{name} is not 8 bits with a scale for each channel")
    with np.errstate(all="ignore"):  # a scale may be anything
        return array * scale


def is_one(path: Path) -> bool:
    """Whether the path is a .zip, or a folder that holds exported weights."""
    return path.is_file() and path.suffix.lower() == ".zip" or (path / WEIGHTS).is_file()


def read(path: Path, like: Callable[[ExportMeta], Any]) -> tuple[Any, ExportMeta]:
    """(variables, what they are of). `like(meta)`: the variables' shapes and types. Raises InputError naming the path
    where it is damaged, or holds other arrays than these."""
    try:
        meta, sha256 = _meta(json.loads(_content(path, DESCRIPTION, MOST_DESCRIPTION)))
        wanted = like(meta)
        named = _named(wanted)
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in named.values())
        content = _content(path, WEIGHTS, size + MOST_HEADER)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"the checksum of {WEIGHTS} differs from the one saved")
        arrays = safetensors.numpy.load(content)
        leaves = []
        for name, leaf in named.items():
            array = _whole(arrays, name)
            if array is None or array.shape != leaf.shape or array.dtype != leaf.dtype:
                raise ValueError(f"{name} is not {leaf.dtype} {list(leaf.shape)}")
            leaves.append(array)
        return jax.tree.unflatten(jax.tree.structure(wanted), leaves), meta
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (*DAMAGED, SafetensorError) as error:
        reason = one_line(str(error))[:200] or type(error).__name__
        raise InputError(f"{path}: damaged, or no exported model: {reason}; --mode export writes it anew") from error


def _content(path: Path, name: str, most: int) -> bytes:
    """A file of the folder, or of the .zip, there in a folder of it perhaps; at most so many bytes."""
    if path.is_dir():
        with open(path / name, "rb") as file:
            content = file.read(most + 1)
    else:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.namelist() if each == name or each.endswith(f"/{name}")]
            if len(members) != 1:
                raise ValueError(f"holds {len(members)} files {name}; must hold one")
            with archive.open(members[0]) as file:
                content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{name} is longer than the model it describes")
    return content


def _meta(document: Any) -> tuple[ExportMeta, str]:
    """(what the description says, the weights' SHA-256). Raises ValueError, or what a missing value raises, where a
    value is not what `write` writes."""
    if not isinstance(document, dict):
        raise ValueError(f"{DESCRIPTION} is no JSON object")
    if document.pop("checksum") != checksum(document):
        raise ValueError(f"the checksum of {DESCRIPTION} differs from the one saved")
    if document["format"] != FORMAT:
        raise ValueError(f"is of format {document['format']}; must be {FORMAT}")
    data = document["data"]
    shape, counts = tuple(data["shape"]), [data[name] for name in ("classes", "images", "labels")]
    good = len(shape) == 3 and all(type(side) is int and 0 < side < 2**16 for side in shape)
    good = good and all(type(count) is int and count >= 0 for count in (*counts, document["step"]))
    texts = [document["experiment"], *document["names"], *document["cluster_classes"]]
    if not good or not all(type(text) is str for text in texts) or not isinstance(document["results"], dict):
        raise ValueError("its description has a value that no export writes")
    meta = ExportMeta(
        document["experiment"],
        from_saved(document["config"]),
        DataSpec(shape, *counts),
        document["step"],
        tuple(document["names"]),
        tuple(document["cluster_classes"]),
        document["results"],
    )
    return meta, document["sha256"]
