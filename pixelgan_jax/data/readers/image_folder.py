"""A folder of image files, PNG, JPEG, WebP and others: a folder for each class or none, with or without train and test.

Untrusted like every file: what a picture's header claims is looked at before it is unpacked, no link is followed out of
the folder, and hidden files are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from pixelgan_jax.data.readers.parts import Part, Parts
from pixelgan_jax.data.readers.pictures import Picture, pixels, resized_note, shape_of
from pixelgan_jax.errors import InputError, one_line

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")  # one of pictures.FORMATS each
IMAGES = {*ENDINGS, ".gif", ".jfif", ".jp2", ".avif", ".heic", ".heif", ".svg", ".tga", ".ico", ".pcx", ".pbm", ".pnm"}
PARTS = {"train": ("train", "training"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}
PART_NAMES = {name for names in PARTS.values() for name in names}
DEPTH = 2  # of the folders of a part's classes


def is_picture(path: Path) -> bool:
    """By its name alone."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def is_folder_of_pictures(folder: Path) -> bool:
    """Whether pictures lie in the folder, or in folders up to two below it; one that may not be read holds none."""
    for place, folders, names in os.walk(folder):
        if any(is_picture(Path(place, name)) for name in names):
            return True
        if len(Path(place).relative_to(folder).parts) == DEPTH:
            folders.clear()  # os.walk goes no further down
    return False


def read(folder: Path, side: int) -> Parts:
    """Reads the folder: its train, val and test where it has a train, otherwise itself as one part.

    A part is a folder for each class, in the order of their names, or pictures alone, which have no labels. side: what
    they are cropped to squares of and resized to; 0: all must have one size. Raises InputError naming the file or
    folder that is broken, of another size, or leads elsewhere.
    """
    root = os.path.realpath(folder)
    places = {part: _first(folder, names) for part, names in PARTS.items()}
    if places["train"] is None:
        if parts := _parts_alone(folder):
            told = f"holds pictures of {' and '.join(parts)} and no train"
            raise InputError(f"{folder}: {told}; must hold train as well, or be that folder itself")
        places = {"train": folder, "validation": None, "test": None}
    files = {part: _files(place, root) for part, place in places.items() if place}
    if files["train"].get("") and list(files) == ["train"] and places["train"] != folder:
        for other in _folders(folder):
            if other.name.lower() not in PART_NAMES and any(map(is_picture, other.iterdir())):
                told = f"{places['train'].name} and {other.name} hold pictures, as a part and a class would"
                raise InputError(f"{folder}: {told}; must hold parts (train, val, test), or classes of other names")
    for part, by_class in files.items():
        if not any(by_class.values()):
            deeper = is_folder_of_pictures(places[part])
            held = "no picture but further down" if deeper else "no picture"
            allowed = f"{', '.join(ENDINGS)} files, or a folder of them for each class"
            raise InputError(f"{places[part]}: holds {held}; must hold {allowed}")
    names = tuple(files["train"])
    unlabelled = [part for part, by_class in files.items() if list(by_class) == [""] != list(names)]
    others = {part: files.pop(part)[""] for part in unlabelled}  # as Kaggle's test pictures, which are for its judges
    for part, by_class in files.items():
        if set(by_class) - set(names):
            other = sorted(set(by_class) - set(names))[0]
            raise InputError(f"{places[part]}: has a class {other!r}, which the training images have not")
    paths = [path for by_class in files.values() for paths in by_class.values() for path in paths]
    shape = shape_of((Picture(str(path), path) for path in paths), side)
    classes = tuple(one_line(name) for name in names) if names != ("",) else None
    parts = {part: _part(folder, by_class, names, shape, side) for part, by_class in files.items()}
    notes = resized_note(side)
    if empty := _without_pictures(places, files):
        named = ", ".join(one_line(str(path.relative_to(folder))) for path in empty)[:200]
        notes += (f"no picture is taken from {named}: no picture file lies directly there",)
    notes += _unread(folder, set(paths).union(*others.values()), set(empty))
    asked = {part: partial(_without_labels, folder, paths, shape[2], side) for part, paths in others.items()}
    return Parts(parts["train"], parts.get("test"), parts.get("validation"), classes, notes, asked)


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _parts_alone(folder: Path) -> list[str]:
    """The folders of pictures in it, where all of them are called as parts are; else none."""
    folders = _folders(folder)
    others = (path for path in folders if path.name.lower() not in PART_NAMES)
    if any(is_folder_of_pictures(path) for path in others):
        return []
    return [path.name for path in folders if path.name.lower() in PART_NAMES and is_folder_of_pictures(path)]


def _first(folder: Path, names: Iterable[str]) -> Path | None:
    found = {path.name.lower(): path for path in _folders(folder)}
    return next((found[name] for name in names if name in found), None)


def _without_pictures(places: dict[str, Path | None], files: dict[str, dict[str, list[Path]]]) -> list[Path]:
    """Folders beside the classes' in which no picture lies, but something else does."""
    return [
        path
        for part, by_class in files.items()
        for path in _folders(places[part])
        if "" not in by_class and path.name not in by_class and any(not e.name.startswith(".") for e in path.iterdir())
    ]


def _unread(folder: Path, taken: set[Path], told: set[Path]) -> tuple[str, ...]:
    """How many files that are images by their names are not among those taken, and an example; but for the folders
    that were told of."""
    left = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(place, name) not in told)
        found = (Path(place, name) for name in sorted(names) if not name.startswith("."))
        left += [path for path in found if path.suffix.lower() in IMAGES and path not in taken]
    if not left:
        return ()
    example = one_line(str(left[0].relative_to(folder)))[:200]
    why = "its kind is not read" if not is_picture(left[0]) else "it is in no part or class"
    return (f"image files that are not read: {len(left):,}, as {example}, since {why}",)


def _inside(path: Path, root: str) -> Path:
    real = os.path.realpath(path)
    if not real.startswith(root + os.sep):
        raise InputError(f"{path}: leads out of {root}; must be a file of that folder, which `cp -rL` makes of a link")
    return path


def _entries(folder: Path, root: str) -> list[Path]:
    return [_inside(path, root) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _files(folder: Path, root: str) -> dict[str, list[Path]]:
    """The pictures of each class by its name; those of the one class "" where they lie in the folder itself."""
    entries = _entries(folder, root)
    classes = {path.name: path for path in entries if path.is_dir()}
    loose = [path for path in entries if is_picture(path)]
    by_class = {name: [each for each in _entries(path, root) if is_picture(each)] for name, path in classes.items()}
    by_class = {name: paths for name, paths in by_class.items() if paths}
    if loose and by_class:
        raise InputError(f"{folder}: holds both pictures and folders of them; must hold one or the other")
    return by_class or {"": loose}


def _part(
    folder: Path, by_class: dict[str, list[Path]], names: tuple[str, ...], shape: tuple[int, int, int], side: int
) -> Part:
    paths = [path for name in names for path in by_class.get(name, [])]
    images = pixels([Picture(str(path), path) for path in paths], shape, side)
    labels = np.repeat(np.arange(len(names)), [len(by_class.get(name, [])) for name in names])
    files = np.array([str(path.relative_to(folder)) for path in paths])
    return Part(images, None if names == ("",) else labels, files)


def _without_labels(folder: Path, paths: list[Path], channels: int, side: int) -> Part:
    """Pictures that are not among those whose headers were looked at; of at least so many channels."""
    height, width, own = shape_of((Picture(str(path), path) for path in paths), side)
    return _part(folder, {"": paths}, ("",), (height, width, max(own, channels)), side)


def read_one(path: Path, side: int) -> Parts:
    """A single picture."""
    picture = Picture(str(path), path)
    images = pixels([picture], shape_of([picture], side), side)
    return Parts(Part(images, None, np.array([path.name])), notes=resized_note(side))
