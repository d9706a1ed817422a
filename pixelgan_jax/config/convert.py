"""From nested dicts and ConfigDicts to typed configurations and back. Every field is checked here by itself, what
fields say together by the configuration's own `check`, and what does not fit the data where a method is made.

`kinds` is the configuration's class of every method, by its name. A configuration that names no method is of DEFAULT.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from typing import Any

from pixelgan_jax.config.fields import NEVER_ABSENT, refused, shown, value_of
from pixelgan_jax.config.schema import Config, groups
from pixelgan_jax.errors import InputError

DEFAULT = "autoencoder"
Kinds = dict[str, type[Config]]


def fields_of(kind: type[Config]) -> Iterator[tuple[str, str, dataclasses.Field]]:
    """(group, name, field) of every field."""
    for group, fields in groups(kind).items():
        for field in dataclasses.fields(fields):
            yield group, field.name, field


def _kind(values: Any, kinds: Kinds) -> type[Config]:
    """The class that a configuration's method asks for."""
    method = values["method"] if "method" in values else {}
    if not hasattr(method, "items"):
        raise refused("method", method, "a group of fields")
    name = dict(method.items()).get("name", DEFAULT)
    if not isinstance(name, str) or name not in kinds:
        raise refused("method.name", name, f"one of {', '.join(kinds)}")
    return kinds[name]


def _group(group: str, kind: type, values: Any) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not hasattr(values, "items"):
        raise refused(group, values, "a group of fields")
    values = dict(values.items())
    for name in values:
        if name not in fields:
            nearest = ", ".join(difflib.get_close_matches(str(name)[:80], fields, n=5, cutoff=0.0))
            text = f"the nearest of config.{group} are {nearest} (--help has all)"
            raise InputError(f"config.{group}.{shown(name)}: no such field; {text}")
    for name in fields:
        if name not in values:
            raise InputError(f"config.{group}.{name}: missing; must be {fields[name].metadata['allowed']}")
    return kind(**{name: value_of(f"{group}.{name}", field, values[name]) for name, field in fields.items()})


def from_dict(values: Any, kinds: Kinds) -> Config:
    """Checks every field of a ConfigDict or nested dict and returns the frozen configuration of its method.

    Raises InputError naming the first field that is unknown, missing, mistyped or out of range.
    """
    kind = _kind(values, kinds)
    named = groups(kind)
    for name in values:
        if name not in named:
            raise InputError(f"config.{shown(name)}: no such group; a config has {', '.join(named)}")
    given = {"method": {"name": DEFAULT}}
    for name in named:
        if name in values:
            given[name] = values[name]
        elif name not in given:
            raise InputError(f"config.{name}: missing; a config has {', '.join(named)}")
    config = kind(**{name: _group(name, fields, given[name]) for name, fields in named.items()})
    config.check()
    return config


def from_saved(values: Any, kinds: Kinds) -> Config:
    """`from_dict` of a configuration that this or an earlier version saved; raises InputError as that does, also where
    it used a field that is gone."""
    values = dict(values)
    kind = _kind(values, kinds)
    for group, name, field in fields_of(kind):
        if field.metadata["absent"] is not NEVER_ABSENT and isinstance(values.get(group), dict):
            values[group] = {name: field.metadata["absent"]} | values[group]
    for path, value in kind.removed.items():
        group, name = path.split(".")
        if isinstance(values.get(group), dict) and values[group].get(name) == value:
            values[group] = {other: each for other, each in values[group].items() if other != name}
    return from_dict(values, kinds)


def to_dict(config: Config) -> dict[str, dict[str, Any]]:
    """The nested dict that `from_dict` takes back, of JSON types (tuples become lists)."""
    return {
        group: {name: list(value) if isinstance(value, tuple) else value for name, value in vars(fields).items()}
        for group in groups(type(config))
        for fields in [getattr(config, group)]
    }


def defaults(kind: type[Config]) -> dict[str, dict[str, Any]]:
    """Every field's default by group."""
    return {group: dataclasses.asdict(fields()) for group, fields in groups(kind).items()}


def describe(kind: type[Config], besides: type[Config] | None = None) -> str:
    """Two lines for each field: its name and default; what it means and what is allowed. besides: a configuration whose
    groups are left out."""
    left_out = groups(besides) if besides else {}
    return "\n".join(
        f"  --config.{group}.{name}={field.default}\n      {field.metadata['meaning']}; {field.metadata['allowed']}"
        for group, name, field in fields_of(kind)
        if group not in left_out
    )


def first_difference(saved: Config, wanted: Config, besides: tuple[str, ...] = ()) -> str | None:
    """Names the first field, with both values, that keeps `wanted` from resuming `saved`; None if nothing does.
    besides: "group.field" of those that may change on resume, and are to be the same here."""
    if type(saved) is not type(wanted):
        return f"config.method.name: {wanted.method.name!r} differs from the checkpoint's {saved.method.name!r}"
    old, new = to_dict(saved), to_dict(wanted)
    for group, name, field in fields_of(type(wanted)):
        fixed = not field.metadata["on_resume"] or f"{group}.{name}" in besides
        if fixed and old[group][name] != new[group][name]:
            return f"config.{group}.{name}: {new[group][name]!r} differs from the checkpoint's {old[group][name]!r}"
    return None
