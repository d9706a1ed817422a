"""Parquet files of encoded pictures, as the Hugging Face hub stores image data sets.

A row has a picture, its bytes alone or with the name of the file that it was, and perhaps a label. Untrusted: what the
metadata claim is held against the file's size before a column is read, and nothing is read but those two columns.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from pixelgan_jax.data.readers.files import DEFLATE_RATIO, readable
from pixelgan_jax.data.readers.parts import Part, Parts
from pixelgan_jax.data.readers.pictures import Picture, pixels, resized_note, shape_of
from pixelgan_jax.errors import InputError, one_line

IMAGE = ("image", "img", "jpg", "png")
LABEL = ("label", "labels", "fine_label", "class", "y")
ROWS = 1000  # read at once
OF_SEVERAL = re.compile(r"-\d+-of-(\d+)\.parquet$")
PARTS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}


def find(path: Path) -> dict[str, list[Path]]:
    """The files of each part: a file alone is training images, those of a folder go by their names' beginnings, as in
    train-00000-of-00002.parquet; the folder's own, or those of one folder below it."""
    if path.suffix.lower() == ".parquet" and path.is_file():
        return {"train": [path]}
    if not path.is_dir():
        return {}
    for pattern in ("*.parquet", "*/*.parquet"):
        found: dict[str, list[Path]] = {}
        for file in sorted(path.glob(pattern)):
            for part, beginnings in PARTS.items():
                if file.name.startswith(beginnings):
                    found.setdefault(part, []).append(file)
        folders = {file.parent for files in found.values() for file in files}
        if len(folders) > 1:
            told = ", ".join(sorted(str(folder) for folder in folders))
            raise InputError(f"{path}: holds several data sets; must be one of {one_line(told)[:200]}")
        if found:
            return found
    return {}


def read(found: dict[str, list[Path]], side: int) -> Parts:
    """Reads the files of each part. side: what pictures are cropped to squares of and resized to; 0: all must have one
    size. Raises InputError naming the file that is damaged, lacks a column, or holds a picture that is not allowed."""
    if "train" not in found:
        raise InputError(f"{next(iter(found.values()))[0].parent}: has no training images (train-*.parquet)")
    rows: dict[str, tuple[list[Picture], list[np.ndarray]]] = {}
    names = None
    for part, files in found.items():
        rows[part] = ([], [])
        for file in files:
            pictures, labels, own = _read(file)
            rows[part][0].extend(pictures)
            rows[part][1].append(labels)
            if names and own and names != own:
                raise InputError(f"{file}: its classes are not called as those of the other files; must be the same")
            names = names or own
    shape = shape_of((picture for pictures, _ in rows.values() for picture in pictures), side)
    room = sum(file.stat().st_size for files in found.values() for file in files) * DEFLATE_RATIO
    if not side and sum(len(pictures) for pictures, _ in rows.values()) * int(np.prod(shape)) > room:
        raise InputError(f"{found['train'][0]}: its pictures claim more bytes than the files can hold")
    parts = {part: _part(found[part][0], *each, shape, side) for part, each in rows.items()}
    notes = resized_note(side) + _incomplete(found)
    return Parts(parts["train"], parts.get("test"), parts.get("validation"), names, notes)


def _incomplete(found: dict[str, list[Path]]) -> tuple[str, ...]:
    """What there is to say of parts of which fewer files are there than their names tell, the hub's of a download cut
    short."""
    notes = []
    for files in found.values():
        told = OF_SEVERAL.search(files[0].name)
        if told and len(files) < int(told[1]):
            notes.append(f"{one_line(files[0].name)[:100]}: only {len(files)} of {int(told[1])} files found")
    return tuple(notes)


def _part(file: Path, pictures: list[Picture], labels: list[np.ndarray], shape: tuple, side: int) -> Part:
    told = {each is None for each in labels}
    if len(told) > 1:
        raise InputError(f"{file}: some files of this part have labels and some have none; must be all or none")
    return Part(pixels(pictures, shape, side), None if True in told else np.concatenate(labels))


def _read(path: Path) -> tuple[list[Picture], np.ndarray | None, tuple[str, ...] | None]:
    """(pictures, labels [N] or None, the classes' names or None) of one file."""
    import pyarrow.parquet as pq  # slow to import and for this only

    with readable(path):
        file = pq.ParquetFile(path, memory_map=False)
        schema, size = file.schema_arrow, path.stat().st_size
        image = _column(path, schema, IMAGE, required=True)
        label = _column(path, schema, LABEL, required=False)
        _check_claims(path, file.metadata, size)
        pictures: list[Picture] = []
        labels: list[np.ndarray] = []
        wanted = [name for name in (image, label) if name is not None]
        for batch in file.iter_batches(ROWS, columns=wanted, use_threads=False):
            for content in batch.column(image).to_pylist():
                pictures.append(Picture(f"{path}: row {len(pictures)}", _content(path, len(pictures), content)))
            if label is not None:
                labels.append(_labels(path, batch.column(label)))
        if not pictures:
            raise InputError(f"{path}: has no rows; there must be at least one image")
        return pictures, np.concatenate(labels) if labels else None, _names(schema, label)


def _column(path: Path, schema: Any, names: tuple[str, ...], required: bool) -> str | None:
    found = next((name for name in names if name in schema.names), None)
    if found is None and required:
        held = one_line(", ".join(schema.names))[:200] or "none"
        raise InputError(f"{path}: has columns {held}; must have pictures in one called {' or '.join(names)}")
    return found


def _check_claims(path: Path, metadata: Any, size: int) -> None:
    """Refuses a file whose columns claim more than compression can have packed into it."""
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for column in range(columns.num_columns):
            claimed = columns.column(column).total_uncompressed_size
            if not 0 <= claimed <= size * DEFLATE_RATIO:
                raise InputError(f"{path}: a column claims {claimed} bytes, more than the file can hold")
    if metadata.num_rows > size * DEFLATE_RATIO:
        raise InputError(f"{path}: claims {metadata.num_rows} rows, more than the file can hold")


def _content(path: Path, row: int, content: Any) -> bytes:
    if isinstance(content, dict):
        content = content.get("bytes")
    if not isinstance(content, bytes):
        raise InputError(f"{path}: row {row} has no picture of its own; must hold the bytes of one")
    return content


def _labels(path: Path, column: Any) -> np.ndarray:
    labels = np.asarray([-1 if label is None else label for label in column.to_pylist()])
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise InputError(f"{path}: labels are {column.type}; must be integers, -1 where there is none")
    return labels


def _names(schema: Any, label: str | None) -> tuple[str, ...] | None:
    """The classes' names, where the file says them as the hub's do."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
        return None
    return tuple(one_line(name) for name in told) or None
