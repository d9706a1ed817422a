"""A field of a configuration: default, what it may hold, what it means, and how it fares when a run is resumed.

`choice`, `integer`, `kernel_size`, `real`, `boolean`, `text`, `widths` and `positives` each make a field of a frozen
dataclass. All take its default (a kernel's is 3), its meaning, and these two:
- on_resume: whether it may change between a checkpoint and the run that goes on from it;
- absent: the value that is assumed for saved configurations which are older than the field.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from pixelgan_jax.errors import InputError, one_line

NEVER_ABSENT = object()  # a configuration that lacks the field is refused


def _field(
    kind: type,
    allowed: str,
    check: Callable[[Any], bool],
    default: Any,
    meaning: str,
    on_resume: bool = False,
    absent: Any = NEVER_ABSENT,
):
    about = {"kind": kind, "allowed": allowed, "check": check}
    about |= {"meaning": meaning, "on_resume": on_resume, "absent": absent}
    return dataclasses.field(default=default, metadata=about)


def choice(values: tuple[str, ...], default: str, meaning: str, **more):
    return _field(str, "one of " + ", ".join(values), lambda value: value in values, default, meaning, **more)


def integer(low: int, default: int, meaning: str, high: int = 2**31 - 1, **more):
    allowed = f"an integer from {low} to {high}"
    return _field(int, allowed, lambda value: low <= value <= high, default, meaning, **more)


def kernel_size(meaning: str, **more):
    return _field(int, "an odd integer from 3 to 99", lambda v: 3 <= v <= 99 and v % 2 == 1, 3, meaning, **more)


def real(
    low: float,
    default: float,
    meaning: str,
    high: float = math.inf,
    above: bool = False,
    below: bool = False,
    **more,
):
    """A number from `low` to `high`, these themselves left out with `above` and `below`."""
    allowed = f"a number {'above' if above else 'from'} {low:g}"
    if high < math.inf:
        allowed += f" {'to below' if below else 'to'} {high:g}"

    def check(value: float) -> bool:
        return math.isfinite(value) and low <= value <= high and not (above and value == low or below and value == high)

    return _field(float, allowed, check, default, meaning, **more)


def boolean(default: bool, meaning: str, **more):
    return _field(bool, "True or False", lambda value: True, default, meaning, **more)


def text(allowed: str, default: str, meaning: str, empty: bool, **more):
    return _field(str, allowed, lambda value: "\0" not in value and (empty or value != ""), default, meaning, **more)


def widths(default: tuple[int, ...], meaning: str, empty: bool = False, **more):
    fewest = 0 if empty else 1

    def check(value: tuple) -> bool:
        return fewest <= len(value) <= 16 and all(type(width) is int and 1 <= width <= 65536 for width in value)

    allowed = f"a tuple of {fewest} to 16 integers from 1 to 65536, such as (32, 64)"
    return _field(tuple, allowed, check, default, meaning, **more)


def positives(default: tuple[float, ...], meaning: str, **more):
    def check(value: tuple) -> bool:
        # a share too small for float32 would be 0, and its logarithm no number
        return all(type(part) in (int, float) and 1e-6 <= part <= 1e12 for part in value)

    allowed = "() or a tuple of numbers from 1e-6 to 1e12, such as (0.5, 0.3, 0.2) or (10, 6, 4)"
    return _field(tuple, allowed, check, default, meaning, **more)


def shown(what: Any) -> str:
    """In one line of at most 80 characters."""
    line = one_line(str(what))
    return line if len(line) <= 80 else line[:77] + "..."


def refused(name: str, value: Any, allowed: str) -> InputError:
    """The error that a field `name` of such a value deserves."""
    try:
        told = shown(repr(value))
    except Exception:  # an integer of too many digits, or an object of the experiment's own
        told = f"this {type(value).__name__}"
    return InputError(f"config.{name}: {told} is not allowed: must be {allowed}")


def value_of(name: str, field: dataclasses.Field, value: Any) -> Any:
    """`value` as the field `name` holds it; raises InputError where it may not."""
    kind, allowed = field.metadata["kind"], field.metadata["allowed"]
    if kind is float and type(value) is int and abs(value) < 2**63:
        value = float(value)
    if kind is int and type(value) is float and value.is_integer():  # 1e4
        value = int(value)
    if kind is tuple and isinstance(value, list):
        value = tuple(value)
    if type(value) is not kind or not field.metadata["check"](value):
        raise refused(name, value, allowed)
    return value
