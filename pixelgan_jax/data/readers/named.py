"""A data set's name becomes the images that its files hold, as they lie there."""

import glob
import os
from pathlib import Path

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers import formats, image_folder, tfds
from pixelgan_jax.data.readers.parts import Part, Parts
from pixelgan_jax.errors import InputError, one_line

RAW_FILES = {
    "binarized_mnist": formats.read_binarised,
    "fashion_mnist": formats.read_idx,
    "mnist": formats.read_idx,
    "svhn_cropped": formats.read_svhn,
}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
FILES = (".npz", ".csv", ".parquet", *image_folder.ENDINGS)  # how a path that has no separator ends


def read(data: Data) -> Parts:
    """The data set as its files hold it; nothing is written, but with `data.download`.

    The name is "digits", a path (it exists, begins with "." "~" or "/", ends as a file of images does, or has a
    separator and is not TFDS's), or a TFDS name. Another name with no separator is TFDS's wherever `data.dir` is set,
    whatever folder has it too.
    Raises InputError naming the field or the file, and what is allowed.
    """
    if data.name == "digits":
        return _digits()
    if is_path(data):
        return _from_path(data)
    return _from_raw_files(data) or _from_tfds(data)


def _digits() -> Parts:
    from sklearn.datasets import load_digits  # slow to import and for this only

    digits = load_digits()
    images = np.rint(digits.images[..., None] * 255 / 16).astype(np.uint8)
    # RandomState's stream never changes, so these 400 test images are the same for good.
    order, whole = np.random.RandomState(0).permutation(len(images)), Part(images, digits.target)
    return Parts(whole.at(order[:-400]), whole.at(order[-400:]))


def is_path(data: Data) -> bool:
    """Whether the name is that of a file or folder, there or not."""
    name = data.name
    if name.startswith((".", "~", "/")) or name.lower().endswith(FILES):
        return True
    separated = "/" in name or os.sep in name
    if os.path.exists(name) and (separated or not data.dir):
        return True
    if separated and tfds.NAME.fullmatch(name):
        return not tfds.has(name)
    return separated


def is_there(data: Data) -> bool:
    """Whether the file or folder of that name is, or IDX files whose names begin so (`formats.read_idx`)."""
    path = Path(os.path.expanduser(data.name))
    begun = f"{glob.escape(path.name)}*-idx?-ubyte*"
    return path.exists() or any(any(path.parent.glob(place + begun)) for place in ("", "raw/", "*/raw/"))


def _from_path(data: Data) -> Parts:
    path = Path(os.path.expanduser(data.name))
    try:
        found = formats.read(path, data)
        held = ", ".join(sorted(os.listdir(path))[:9]) or "nothing" if path.is_dir() else ""
    except OSError as error:  # a folder that may not be read, a name that is too long
        raise InputError(f"config.data.name: {one_line(str(error))[:200]}") from error
    if found is not None:
        return found
    if held:
        raise InputError(
            f"{path}: holds {one_line(held)[:200]}; must hold images in one of the formats of docs/data.md"
        )
    if not os.path.exists(path):
        raise InputError(f"config.data.name: {data.name!r}: no such file or folder; must be {tfds.ALLOWED}")
    if data.name.lower().endswith(ARCHIVES):
        raise InputError(f"{path}: is an archive; must be unpacked, and config.data.name be the folder")
    raise InputError(f"config.data.name: {data.name!r} is not allowed: must be {tfds.ALLOWED}")


def _from_raw_files(data: Data) -> Parts | None:
    """The published files of a TFDS data set, where `data.dir` holds them; else None."""
    if data.dir and data.name in RAW_FILES:
        return RAW_FILES[data.name](Path(os.path.expanduser(data.dir)), data)
    return None


def _from_tfds(data: Data) -> Parts:
    try:
        return tfds.read(data.name, os.path.expanduser(data.dir), data.download)
    except InputError as error:
        if data.dir and data.name in RAW_FILES:
            raise InputError(f"{error}; its raw files (docs/data.md) are not there either") from error
        raise
