"""Which files make a data set: a table of formats, each one function that recognises and reads it.

A reader takes a path and the configuration's data group, and returns None where the path holds nothing of its format.
To add a format: write such a function, add it to FORMATS, a row to docs/data.md and its layout to
tests/data/test_formats.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers import files, image_folder, mat, parquet, text
from pixelgan_jax.data.readers.parts import Part, Parts, thirds
from pixelgan_jax.errors import InputError, one_line

Reader = Callable[[Path, Data], Parts | None]

# Names of arrays (images, labels) in one .npz, by part: our own, Keras's, MedMNIST's
NPZ = (
    {"train": ("images", "labels")},
    {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
    {"train": ("arr_0", "arr_1")},  # numpy.savez(file, images, labels)
    {"train": ("images", None)},
    {"train": ("arr_0", None)},
)
PACKED = ("train", "valid", "test")  # Larochelle's binarised MNIST, 98 bytes of 8 pixels an image

IDX_NAME = re.compile(r"(.*?)(train|t10k|test)[-.](images|labels)[-.]idx([123])-(ubyte|int)(\.gz)?")
TORCHVISION = ("mnist", "fashionmnist", "kmnist", "qmnist", "emnist")  # its folders of IDX files, in small letters
CIFAR_FOLDERS = ("", "cifar-10-batches-bin", "cifar-100-binary")


def read_one_npz(path: Path, data: Data) -> Parts | None:
    """One .npz file of all images, or of train, test and perhaps validation."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    held = set(files.npz_names(path))
    if set(PACKED) <= held:
        return _packed(path)
    layout = next((each for each in NPZ if {name for pair in each.values() for name in pair if name} <= held), NPZ[0])
    parts = Parts(**{part: files.read_npz(path, *names) for part, names in layout.items()})
    read = {name for names in layout.values() for name in names}
    return parts._replace(notes=_unread(path, held - read, parts.train))


def _unread(path: Path, others: set[str], train: Part) -> tuple[str, ...]:
    """What there is to say of arrays beside those that were read."""
    why = "" if train.labels is not None else ": labels must be called labels"
    return (f"{path.name}: {one_line(', '.join(sorted(others)))[:200]} not read{why}",) if others else ()


def _packed(path: Path) -> Parts:
    def part(name: str) -> Part:
        rows = files.read_npz_array(
            path, name, "uint8 [N, 98]", lambda header: header[1] == np.uint8 and header[0][1:] == (98,)
        )
        return _binary(path, np.unpackbits(rows, axis=1)[:, :784])

    train, validation, test = map(part, PACKED)
    return Parts(train, test, validation)


def _binary(path: Path, pixels: np.ndarray) -> Part:
    """Pixels of two levels, 0 and 1, as black and white."""
    if pixels.size and pixels.max() > 1:
        raise InputError(f"{path}: pixels go up to {pixels.max()}; must be 0 or 1")
    return Part(text.squares(path, pixels.astype(np.int16) * 255), None)


def read_npz_folder(path: Path, data: Data) -> Parts | None:
    """train.npz and test.npz, and perhaps validation.npz, valid.npz or val.npz."""
    there = {part: path / f"{part}.npz" for part in ("train", "test")}
    if not any(file.exists() for file in there.values()):
        return None
    for name in ("val", "valid", "validation"):
        if (file := path / f"{name}.npz").exists():
            there["validation"] = file
    found = {part: _images_and_labels(file) for part, file in there.items()}
    read = {"images"} if found["train"].labels is None else {"images", "labels"}
    others = set(files.npz_names(there["train"])) - read
    return Parts(**found, notes=_unread(there["train"], others, found["train"]))


def _images_and_labels(path: Path) -> Part:
    labelled = not path.is_file() or "labels" in files.npz_names(path) or "images" not in files.npz_names(path)
    return files.read_npz(path, "images", "labels" if labelled else None)


def _only(path: Path, found: list[Path]) -> Path:
    """The first, of one. Raises InputError where a folder holds several data sets."""
    if len(found) > 1:
        raise InputError(f"{path}: holds {', '.join(file.name for file in found)[:200]}; must hold one of them")
    return found[0]


def read_kmnist_npz(path: Path, data: Data) -> Parts | None:
    """KMNIST's four .npz files, arr_0 each."""
    found = sorted(path.glob("*-train-imgs.npz")) if path.is_dir() else []
    if not found:
        return None
    prefix = _only(path, found).name.removesuffix("train-imgs.npz")

    def part(name: str) -> Part:
        images, labels = (path / f"{prefix}{name}-{kind}.npz" for kind in ("imgs", "labels"))
        told = files.read_npz_array(labels, "arr_0", "integers [N]", lambda header: header[1].kind in "iu")
        pixels = files.read_npz(images, "arr_0", None).images
        files.check(images, (pixels.shape, pixels.dtype), (told.shape, told.dtype))
        return Part(pixels, told)

    return Parts(part("train"), part("test"))


def read_idx(path: Path, data: Data) -> Parts | None:
    """Four IDX files of any data set, in the folder or as torchvision lays them, in raw or NAME/raw beneath it; with
    `data.dir` NAME is the data set's, or at least no other's.

    Where there are several sets of them, as of EMNIST, the path's last part may be the beginning of their names.
    EMNIST's images lie on their side in their files and are turned upright.
    """
    folder, wanted = (path, "") if path.is_dir() else (path.parent, path.name)
    direct = [place for place in (folder, folder / "raw") if _idx_sets(place, wanted)]
    beneath = sorted(folder.glob("*/raw")) if folder.is_dir() and not direct else []
    own = data.name.replace("_", "")
    if data.dir and own in TORCHVISION:
        called = {place: place.parent.name.lower() for place in beneath}
        beneath = [place for place in beneath if called[place] == own or called[place] not in TORCHVISION]
        beneath = [place for place in beneath if called[place] == own] or beneath
    places = direct[:1] or [place for place in beneath if _idx_sets(place, wanted)]
    if len(places) > 1:
        held = " and ".join(str(place.relative_to(folder)) for place in places)
        raise InputError(f"{folder}: holds {held}; must be one, as config.data.name={places[0]}")
    for place in places:
        sets = _idx_sets(place, wanted)
        if len(sets) > 1:
            raise InputError(f"{place}: holds {', '.join(sorted(sets))}; must be one: add the beginning of its files'"
                             f" names to config.data.name, as in {place}/{sorted(sets)[0]}")  # fmt: skip
        for prefix, found in sets.items():
            return Parts(*(_idx_part(place, prefix, part, found) for part in ("train", "test")))
    return None


def _idx_sets(place: Path, wanted: str) -> dict[str, dict[tuple[str, str], Path]]:
    """The IDX files of a folder by the beginning of their names, and by part and kind."""
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    for file in sorted(place.iterdir(), reverse=True) if place.is_dir() else []:  # so that unpacked ones win
        match = IDX_NAME.fullmatch(file.name)
        if match and match[1].startswith(wanted):
            sets.setdefault(match[1], {})["train" if match[2] == "train" else "test", match[3]] = file
    return sets


def _idx_part(folder: Path, prefix: str, part: str, found: dict[tuple[str, str], Path]) -> Part:
    usual = "train" if part == "train" else "t10k"
    images, labels = (
        found.get((part, kind), folder / f"{prefix}{usual}-{kind}-idx{rank}-ubyte")
        for kind, rank in (("images", 3), ("labels", 1))
    )
    return _upright(prefix, files.read_idx(images, labels))


def _upright(name: str, part: Part) -> Part:
    """The part of a file of this name; EMNIST's images lie on their side in its files, its CSV files as we recall
    them."""
    return part._replace(images=np.ascontiguousarray(part.images.swapaxes(1, 2))) if name.startswith("emnist") else part


def read_svhn(path: Path, data: Data) -> Parts | None:
    """SVHN's train_32x32.mat and test_32x32.mat."""
    train, test = path / "train_32x32.mat", path / "test_32x32.mat"
    if not (train.exists() or test.exists()):
        return None
    return Parts(mat.read_svhn_mat(train), mat.read_svhn_mat(test))


def read_norb(path: Path, data: Data) -> Parts | None:
    """smallNORB's matrices: the first camera's images, means of 3×3 pixels, and the five categories."""
    if not path.is_dir() or not any(path.glob("smallnorb-*-dat.mat")):
        return None
    names = ("5x46789x9x18x6x2x96x96-training", "5x01235x9x18x6x2x96x96-testing")
    return Parts(*(_norb_part(path, name) for name in names))


def _norb_part(path: Path, name: str) -> Part:
    file = path / f"smallnorb-{name}-dat.mat"
    images, labels = files.read_norb(file), files.read_norb(path / f"smallnorb-{name}-cat.mat")
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[2] % 3 or images.shape[3] % 3:
        raise InputError(f"{file}: is {images.dtype} {list(images.shape)}; must be bytes [N, 2, 96, 96]")
    if labels.shape != images.shape[:1]:
        raise InputError(f"{file}: {len(images)} images but labels {list(labels.shape)}; must be one label an image")
    return Part(thirds(images[:, 0, :, :, None]), labels)


def read_cifar(path: Path, data: Data) -> Parts | None:
    """CIFAR-10's or CIFAR-100's binary files; of the latter the hundred fine classes."""
    places = [path / name for name in CIFAR_FOLDERS]
    places = [place for place in places if (place / "train.bin").exists() or any(place.glob("data_batch_*.bin"))]
    if not places:
        return None
    place = _only(path, places)
    batches = sorted(place.glob("data_batch_*.bin"))
    if not batches:
        names = _names(place / "fine_label_names.txt")
        return Parts(*(files.read_records(place / f"{part}.bin", 2) for part in ("train", "test")), None, names)
    train = [files.read_records(file, 1) for file in batches]
    whole = Part(*(np.concatenate([getattr(each, name) for each in train]) for name in ("images", "labels")))
    told = f"{place.name}: only {len(batches)} of 5 files data_batch_….bin found"
    test, names = files.read_records(place / "test_batch.bin", 1), _names(place / "batches.meta.txt")
    return Parts(whole, test, names=names, notes=() if len(batches) == 5 else (told,))


def _names(path: Path) -> tuple[str, ...] | None:
    """The lines of a short text file, where there is one."""
    if not path.is_file() or path.stat().st_size > 1 << 16:
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip()) or None


def read_amat(path: Path, data: Data) -> Parts | None:
    """Larochelle's binarized_mnist_train.amat, _valid.amat and _test.amat."""
    found = {part: path / f"binarized_mnist_{part}.amat" for part in PACKED}
    if not found["train"].exists():
        return None
    train, validation, test = (_binary(file, text.read_numbers(file, None, False)) for file in found.values())
    return Parts(train, test, validation)


def read_binarised(path: Path, data: Data) -> Parts | None:
    """Larochelle's binarised MNIST in a folder: its three .amat files, or binarized_mnist_packed.npz."""
    return read_amat(path, data) or read_one_npz(path / "binarized_mnist_packed.npz", data)


def read_csv(path: Path, data: Data) -> Parts | None:
    """One CSV file of pixels, or train.csv and perhaps test.csv, with any beginning, as mnist_train.csv."""
    if path.is_file() and path.suffix.lower() == ".csv":
        return Parts(_upright(path.name, text.read_csv(path)))
    found = sorted(path.glob("*train.csv")) if path.is_dir() else []
    if not found:
        return None
    train = _only(path, found)
    if not text.is_image(train) and image_folder.is_folder_of_pictures(path):
        return None  # what it lists are pictures' names
    test = train.with_name(f"{train.name.removesuffix('train.csv')}test.csv")
    return Parts(*(_upright(file.name, text.read_csv(file)) for file in (train, test) if file.is_file()))


def read_parquet(path: Path, data: Data) -> Parts | None:
    """Parquet files of encoded pictures, the Hugging Face hub's."""
    found = parquet.find(path)
    return parquet.read(found, data.side) if found else None


def read_pictures(path: Path, data: Data) -> Parts | None:
    """A folder of picture files, or one of them."""
    if path.is_file() and image_folder.is_picture(path):
        return image_folder.read_one(path, data.side)
    return image_folder.read(path, data.side) if path.is_dir() and image_folder.is_folder_of_pictures(path) else None


# in the order in which they are tried
FORMATS: tuple[Reader, ...] = (
    read_one_npz,
    read_npz_folder,
    read_kmnist_npz,
    read_idx,
    read_svhn,
    read_norb,
    read_cifar,
    read_amat,
    read_csv,
    read_parquet,
    read_pictures,
)


def read(path: Path, data: Data) -> Parts | None:
    """The data set that lies at a path; None where it is of no format known here."""
    return next((found for reader in FORMATS if (found := reader(path, data)) is not None), None)
