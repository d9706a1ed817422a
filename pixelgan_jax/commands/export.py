"""--mode export: the newest good checkpoint as a folder of weights alone, with a model card."""

import dataclasses
from pathlib import Path
from typing import Any

from pixelgan_jax.commands import run
from pixelgan_jax.config import Config, Data
from pixelgan_jax.data.readers import named
from pixelgan_jax.evaluation import trained
from pixelgan_jax.evaluation.metrics import BY_KEY, number
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.report import markdown
from pixelgan_jax.training import exported
from pixelgan_jax.training.workdir import results_of, write_whole

KEPT = ("validation", "test", "device", "versions", "git_commit", "warnings")  # of results.json
PRECISION = {
    "float32": "float32",
    "int8": "large kernels in 8 bits with a scale for each of their channels; the figures are those of float32",
}


def execute(
    experiment: str, workdir: Path, folder: Path, weights: str, overrides: dict[str, Any], step: int | str | None = None
) -> None:
    """Writes the workdir's model, its weights stored as exported.STORED says, config.json and README.md into `folder`.
    overrides: {group.field: value} of the command line, which must be the model's. step: of another checkpoint than the
    newest. Raises InputError where there is none, or another."""
    model, data = trained.load_workdir(workdir, step)
    run.tell_of_another_step(workdir, model)
    run.check_overrides(model.config, overrides)
    results = _results(workdir, model.step)
    meta = exported.ExportMeta(
        experiment, _placeless(model.config), data, model.step, model.names, model.cluster_classes, results
    )
    exported.write(folder, model.variables, meta, weights)
    write_whole(folder / "README.md", card(experiment, folder.name, model, data, results, weights))
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"step {model.step}; {folder}: {size / 2**20:.1f} MiB; pg.load({str(folder)!r})", flush=True)


def _placeless(config: Config) -> Config:
    """The configuration without where the data lay, which is nobody else's business."""
    name = config.data.name
    if named.is_path(config.data):
        name = Path(name).name or name
    return dataclasses.replace(config, data=dataclasses.replace(config.data, name=name, dir=""))


def _results(workdir: Path, step: int) -> dict[str, Any]:
    """What results.json says of this step; {} where it says nothing."""
    results = results_of(workdir)
    return {name: results[name] for name in KEPT if name in results} if results.get("step") == step else {}


def card(experiment: str, folder: str, model: Trained, data: DataSpec, results: dict[str, Any], weights: str) -> str:
    """The model card, Markdown; folder: what the one that it lies in is called."""
    height, width, channels = data.shape
    lines = [
        f"# {experiment}",
        "",
        f"A model of the method `{model.method.name}` of pixelgan_jax (PixelGAN autoencoders,"
        f" [Makhzani & Frey 2017](https://arxiv.org/abs/1706.00531), and what they are compared with), trained for"
        f" {model.step:,} steps of {model.config.train.batch_size} images, seed {model.config.train.seed}.",
        "",
        f"- **Data**: `{_placeless(model.config).data.name}`, {height}×{width}×{channels}, {data.images:,} training"
        f" images, {data.labels:,} of them with labels. No copy of it is here; its licence is its makers'.",
        f"- **Code**: commit {results.get('git_commit') or 'unknown'}; weights are the averaged ones,"
        f" {PRECISION[weights]}.",
        "- **Licence** of the weights: their maker's to say. Meant for research; it knows nothing but such images.",
        "",
    ]
    if results.get("test"):
        lines.append(_metrics(results["test"], results["validation"]))
        if any(key.endswith("_nats") for key in results["test"]):
            lines += [f"Nats are those of {_pixels(model.config.data)}.", ""]
    call = "labels = model.classify(images)" if model.config.data.labels else "found = model.predict(images)"
    if model.method.prior:
        call = "images = model.generate(8)"
    use = ["```python", "import pixelgan_jax as pg", f'model = pg.load("{folder}")  # this folder, or a .zip of it']
    return "\n".join([*lines, *use, call, "```", ""])


def _pixels(data: Data) -> str:
    """What the decoder models of a pixel, without which nats do not compare."""
    if data.levels > 2:
        return f"pixels of {data.levels} levels"
    if data.binarisation == "threshold":
        return "pixels rounded to black or white"
    return "pixels that are black or white with their grey level's probability"


def _metrics(test: dict[str, Any], validation: dict[str, Any]) -> str:
    """The numbers of both splits, a row each; codes' means and deviations, which are several each, are left out."""
    rows = [
        [markdown.titled(BY_KEY[key]), *(_number(key, split.get(key)) for split in (test, validation))]
        for key, value in test.items()
        if key in BY_KEY and isinstance(value, int | float)
    ]
    return markdown.grid(["", "test", "validation"], rows)


def _number(key: str, value: Any) -> str:
    return "–" if value is None else number(value, BY_KEY[key].unit)
