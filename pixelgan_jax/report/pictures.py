"""Writes samples/*.png of a run: grids of images, which are drawn here, the code map and the training curves."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from pixelgan_jax.report import plots
from pixelgan_jax.report.curves import training_curves
from pixelgan_jax.training import logs, workdir

NAMES = ("prior", "reconstructions", "completions", "classes", "clusters", "confusion", "mistakes", "code", "curves")
FONT = "DejaVu Sans"  # Matplotlib's own, which it draws plots with as well
GROUND = 44  # grey level between images: apart from black and from white

MISTAKES = 12  # that are shown

_LINE = 2  # pixels between two images
_BAND = 12  # pixels between two groups of rows
_CELL, _WIDEST = 56, 2400  # pixels: the side of an image that is aimed at, and of a whole grid that is accepted


class Explored(NamedTuple):
    """Single images and what the model makes of them, N of them, for explore.html and the report's pictures of
    mistakes."""

    images: np.ndarray  # uint8 [N, H, W, C]
    whole: int  # of so many validation images
    labels: np.ndarray  # [N], -1 of an image without
    names: Sequence[str] = ()  # of the classes
    files: np.ndarray | None = None  # [N]: what each image's own is called
    categories: np.ndarray | None = None  # [N]: the most probable class or cluster
    probabilities: np.ndarray | None = None  # [N], of that
    kind: str = "cluster"  # or "class"
    category_count: int = 0  # K
    cluster_classes: Sequence[str] = ()  # K names of the classes that clusters are named after
    reconstructions: np.ndarray | None = None  # [R, H, W, C], of some of the images, every mistake that is shown too
    reconstructed: np.ndarray | None = None  # [R]: these images' numbers, rising
    codes: np.ndarray | None = None  # [N, 2]
    code_axes: tuple[str, str] = ("first coordinate of the code", "second coordinate of the code")
    rows: np.ndarray | None = None  # [K, S, H, W, C]: samples of every class or cluster
    plane: np.ndarray | None = None  # [G, G, H, W, C]: samples of codes whose coordinates are `plane_at`, first by row
    plane_at: np.ndarray | None = None  # [G]

    def wrong(self) -> np.ndarray:
        """The numbers of the images whose class is not their label, the surest first; of clusters none. The report
        shows the first MISTAKES."""
        if self.kind != "class" or self.categories is None:
            return np.zeros(0, int)
        wrong = np.flatnonzero((self.labels >= 0) & (self.categories != self.labels))
        return wrong[np.argsort(-self.probabilities[wrong], kind="stable")]

    def confusion(self) -> np.ndarray:
        """How many images of each label (row) are of each class or cluster (column); of width 0 without either."""
        known = self.labels >= 0
        if self.categories is None or not known.any():
            return np.zeros((0, 0), int)
        counts = np.zeros((max(len(self.names), int(self.labels.max()) + 1), self.category_count), int)
        np.add.at(counts, (self.labels[known], self.categories[known]), 1)
        return counts


class Pictures(NamedTuple):
    """What there is to show; images are uint8 [*, H, W, C] with C 1 or 3, and None stands for nothing to show."""

    explored: Explored
    samples: np.ndarray | None = None  # [N, H, W, C], from the prior
    originals: np.ndarray | None = None  # [N, H, W, C]
    reconstructions: np.ndarray | None = None  # [N, H, W, C], of the originals
    completions: np.ndarray | None = None  # [M, 2 + E, H, W, C], a row each: an image, its beginning, its endings
    gaussian_prior: bool = False  # the codes have the prior N(0, 1), whose circles belong in their map


def _tops(rows: int, height: int, group: int) -> list[int]:
    return [_LINE + row * (height + _LINE) + row // group * (_BAND - _LINE) for row in range(rows)]


def _scale(columns: int, side: int) -> int:
    return max(1, min(round(_CELL / side), _WIDEST // (columns * side)))


def grid(images: np.ndarray, group: int = 1_000_000) -> np.ndarray:
    """One picture of R rows of C images, with thin lines between them and a wide band after every `group` rows.

    Takes uint8 [R, C, H, W, Ch] with Ch 1 or 3 and returns uint8 [height, width, Ch]. Small images are magnified by a
    whole factor, every pixel a square of one colour, to about 56 pixels.
    """
    rows, columns, height, width, channels = images.shape
    scale = _scale(columns, max(height, width))
    cells = images.repeat(scale, axis=2).repeat(scale, axis=3)
    cells = np.pad(cells, ((0, 0), (0, 0), (0, 0), (_LINE, 0), (0, 0)), constant_values=GROUND)
    tops = _tops(rows, height * scale, group)
    across = columns * (width * scale + _LINE)
    picture = np.full((tops[-1] + height * scale + _LINE, across + _LINE, channels), GROUND, np.uint8)
    for top, row in zip(tops, cells, strict=True):
        picture[top : top + height * scale, :across] = row.swapaxes(0, 1).reshape(height * scale, across, channels)
    return picture


def _with_names(images: np.ndarray, names: Sequence[str], group: int = 1_000_000) -> np.ndarray:
    """`grid` with the name of each row on its left."""
    picture = grid(images, group)
    rows, columns, height, width, channels = images.shape
    height *= _scale(columns, max(height, width))
    # Pillow's own font has few characters; this one comes with Matplotlib, and has arrows and other alphabets.
    font = ImageFont.truetype(findfont(FONT), 16)
    margin = math.ceil(max(font.getlength(name) for name in names)) + 16
    strip = Image.new("L", (margin, picture.shape[0]), GROUND)
    draw = ImageDraw.Draw(strip)
    for top, name in zip(_tops(rows, height, group), names, strict=True):
        draw.text((margin - 8, top + height // 2), name, fill=215, font=font, anchor="rm")
    return np.concatenate([np.repeat(np.asarray(strip)[..., None], channels, axis=-1), picture], axis=1)


def _folded(images: np.ndarray, columns: int) -> np.ndarray:
    """[N, H, W, C] as [R, columns, H, W, C]; places that are left over have the colour of the lines."""
    short = -len(images) % columns
    images = np.pad(images, ((0, short), (0, 0), (0, 0), (0, 0)), constant_values=GROUND)
    return images.reshape(-1, columns, *images.shape[1:])


def square(images: np.ndarray) -> np.ndarray:
    """`grid` of images [N, H, W, C], about as many columns as rows."""
    return grid(_folded(images, math.ceil(math.sqrt(len(images)))))


def gallery(shown: dict[str, np.ndarray], columns: int | None = None) -> bytes:
    """A PNG of pictures uint8 [height, width, 1 or 3] under their names, so many in a row; None: all in one. No pixel
    of theirs is resized."""
    columns = columns or len(shown)
    width = max(image.shape[1] for image in shown.values())
    size = max(14, columns * width // 60)  # of letters, to be read where a page shows the whole 800 pixels wide
    font = ImageFont.truetype(findfont(FONT), size)
    names = [textwrap.fill(name, max(8, int(width / font.getlength("n")))) for name in shown]
    each, gap = list(zip(names, shown.values(), strict=True)), size
    lines, tops, height = [each[start : start + columns] for start in range(0, len(each), columns)], [], 0
    for line in lines:
        tops.append((height, height + (1 + max(name.count("\n") for name, _ in line)) * size * 5 // 4 + size // 2))
        height = tops[-1][1] + max(image.shape[0] for _, image in line) + gap
    picture = Image.new("RGB", (columns * (width + gap) - gap, height - gap), "white")
    draw = ImageDraw.Draw(picture)
    for line, (top, below) in zip(lines, tops, strict=True):
        for column, (name, image) in enumerate(line):
            draw.multiline_text((column * (width + gap), top), name, fill=plots.INK, font=font)
            shade = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            picture.paste(shade, (column * (width + gap), below))
    return _encoded(picture)


def _pairs(originals: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    columns = math.ceil(math.sqrt(2 * len(originals)))
    both = np.stack([_folded(originals, columns), _folded(reconstructions, columns)], axis=1)
    names = ["original", "reconstruction"] * len(both)
    return _with_names(both.reshape(-1, *both.shape[2:]), names, group=2)


def _png(picture: np.ndarray) -> bytes:
    return _encoded(Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture))


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _drawable(names: Sequence[str]) -> list[str]:
    """The names, those that the font lacks a character of by number: it would draw a box for each."""
    known = FT2Font(findfont(FONT)).get_charmap()
    return [name if all(ord(c) in known for c in name) else f"#{number}" for number, name in enumerate(names)]


def _contents(folder: Path, pictures: Pictures) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = dict.fromkeys(NAMES)
    seen = pictures.explored._replace(names=_drawable(pictures.explored.names))
    if pictures.samples is not None:
        found["prior"] = _png(square(pictures.samples))
    if pictures.originals is not None and pictures.reconstructions is not None:
        found["reconstructions"] = _png(_pairs(pictures.originals, pictures.reconstructions))
    if pictures.completions is not None:
        found["completions"] = _png(grid(pictures.completions))
    if seen.rows is not None:
        names = [name[:20] for name in seen.names] if seen.kind == "class" else []
        drawn = _with_names(seen.rows, names or [str(row) for row in range(len(seen.rows))])
        found["classes" if seen.kind == "class" else "clusters"] = _png(drawn)
    if seen.codes is not None:
        labels = seen.labels if seen.labels.max() >= 0 else None
        found["code"] = plots.code_map(seen.codes, labels, seen.code_axes, pictures.gaussian_prior, seen.names)
    found |= _of_mistakes(seen)
    found["curves"] = training_curves(logs.read(folder))
    return found


def _of_mistakes(explored: Explored) -> dict[str, bytes | None]:
    """The confusion matrix, and the mistakes the model is surest of, each beside its reconstruction."""
    counts, wrong = explored.confusion(), explored.wrong()[:MISTAKES]
    found: dict[str, bytes | None] = {}
    if counts.size and max(counts.shape) <= plots.MOST_CLASSES:
        names = [name[:20] for name in explored.names] or [str(kind) for kind in range(len(counts))]
        predicted = names if explored.kind == "class" else [str(kind) for kind in range(counts.shape[1])]
        found["confusion"] = plots.confusion(counts, names, predicted, explored.kind, explored.whole)
    if len(wrong):
        titles = [
            f"{explored.names[explored.labels[i]][:20]}, taken for {explored.names[explored.categories[i]][:20]}"
            f" ({100 * explored.probabilities[i]:.1f} %)"
            for i in wrong
        ]
        shown = explored.images[wrong][:, None]
        if explored.reconstructions is not None:
            drawn = explored.reconstructions[np.searchsorted(explored.reconstructed, wrong)]
            shown = np.concatenate([shown, drawn[:, None]], axis=1)
        found["mistakes"] = _png(_with_names(shown, titles))
    return found


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Writes samples/*.png of the workdir `folder`: one for each picture there is, and the curves of its metrics.jsonl.

    Pictures of these names that an earlier run left and that no longer apply are removed; other files stay. Raises
    OSError where a file cannot be written.
    """
    place = folder / "samples"
    place.mkdir(exist_ok=True)
    for name, content in _contents(folder, pictures).items():
        path = place / f"{name}.png"
        if content is None:
            path.unlink(missing_ok=True)
        else:
            workdir.write_whole(path, content)
