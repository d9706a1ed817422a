"""What a field of a configuration may hold: its type, the values allowed in words, and a check of them.

`choice`, `integer`, `odd`, `real`, `boolean`, `text` and `widths` each make a field of a dataclass that says so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from pixelgan_jax.errors import InputError, one_line


def _checked(kind: type, allowed: str, check: Callable[[Any], bool]):
    return dataclasses.field(metadata={"kind": kind, "allowed": allowed, "check": check})


def choice(*values: str):
    return _checked(str, "one of " + ", ".join(values), lambda value: value in values)


def integer(low: int, high: int = 2**31 - 1):
    return _checked(int, f"an integer from {low} to {high}", lambda value: low <= value <= high)


def odd(low: int, high: int):
    return _checked(int, f"an odd integer from {low} to {high}", lambda v: low <= v <= high and v % 2 == 1)


def real(low: float, high: float = math.inf, above: bool = False, below: bool = False):
    allowed = f"a number {'above' if above else 'from'} {low:g}"
    if high < math.inf:
        allowed += f" {'to below' if below else 'to'} {high:g}"

    def check(value: float) -> bool:
        return math.isfinite(value) and low <= value <= high and not (above and value == low or below and value == high)

    return _checked(float, allowed, check)


def boolean():
    return _checked(bool, "True or False", lambda value: True)


def text(allowed: str, empty: bool):
    return _checked(str, allowed, lambda value: "\0" not in value and (empty or value != ""))


def widths():
    allowed = "a tuple of 1 to 16 integers from 1 to 65536, such as (32, 64)"
    return _checked(tuple, allowed, lambda v: 1 <= len(v) <= 16 and all(type(i) is int and 1 <= i <= 65536 for i in v))


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
    if kind is tuple and isinstance(value, list):
        value = tuple(value)
    if type(value) is not kind or not field.metadata["check"](value):
        raise refused(name, value, allowed)
    return value
