"""explore.html: one file to look into a run with, image by image. It needs no other file, no network and no server.

Python lays out what there is to see as JSON and sheets of images; explore.js, with D3 (d3.min.js, ISC licence), shows
it. Names and labels are other people's: they reach the page as JSON and are only ever set as text.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixelgan_jax.report.page import png_uri, render
from pixelgan_jax.report.pictures import Explored
from pixelgan_jax.training import workdir

COLUMNS = 50  # images in a row of a sheet


def write(folder: Path, title: str, explored: Explored) -> None:
    """Writes the workdir's explore.html. Raises OSError where it cannot be written."""
    workdir.write_whole(folder / "explore.html", page(title, explored).encode("utf-8", "replace"))


def page(title: str, explored: Explored) -> str:
    """The page. Its content security policy allows its own scripts and style, by their hashes, and images within it."""
    files = resources.files("pixelgan_jax.report")
    scripts = [files.joinpath(name).read_text("utf-8") for name in ("d3.min.js", "explore.js")]
    style = files.joinpath("explore.css").read_text("utf-8")
    policy, data = _policy(scripts, style), _content(explored)
    return render("explore.html.jinja", title=title, scripts=scripts, style=style, policy=policy, data=data)


def _policy(scripts: list[str], style: str) -> str:
    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    allowed = " ".join(map(source, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {source(style)}; img-src data:"


def _content(explored: Explored) -> dict[str, Any]:
    """What explore.js reads; what there is none of is null."""
    categories, codes = explored.categories, explored.codes
    return {
        "count": len(explored.images),
        "whole": explored.whole,
        "shape": list(explored.images.shape[1:3]),
        "columns": COLUMNS,
        "images": _sheet(explored.images),
        "labels": explored.labels.tolist() if explored.labels.max() >= 0 else None,
        "names": list(explored.names),
        "files": None if explored.files is None else explored.files.tolist(),
        "kind": explored.kind,
        "categories": None if categories is None else categories.tolist(),
        "probabilities": None if categories is None else np.round(explored.probabilities.astype(float), 5).tolist(),
        "category_count": explored.category_count,
        "cluster_classes": list(explored.cluster_classes),
        "reconstructions": _sheet(explored.reconstructions),
        "reconstructed": [] if explored.reconstructed is None else explored.reconstructed.tolist(),
        "codes": None if codes is None else np.round(codes.astype(float), 4).tolist(),
        "axes": list(explored.code_axes),
        "rows": _sheet(explored.rows),
        "per_row": 0 if explored.rows is None else explored.rows.shape[1],
        "plane": _sheet(explored.plane),
        "plane_at": [] if explored.plane_at is None else np.round(explored.plane_at, 4).tolist(),
    }


def _sheet(images: np.ndarray | None) -> str | None:
    """Images [..., H, W, C], COLUMNS in a row, in one PNG, as a data URI."""
    if images is None:
        return None
    height, width, channels = images.shape[-3:]
    images = images.reshape(-1, height, width, channels)
    lines = math.ceil(len(images) / COLUMNS)
    images = np.pad(images, ((0, lines * COLUMNS - len(images)), (0, 0), (0, 0), (0, 0)))
    images = images.reshape(lines, COLUMNS, height, width, channels).swapaxes(1, 2)
    sheet = images.reshape(lines * height, COLUMNS * width, channels)
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(buffer, "PNG", optimize=True)
    return png_uri(buffer.getvalue())
