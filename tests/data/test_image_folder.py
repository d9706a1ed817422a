"""Pictures in folders, by class or not: which are read, as what, and what is told or refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from pixelgan_jax.config import Data
from pixelgan_jax.data.readers import image_folder, pictures
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split
from pixelgan_jax.errors import InputError
from tests.data.test_formats import COLOURED, LABELS, TEST, TEST_LABELS, TRAIN, data, expect, refused

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


@pytest.mark.parametrize(
    "ending, images",
    [(ending, COLOURED) for ending in (".png", ".bmp", ".webp", ".tif", ".TIFF", ".ppm")]
    + [(ending, TRAIN) for ending in (".pgm", ".tiff")],
)
def test_pictures_of_each_kind_come_as_they_are(tmp_path, ending, images):
    write_pictures(tmp_path, images, LABELS, NAMES, ending, **({"lossless": True} if ending == ".webp" else {}))
    dataset = load(data(tmp_path))
    whole = np.concatenate([dataset.train.images, dataset.test.images])
    assert whole.shape == (*images.shape[:3], 3 if images is COLOURED else 1)
    assert {image.tobytes() for image in whole} == {image.tobytes() for image in images}


@pytest.mark.parametrize("ending", [".tif", ".webp"])
def test_pages_and_frames_are_refused_by_name(tmp_path, ending):
    write_pictures(tmp_path, COLOURED, LABELS, NAMES)
    first, *more = map(Image.fromarray, COLOURED[:3])
    first.save(tmp_path / "ant" / f"stack{ending}", save_all=True, append_images=more)
    refused(tmp_path, rf"ant/stack\{ending}: holds several pictures, pages or frames; must hold one")


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "packbits"}])
def test_a_compressed_tiff_is_refused_unopened(tmp_path, options):
    """Which a library of C would unpack, in as much memory as the file says."""
    write_pictures(tmp_path, COLOURED, LABELS, NAMES, ".tif", **options)
    refused(tmp_path, r"ant/000\.tif: is a compressed TIFF, or one in YCbCr; must be a plain one, or another format$")


def test_a_tiff_that_is_turned_where_its_header_does_not_say_so_is_refused(tmp_path):
    """By XMP, which Pillow follows as it unpacks; resized it is upright."""
    told = b'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><r tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(COLOURED[0, :20]).save(tmp_path / "0.tif", tiffinfo={700: told})
    with pytest.raises(InputError, match=r"0\.tif: is 20×32, its header says 32×20$"):
        image_folder.read_one(tmp_path / "0.tif", 0)
    assert image_folder.read_one(tmp_path / "0.tif", 4).train.images.shape == (1, 4, 4, 3)


@pytest.mark.parametrize("tag, claim", [(322, 2**32 - 1), (273, 2**64 - 1)])
def test_a_tiff_that_claims_the_impossible_is_named(tmp_path, tag, claim):
    """A tile's width, an offset: written by hand."""
    entries = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8, 273: 8, 279: 64}
    if tag == 322:
        entries = {key: value for key, value in entries.items() if key not in (273, 278, 279)}
        entries |= {323: 8, 324: 8, 325: 64}
    entries[tag] = claim
    kinds = [(key, 16 if value >= 2**32 else 4, value) for key, value in sorted(entries.items())]
    table = b"".join(struct.pack("<HHQQ", key, kind, 1, value) for key, kind, value in kinds)
    content = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", len(kinds)) + table + bytes(8)
    (tmp_path / "0.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.tif: damaged"):
        image_folder.read_one(tmp_path / "0.tif", 0)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".tif", ".webp"])
def test_a_picture_of_any_orientation_stands_upright_once(tmp_path, ending, turn):
    """As Pillow's own way of turning it does."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    told = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}, ".tif": {}}[ending]
    Image.fromarray(COLOURED[0, :20]).save(tmp_path / f"0{ending}", exif=exif, **told)
    with Image.open(tmp_path / f"0{ending}") as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert upright.shape == ((32, 20, 3) if turn > 4 else (20, 32, 3))
    (found,) = image_folder.read_one(tmp_path / f"0{ending}", 0).train.images
    np.testing.assert_array_equal(found, upright)


def test_pictures_of_several_sizes_are_resized_where_asked(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    Image.fromarray(np.full((9, 17), 200, np.uint8)).save(tmp_path / "ant" / "wide.png")
    refused(tmp_path, r"wide\.png: is 9×17, the others 6×6; .* config\.data\.side, which resizes them")
    dataset = load(data(tmp_path, side=4))
    assert dataset.train.images.shape[1:] == (4, 4, 1)
    assert dataset.notes == ("the pictures are cropped to squares and resized to 4×4",)


def test_a_cameras_picture_stands_upright(tmp_path):
    """By its EXIF orientation, 6: its rows are the scene's columns, from the right. With one that cannot be read, as it
    lies."""
    scene = np.zeros((16, 8), np.uint8)
    scene[:8] = 255
    for place, exif in (
        ("upright", bytes.fromhex("4949 2a00 08000000 0100 1201 0300 01000000 06000000 00000000")),
        ("lying", b"??"),
    ):
        (tmp_path / place).mkdir()
        for number in range(5):
            Image.fromarray(np.rot90(scene)).save(
                tmp_path / place / f"{number}.jpg", quality=95, exif=b"Exif\0\0" + exif
            )
    upright, lying = (load(data(tmp_path / place)).train.images[0, ..., 0] for place in ("upright", "lying"))
    assert upright.shape == (16, 8) and upright[:8].min() > 200 and upright[8:].max() < 50
    assert lying.shape == (8, 16)
    assert load(data(tmp_path / "upright", side=8)).train.images[0, ..., 0][:3].min() > 200
    telephone, second = Image.open(tmp_path / "upright" / "0.jpg"), Image.fromarray(scene)
    telephone.save(tmp_path / "several.jpg", "MPO", save_all=True, append_images=[second], exif=telephone.getexif())
    assert image_folder.read_one(tmp_path / "several.jpg", 0).train.images.shape[1:3] == (16, 8)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    """Black strokes on nothing, whose stored colour is black as well."""
    ink = np.zeros((6, 6), np.uint8)
    ink[2:4] = 255
    for number in range(5):
        if mode == "P":
            drawn = Image.fromarray((ink == 255).astype(np.uint8)).convert("P")
            drawn.putpalette([0, 0, 0] * 2)
            drawn.save(tmp_path / f"{number}.png", transparency=0)
        else:
            black = np.zeros((6, 6, len(mode) - 1), np.uint8)
            Image.fromarray(np.concatenate([black, ink[..., None]], axis=2)).save(tmp_path / f"{number}.png")
    images = load(data(tmp_path)).train.images
    assert images.shape[3] == (1 if mode == "LA" else 3)
    np.testing.assert_array_equal(images[0, ..., 0], 255 - ink)


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
    assert dataset.notes == ("no picture is taken from test: it has no folders of classes",)


def test_pictures_that_lie_too_deep_are_told_of(tmp_path):
    write_pictures(tmp_path / "test", TEST, TEST_LABELS, NAMES)
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


def test_an_empty_picture_is_named(tmp_path):
    (tmp_path / "0.png").touch()
    refused(tmp_path, r"0\.png: damaged, or no PNG, JPEG, BMP, WEBP, TIFF, PPM file: is empty$")


def test_a_picture_without_its_palette_is_named(tmp_path):
    Image.fromarray(TRAIN[0] % 2).convert("P").save(tmp_path / "0.png")
    content = (tmp_path / "0.png").read_bytes()
    start = content.index(b"PLTE") - 4
    length = int.from_bytes(content[start : start + 4])
    (tmp_path / "0.png").write_bytes(content[:start] + content[start + 12 + length :])
    with pytest.raises(InputError, match=r"0\.png: damaged or truncated"):
        load(data(tmp_path / "0.png"))


def test_pictures_that_no_memory_holds_are_refused():
    told = (
        r"^config\.data\.side: 10000000: 1 pictures of 10000000×10000000×3 take 3e\+05 GB, more than there is; must be"
    )
    with pytest.raises(InputError, match=told):
        pictures.pixels([pictures.Picture("a", b"")], (10**7, 10**7, 3), 10**7)


@pytest.mark.parametrize("made", ["test", "test/ant"])
def test_a_part_without_pictures_is_named(tmp_path, made):
    write_pictures(tmp_path / "train", TRAIN, LABELS, NAMES)
    (tmp_path / made).mkdir(parents=True)
    refused(tmp_path, r"/test: holds no picture; must hold \.png")


def test_a_broken_picture_is_named(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    whole = (tmp_path / "bee/001.png").read_bytes()
    for content in (whole[:40], whole[: len(whole) // 2 + 8], b"", b"not a picture"):
        (tmp_path / "bee/001.png").write_bytes(content)
        refused(tmp_path, r"bee/001\.png: damaged")


def test_a_picture_of_16_bits_is_named(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    Image.fromarray(np.full((6, 6), 3000, np.uint16)).save(tmp_path / "cat" / "deep.png")
    refused(tmp_path, r"cat/deep\.png: has more than 8 bits a pixel")


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
