"""Pictures in folders, by class or not: which are read, as what, and what is told or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split
from tests.data.test_formats import LABELS, TEST, TEST_LABELS, TRAIN, data, expect, refused

SPLITS = ("train", "test")


def write_pictures(folder: Path, images, labels, names, ending=".png", **options) -> None:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{index:03}{ending}", **options)


def by_class(images, labels):
    """In the order in which folders are read."""
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


NAMES = ("ant", "bee", "cat", "dog")


def test_pictures_by_class(tmp_path):
    """With hidden files among them, which are passed over, and others, too."""
    for part, images, labels in zip(SPLITS, (TRAIN, TEST), (LABELS, TEST_LABELS), strict=True):
        write_pictures(tmp_path / part, images, labels, NAMES)
    (tmp_path / "train/ant/.DS_Store").write_bytes(b"x")
    (tmp_path / "train/.ipynb_checkpoints").mkdir()
    (tmp_path / "README.txt").write_text("mine")
    dataset = load(data(tmp_path))
    expect(dataset, *by_class(TRAIN, LABELS), *by_class(TEST, TEST_LABELS))
    assert dataset.names == NAMES


def test_pictures_with_validation(tmp_path):
    for part in ("train", "val", "test"):
        write_pictures(tmp_path / part, TEST, TEST_LABELS, NAMES)
    assert len(split(load(data(tmp_path)), data("", validation=0)).validation.images) == 8


@pytest.mark.parametrize("parts", [("test",), ("Test", "val")])
def test_parts_without_training_pictures_are_no_classes(tmp_path, parts):
    for part in parts:
        write_pictures(tmp_path / part, TEST, TEST_LABELS, [""] * 4)
    refused(tmp_path, f"holds pictures of {' and '.join(parts)} and no train; must hold train as well")
    write_pictures(tmp_path / "mine", TRAIN, LABELS, [""] * 4)  # then they are classes, whatever they are called
    assert load(data(tmp_path)).names == tuple(sorted([*parts, "mine"]))


def test_pictures_without_a_test_part(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    dataset = load(data(tmp_path))
    assert dataset.names == NAMES and len(dataset.train.images) == 16 and len(dataset.test.images) == 4


@pytest.mark.parametrize("names", [NAMES, [""] * 4])
def test_what_pictures_are_called_follows_them(tmp_path, names):
    """Into whatever part they are drawn, with validation pictures of their own or not."""
    for part in (".", "train", "validation", "test"):
        place = tmp_path / ("whole" if part == "." else f"parts/{part}")
        write_pictures(place, {"train": 255 - TRAIN, "validation": TRAIN // 2}.get(part, TRAIN), LABELS, names)
    for folder, own in ((tmp_path / "whole", ""), (tmp_path / "parts", "train/"), (tmp_path / "parts", "own")):
        asked = data(folder, validation=0 if own == "own" else 3)
        parts, seen = split(load(asked), asked), []
        for name in ("train", "validation", "test"):
            for image, called in zip(getattr(parts, name).images, getattr(parts, name).files, strict=True):
                places = [folder / part / called for part in ("", "train", "validation", "test")]
                same = [path for path in places if path.exists() and np.array_equal(image[..., 0], Image.open(path))]
                assert len(same) == 1
                seen += same
        assert len(set(seen)) == len(seen) == (60 if own else 20)
    assert load(data(tmp_path / "whole")).train.files[0].endswith(".png")


def test_a_class_that_is_called_over_two_lines_has_a_name_of_one(tmp_path):
    for kind in ("a\nb", "c"):
        (tmp_path / "in" / kind).mkdir(parents=True)
        for number in range(5):
            Image.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / "in" / kind / f"{number}.png")
    assert load(Data(name=str(tmp_path / "in"))).names == ("a b", "c")


def test_pictures_without_labels(tmp_path):
    write_pictures(tmp_path, TRAIN, np.zeros(20, int), [""])
    dataset = load(data(tmp_path))
    assert dataset.classes == 0 and len(dataset.train.images) == 16


@pytest.mark.parametrize("row", ["ant/0.png,0", "ant/0.png,0,3", "0001,0"])
def test_a_table_of_pictures_names_is_left_alone(tmp_path, row):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    (tmp_path / "labels_train.csv").write_text(f"file,label\n{row}\n")
    assert load(data(tmp_path)).names == NAMES


def test_test_pictures_without_classes_are_passed_over(tmp_path):
    write_pictures(tmp_path / "train", TRAIN, LABELS, NAMES)
    write_pictures(tmp_path / "test", TEST, TEST_LABELS, [""] * 4)
    dataset = load(data(tmp_path))
    assert (len(dataset.train.images), len(dataset.test.images)) == (16, 4)
    assert dataset.notes == ("no image is taken from test, which has no labels; --mode predict takes them",)


def test_pictures_that_lie_too_deep_are_told_of(tmp_path):
    write_pictures(tmp_path / "mine", TEST, TEST_LABELS, NAMES)
    refused(tmp_path, r": holds no picture but further down; must hold \.png.* files, or a folder of them for")


def test_parts_are_known_by_their_names_in_any_case(tmp_path):
    for part, images, labels in (("Train", TRAIN, LABELS), ("Test", TEST, TEST_LABELS)):
        write_pictures(tmp_path / part, images, labels, "abcd")
    expect(load(data(tmp_path)), *by_class(TRAIN, LABELS), *by_class(TEST, TEST_LABELS))


def test_a_class_that_is_called_as_a_part_is_refused(tmp_path):
    for name in ("bus", "car", "train"):
        (tmp_path / name).mkdir()
        Image.fromarray(TRAIN[0]).save(tmp_path / name / "0.png")
    refused(
        tmp_path, r"train and bus hold pictures, as a part and a class would; must hold parts \(train, val, test\), or"
    )
    (tmp_path / "test").mkdir()
    Image.fromarray(TEST[0]).save(tmp_path / "test" / "0.png")
    assert len(load(data(tmp_path)).train.images) == 1  # beside parts, other folders are somebody's own business


def test_a_folder_that_makes_no_class_is_told_of(tmp_path):
    """Pictures one folder too deep; and nothing is said of an empty folder."""
    write_pictures(tmp_path, TRAIN, LABELS, "abcd")
    (tmp_path / "dog" / "more").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    Image.fromarray(TRAIN[0]).save(tmp_path / "dog" / "more" / "0.png")
    found = load(data(tmp_path))
    assert found.names == tuple("abcd")
    assert found.notes == ("no picture is taken from dog: no picture file lies directly there",)


@pytest.mark.parametrize(
    "name, why", [("ant/more/9.png", "it is in no part or class"), ("ant/9.gif", "its kind is not read")]
)
def test_images_that_are_not_read_are_told_of(tmp_path, name, why):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.fromarray(TRAIN[0]).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    assert load(data(tmp_path)).notes == (f"image files that are not read: 1, as {name}, since {why}",)


def test_pictures_beside_the_parts_are_told_of(tmp_path):
    write_pictures(tmp_path / "train", TRAIN, LABELS, NAMES)
    write_pictures(tmp_path / "extra", TEST, TEST_LABELS, NAMES)
    (note,) = load(data(tmp_path)).notes
    assert note.startswith("image files that are not read: 8, as extra/")


@pytest.mark.parametrize("made", ["test", "test/ant"])
def test_a_part_without_pictures_is_named(tmp_path, made):
    write_pictures(tmp_path / "train", TRAIN, LABELS, NAMES)
    (tmp_path / made).mkdir(parents=True)
    refused(tmp_path, r"/test: holds no picture; must hold \.png")


def test_no_link_is_followed_out_of_the_folder(tmp_path):
    write_pictures(tmp_path / "own", TRAIN, LABELS, NAMES)
    write_pictures(tmp_path / "other", TRAIN, LABELS, NAMES)
    (tmp_path / "own/ant/link.png").symlink_to(tmp_path / "other/ant/000.png")
    refused(tmp_path / "own", r"link\.png: leads out of")


def test_a_class_that_training_has_not(tmp_path):
    for part, names in (("train", NAMES), ("test", ("ant", "bee", "cat", "emu"))):
        write_pictures(tmp_path / part, TEST, TEST_LABELS, names)
    refused(tmp_path, r"test: has a class 'emu'")


def test_pictures_beside_folders_of_them(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    Image.fromarray(TRAIN[0]).save(tmp_path / "loose.png")
    refused(tmp_path, r"holds both pictures and folders of them")
