"""Single pictures: of every kind, turned, transparent, resized, deep, broken or hostile."""

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from pixelgan_jax.data.readers import image_folder, pictures
from pixelgan_jax.data.sources import load
from pixelgan_jax.errors import InputError
from tests.data.test_formats import COLOURED, LABELS, TRAIN, data, refused
from tests.data.test_image_folder import NAMES, write_pictures


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


@pytest.mark.parametrize("ending", [".tif", ".webp", ".png"])
def test_pages_and_frames_are_refused_by_name(tmp_path, ending):
    write_pictures(tmp_path, COLOURED, LABELS, NAMES)
    first, *more = map(Image.fromarray, COLOURED[:3])
    first.save(tmp_path / "ant" / f"stack{ending}", save_all=True, append_images=more)
    refused(tmp_path, rf"ant/stack\{ending}: holds several pictures, pages or frames; must hold one")


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "packbits"}])
def test_a_compressed_tiff_is_refused(tmp_path, options):
    """Which a library of C would unpack, in as much memory as the file says."""
    write_pictures(tmp_path, COLOURED, LABELS, NAMES, ".tif", **options)
    refused(tmp_path, r"ant/000\.tif: is a compressed TIFF, or one in YCbCr; must be a plain one, or another format$")


def test_a_tiff_in_ycbcr_is_refused(tmp_path):
    """Of which Pillow takes the subsampling for none."""
    Image.fromarray(COLOURED[0]).convert("YCbCr").save(tmp_path / "0.tif")
    with pytest.raises(InputError, match=r"0\.tif: is a compressed TIFF, or one in YCbCr; must be"):
        image_folder.read_one(tmp_path / "0.tif", 0)


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


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path, monkeypatch):
    across = np.linspace(0, 255, 640)
    scene = np.uint8(np.stack([np.add.outer(across[:480] / 2, across / 2), np.add.outer(across[:480], 0 * across),
                               np.broadcast_to(across, (480, 640))], axis=2))  # fmt: skip
    Image.fromarray(scene).save(tmp_path / "a.jpg", quality=95)
    picture, sizes, fit = pictures.Picture("a", tmp_path / "a.jpg"), [], ImageOps.fit

    def fitted(drawn, *more):
        sizes.append(drawn.size)
        return fit(drawn, *more)

    monkeypatch.setattr(ImageOps, "fit", fitted)
    (small,) = pictures.pixels([picture], (16, 16, 3), 16)
    monkeypatch.setattr(pictures, "OVERSAMPLED", 1000)
    (whole,) = pictures.pixels([picture], (16, 16, 3), 16)
    assert sizes == [(107, 80), (640, 480)] or sizes == [(160, 120), (640, 480)]
    assert np.abs(small.astype(int) - whole).max() <= 3


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
    assert images.shape[3] == (3 if mode == "RGBA" else 1)
    np.testing.assert_array_equal(images[0, ..., 0], 255 - ink)


def test_all_damaged_pictures_are_named_at_once(tmp_path):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    places = sorted(tmp_path.glob("*/*.png"))
    for place in places[:3]:
        place.write_bytes(place.read_bytes()[:60])  # its header is whole
    names = [place.name for place in places[:3]]
    refused(tmp_path, rf"{names[0]}: damaged or .*; nor can be read, of 3 in all: .*{names[1]}, .*{names[2]}$")
    for place in places[:2]:
        place.write_bytes(b"")
    refused(tmp_path, rf"{names[0]}: damaged, or no .*: is empty; nor can be read, of 2 in all: .*{names[1]}$")


def test_an_empty_picture_is_named(tmp_path):
    (tmp_path / "0.png").touch()
    refused(tmp_path, r"0\.png: damaged, or no PNG, JPEG, BMP, WEBP, TIFF, PPM file: is empty$")


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere.png"), Path.mkdir, os.mkfifo])
def test_what_is_called_a_picture_and_is_no_file_is_named(tmp_path, make):
    write_pictures(tmp_path, TRAIN, LABELS, NAMES)
    make(next(tmp_path.glob("*")) / "z.png")
    refused(tmp_path, r"z\.png: is a link to nothing, a folder or a pipe; must be a file$")


def test_a_picture_that_cannot_be_read_and_one_that_is_none_are_named(tmp_path, monkeypatch):
    (tmp_path / "0.png").write_text("no picture")
    refused(tmp_path, r"0\.png: damaged, or no PNG, JPEG, BMP, WEBP, TIFF, PPM file: is none by its first bytes$")

    def unreadable(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    refused(tmp_path, r"0\.png: cannot be read: Permission denied$")


@pytest.mark.parametrize(("colour", "channels"), [((1, 1, 1), 1), ((1, 0, 1), 3)])
def test_pictures_of_a_grey_palette_are_grey(tmp_path, colour, channels):
    for number in range(6):
        drawn = Image.fromarray(TRAIN[number] % 4).convert("P")
        drawn.putpalette([255 - 60 * shade * part for shade in range(4) for part in colour])
        drawn.save(tmp_path / f"{number}.png")
    images = load(data(tmp_path)).train.images
    assert images.shape[3] == channels
    if channels == 1:
        assert {tuple(image.ravel()) for image in images} <= {tuple((255 - 60 * (i % 4)).ravel()) for i in TRAIN[:6]}


def test_a_truncated_picture_with_a_palette_is_named(tmp_path):
    """Its palette is looked at, the picture is not unpacked for that."""
    for number in range(6):
        Image.fromarray(np.random.RandomState(number).randint(0, 256, (40, 40), np.uint8)).convert("P").save(
            tmp_path / f"{number}.png"
        )
    place = tmp_path / "3.png"
    place.write_bytes(place.read_bytes()[:-400])
    refused(tmp_path, r"3\.png: damaged or truncated: ")


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
