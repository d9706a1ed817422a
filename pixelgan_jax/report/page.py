"""report.html: one file that shows a run whole, from results.json, metrics.jsonl and samples/ of its workdir."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.metrics import BY_KEY, HEADLINES, LOGGED, OF_CLUSTERS, first_of, number
from pixelgan_jax.training import logs, workdir

_UNITS = {"%": "\u00a0%", "nats": "\u00a0nats", "bits": "\u00a0bits"}  # as they follow a number
# what follows the headline's number
_CLAUSES = {
    "error": "classification error",
    "cluster_error_best_example": "clustering error by the paper’s rule",
    "bits_per_dim": "per dimension",
    "reconstruction_nats": "reconstruction of an image",
}
_UNITLESS = {metric.key for metric in LOGGED if not metric.unit}  # learning rates and the like: three decimals may be 0


def render(template: str, **values: Any) -> str:
    """A page by its template in this folder. No value is taken for markup, and its JSON ends no script element."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    text = resources.files("pixelgan_jax.report").joinpath(template).read_text("utf-8")
    return environment.from_string(text).render(**values)


def png_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _unit(key: str) -> str | None:
    """A metric's unit; None of what the table of metrics does not know, and of _UNITLESS, which four digits tell."""
    return BY_KEY[key].unit if key in BY_KEY and key not in _UNITLESS else None


def _text(value: Any, unit: str | None = None, with_unit: bool = True, spread: float | None = None) -> str:
    """A value as the report prints it, with its standard deviation; what is not a number is printed as it is."""
    if value is None:
        return "–"
    if isinstance(value, list) and value and all(type(entry) in (int, float) for entry in value):
        few = value if len(value) <= 3 else [min(value), max(value)]
        return (", " if few is value else " to ").join(_text(entry, unit) for entry in few)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return number(value, unit, spread) + (_UNITS.get(unit, "") if with_unit else "")


def _table(
    columns: list[str],
    splits: list[dict[str, Any]],
    spread: dict[str, Any],
    long: bool = True,
    left_out: Iterable[str] = (),
) -> dict[str, Any]:
    """One row for every metric that any split has: the known ones in their order, then the others.

    `spread` is the standard deviation of the last split. `long` adds what a metric means, and every cell's unit.
    """
    present = dict.fromkeys(key for split in splits for key in split if key not in left_out)
    rows = []
    for key in [key for key in BY_KEY if key in present] + [key for key in present if key not in BY_KEY]:
        metric, unit = BY_KEY.get(key), _unit(key)
        cells = [_text(split.get(key), unit, with_unit=long) for split in splits[:-1]]
        cells.append(_text(splits[-1].get(key), unit, spread=spread.get(key)))
        meaning = metric.meaning if metric and long else ""
        rows.append({"key": key, "name": metric.title if metric else "", "meaning": meaning, "cells": cells})
    return {"columns": columns, "rows": rows}


def _labels(results: dict[str, Any]) -> Any:
    return ((results.get("config") or {}).get("data") or {}).get("labels")


def _repeated(results: dict[str, Any]) -> Iterable[str]:
    """Where labels name the classes, what tells clusters and labels apart would say the same again."""
    return OF_CLUSTERS if _labels(results) else ()


def _metrics(results: dict[str, Any]) -> dict[str, Any] | None:
    names = [name for name in ("validation", "test") if results.get(name)]
    if not names:
        return None
    spread = results.get("test_sd") or {} if names[-1] == "test" else {}
    columns = [name + ", mean of the seeds" * ("replicates" in results) for name in names]
    return _table(columns, [results[name] for name in names], spread, left_out=_repeated(results))


def _replicates(results: dict[str, Any]) -> dict[str, Any] | None:
    runs = results.get("replicates")
    if not runs:
        return None
    columns = [f"seed {run.get('seed')}" for run in runs] + ["mean ± s.d."]
    splits = [*(run.get("test") or {} for run in runs), results.get("test") or {}]
    return _table(columns, splits, results.get("test_sd") or {}, long=False, left_out=_repeated(results))


def _headline(results: dict[str, Any]) -> dict[str, str] | None:
    """The number that says most about the run, and a clause that says what it is."""
    for split in ("test", "validation"):
        values = results.get(split) or {}
        key = first_of(HEADLINES, values)
        if key:
            spread = (results.get("test_sd") or {}).get(key) if split == "test" else None
            clause = f"{_CLAUSES[key]} {_clause(results, split, key)}"
            return {"number": _text(values[key], _unit(key), spread=spread), "clause": clause}
    return None


def _clause(results: dict[str, Any], split: str, key: str) -> str:
    values = results[split]
    by_label = key == "error" or key.startswith("cluster_error")
    examples = values.get("labelled_examples" if by_label and "labelled_examples" in values else "examples")
    clause = f"on the {split} images" if examples is None else f"on {_text(examples, 'images')} {split} images"
    if key == "error" and _labels(results):
        clause += f", with {_text(_labels(results), 'images')} labels"
    if key == "cluster_error_best_example":
        others = {"cluster_error_majority": "by majority", "cluster_error_hungarian": "one-to-one"}
        clause += "".join(f", {_text(values[k], '%')} {how}" for k, how in others.items() if k in values)
    if key == "bits_per_dim" and values.get("negative_elbo_nats") is not None:
        clause += f", {_text(values['negative_elbo_nats'], 'nats')} an image"
    return clause + (f", mean of {len(results['replicates'])} seeds" if results.get("replicates") else "")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    train, device = results.get("train") or {}, results.get("device") or {}
    versions = results.get("versions") or {}
    facts = [(name, str(results[key])) for name, key in (("Steps", "step"), ("Seed", "seed")) if key in results]
    facts += [(name, _duration(train[key])) for name, key in
              (("Training", "seconds"), ("Compiling", "compile_seconds")) if train.get(key) is not None]  # fmt: skip
    if train.get("images_per_second") is not None:
        facts.append(("Speed", f"{train['images_per_second']:,.0f} images/s"))
    if device:
        count, processes = device.get("count"), device.get("processes")
        facts.append(("Device", f"{count} × {device.get('kind')}" + (f", {processes} processes" * (processes != 1))))
    facts += [("Versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or None)]
    facts += [("Commit", results.get("git_commit"))]
    return [(name, _text(value)) for name, value in facts if value is not None]


def _config(results: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    # As JSON, not rounded: these are the values to type in again.
    return {
        group: [(name, json.dumps(value, ensure_ascii=False)) for name, value in fields.items()]
        for group, fields in (results.get("config") or {}).items()
    }


def write_html(folder: Path, results: dict[str, Any] | None = None) -> None:
    """Writes the workdir's report.html, a page that needs no other file and no network.

    It shows whatever of results, which are results.json's where none are given, metrics.jsonl and samples/*.png there
    is. Raises InputError where results.json is not what a run writes, OSError where a file cannot be read or written.
    """
    if results is None:
        results = workdir.read_json(folder / "results.json", "; --mode evaluate writes it anew") or {}
    rows = logs.read(folder)
    try:
        page = _page(folder, results, rows)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        path = folder / "results.json"
        raise InputError(f"{path}: has a value that no run writes; --mode evaluate writes it anew") from error
    # A path from the command line may hold bytes that are no UTF-8.
    workdir.write_whole(folder / "report.html", page.encode("utf-8", "replace"))


def _page(folder: Path, results: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    last = {key: value for key, value in (rows[-1] if rows else {}).items() if key in BY_KEY}
    return render(
        "report.html.jinja",
        title=_text(results.get("experiment") or folder.resolve().name),
        headline=_headline(results),
        warnings=[_text(warning) for warning in results.get("warnings") or []],
        metrics=_metrics(results),
        replicates=_replicates(results),
        last=_table([f"step {rows[-1]['step']:,}"], [last], {}) if last else None,
        pictures={path.stem: png_uri(path.read_bytes()) for path in sorted((folder / "samples").glob("*.png"))},
        explore=(folder / "explore.html").exists(),
        facts=_facts(results),
        config=_config(results),
    )
