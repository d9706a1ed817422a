"""--mode predict: what a trained model says of every image of a file, in predictions.csv and codes.npz."""

import csv
import io
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pixelgan_jax.commands import run
from pixelgan_jax.config import Config, Data, to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.data.sources import Unsplit
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained
from pixelgan_jax.evaluation.metrics import as_text
from pixelgan_jax.evaluation.predictions import predict
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training.workdir import write_whole

CHUNK = 10 * trained.MAPPED  # images that are asked of at once
LIKELIHOOD = {"log_prob_nats": ".4f", "negative_elbo_nats": ".4f", "bits_per_dim": ".6f"}
OF_THE_FILE = ("data.dir", "data.side", "data.scale")  # overrides that may differ from what the model was trained with


def execute(workdir: Path, file: str, output: Path, overrides: dict[str, Any], step: int | str | None = None) -> None:
    """Writes predictions.csv, a row an image, and codes.npz into the folder `output`, by the newest checkpoint or that
    of `step`.

    overrides: {group.field: value} of the command line, which must be the model's but for those that say how the file
    is read. Raises InputError naming the file or the field.
    """
    if output == workdir and workdir.is_file():
        raise InputError(f"--output: missing; must be a folder, since {workdir} is a file")
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output}: is a file; must be a folder")
    model = trained.load(workdir, step)
    run.tell_of_another_step(workdir, model)
    parts = _read(model, file, overrides)
    _make_writable(output)
    begun, codes, text = time.monotonic(), [], io.StringIO()  # as text: a hundredth of what rows of objects take
    writer, right = None, []
    for row in _rows(model, parts, codes):
        if writer is None:
            writer = csv.DictWriter(text, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
        right.append(row.get("right", ""))
    spent, count = time.monotonic() - begun, sum(len(part.images) for part in parts)
    write_whole(output / "predictions.csv", text.getvalue())
    written = ["predictions.csv"]
    if codes:
        buffer = io.BytesIO()
        np.savez(buffer, codes=np.concatenate(codes))
        write_whole(output / "codes.npz", buffer.getvalue())
        written.append("codes.npz")
    rate = count / max(spent, 1e-9)  # compiling included
    told = [f"{count:,} images, {rate:,.0f} images/s" if rate >= 10 else f"{count:,} images, {spent:.0f} s"]
    if known := [each for each in right if each != ""]:
        told.append(f"{as_text('error', 1 - sum(known) / len(known))} of the {len(known):,} with labels")
    print(f"{'; '.join(told)}; {output}: {', '.join(written)}", flush=True)


def _read(model: Trained, file: str, overrides: dict[str, Any]) -> list[Unsplit]:
    """The parts of the file as the model takes them; prints what there is to say of them."""
    try:
        parts, notes = sources.unsplit(_asked(model.config, model.method.shape, file, overrides))
    except InputError as error:  # which knows the file by the field that it is named in for training
        raise InputError(str(error).replace("config.data.name", "--input")) from None
    if any(_coloured(part, model.method.shape) for part in parts):
        notes += ("coloured images are read in grey, which the model takes",)
    parts = [_fitting(file, part, model.method.shape) for part in parts]
    others = {label for part in parts for label in part.labels} - {"", *_known(model)}
    if others and (model.config.data.labels or model.cluster_classes):
        told = f"{min(others)!r} is no class of the model, as {min(_known(model))!r} is"
        notes += (f"{told}: images whose label it does not know are not compared with what it says",)
    for note in notes:
        print(f"{file}: {note}", flush=True)
    return parts


def _make_writable(output: Path) -> None:
    """Makes the folder and looks, before hours of work, whether files can be written there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        told = f"{error.strerror}; must be a folder that may be written into, or a place for one"
        raise InputError(f"--output {output}: {told}") from error


def _asked(config: Config, shape: tuple[int, int, int], file: str, overrides: dict[str, Any]) -> Data:
    """How the file is read: as the model's own data were, but for overrides of this; pictures are made as large as a
    model of squares takes them, whatever it was trained on."""
    run.check_overrides(config, {name: value for name, value in overrides.items() if name not in OF_THE_FILE})
    asked = to_dict(config)
    own = {"side": shape[0]} if shape[0] == shape[1] else {}
    own |= {name.removeprefix("data."): overrides[name] for name in OF_THE_FILE if name in overrides}
    if file != config.data.name and os.path.exists(os.path.expanduser(file)):
        own["dir"] = ""  # with one a name without separator is a data set's, whatever lies here
    return from_dict(asked | {"data": asked["data"] | own | {"name": file}}).data


def _coloured(part: Unsplit, shape: tuple[int, int, int]) -> bool:
    """Whether its images have three channels that differ, and the model takes one."""
    return part.images.shape[3] > shape[2] and np.ptp(part.images, axis=3).max() > 0


def _fitting(file: str, part: Unsplit, shape: tuple[int, int, int]) -> Unsplit:
    """The part with images of the model's shape: grey ones of three channels alike where it takes colours, coloured
    ones in grey where it takes none. Raises InputError where they are of another size."""
    images = part.images
    if images.shape[1:3] != shape[:2]:
        raise InputError(f"--input {file}: its images are {list(images.shape[1:])}; the model takes {list(shape)}")
    if images.shape[3] < shape[2]:
        images = np.repeat(images, shape[2], axis=3)
    elif images.shape[3] > shape[2]:
        rows = Image.fromarray(images.reshape(-1, *images.shape[2:]))  # all under one another
        images = np.asarray(rows.convert("L")).reshape(*images.shape[:3], 1)
    return part._replace(images=images)


def _rows(model: Trained, parts: list[Unsplit], codes: list[np.ndarray]) -> Iterator[dict[str, Any]]:
    """A row an image; their codes, where there are any, are added to `codes`, [*, D] each."""
    labelled = any(label for part in parts for label in part.labels)
    known = _known(model)
    done = 0
    with tqdm(total=sum(len(part.images) for part in parts), unit="image", disable=None) as bar:
        for part in parts:
            for start in range(0, len(part.images), CHUNK):
                images = part.images[start : start + CHUNK]
                found = predict(model, images, done)
                codes.extend([found["code"]] if "code" in found else [])
                for number in range(len(images)):
                    row = {"name": part.names[start + number], "part": part.part}
                    row |= _said(model, {name: values[number] for name, values in found.items()})
                    if labelled:
                        row |= _compared(known, row, part.labels[start + number])
                    yield row
                done += len(images)
                bar.update(len(images))


def _said(model: Trained, found: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if "category" in found:
        category = int(found["category"])
        if model.config.data.labels:
            row["class"] = model.names[category] if model.names else str(category)
        else:
            row["cluster"] = category
            if model.cluster_classes:
                row["cluster_class"] = model.cluster_classes[category]
        row["probability"] = f"{found['probability']:.6f}"
    for name, form in LIKELIHOOD.items():
        if name in found:
            row[name] = f"{found[name]:{form}}"
    return row


def _known(model: Trained) -> set[str]:
    """What the model calls the classes."""
    return set(model.names or map(str, range(model.method.code.categories)))


def _compared(known: set[str], row: dict[str, Any], label: str) -> dict[str, Any]:
    """Whether it was right, where the label is one that the model can say: it may have learnt the classes as numbers
    and the file have names."""
    told = row.get("class", row.get("cluster_class"))
    if told is None:
        return {"label": label}
    return {"label": label, "right": int(told == label) if label in known else ""}
