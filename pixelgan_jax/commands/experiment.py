"""Experiments: Python files whose get_config() returns a ConfigDict, and overrides of its fields."""

import ast
import copy
import os
import runpy
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from pixelgan_jax.config import Config
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training.signals import Interrupted


def load(path: str) -> dict[str, Any]:
    """The names that an experiment's file defines. Raises InputError where it cannot be run.

    Whoever runs a file that somebody else wrote trusts it: it is a program.
    """
    if not os.path.isfile(path):
        reason = "is a folder" if os.path.isdir(path) else "no such file"
        raise InputError(f"--config {path}: {reason}; must be experiments/NAME.py")
    return _guarded(path, "get_config", lambda: runpy.run_path(path))


def call(path: str, names: dict[str, Any], function: str) -> Any:
    """What `function`() of the loaded file returns. Raises InputError where there is none, or it fails."""
    if function not in names:
        raise _broken(path, f"it has no {function}", function)
    return _guarded(path, function, names[function])


def _guarded(path: str, function: str, run: Callable[[], Any]) -> Any:
    own = Path(path).resolve().parent
    before = list(sys.path)
    sys.path.insert(0, str(own.parent))  # so that an experiment finds experiments.base
    sys.path.append(str(own))  # and what lies beside it
    try:
        return run()
    except Interrupted:
        raise
    except BaseException as error:  # whatever a file that somebody else wrote does
        raise _broken(path, _reason(path, error), function) from None
    finally:
        sys.path[:] = before


def _broken(path: str, reason: str, function: str = "get_config") -> InputError:
    return InputError(f"--config {path}: {reason}; must be a Python file whose {function}() works")


def _reason(path: str, error: BaseException) -> str:
    """The error and the last line of the file that was under way."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    where = f"line {lines[-1]}: " if lines else ""
    try:
        return f"{where}{type(error).__name__}: {error}"
    except Exception:  # an exception of the file's own, that cannot say what it is
        return f"{where}{type(error).__name__}"


def config_of(path: str, names: dict[str, Any]) -> ConfigDict:
    """The configuration that the loaded file's get_config() returns, not yet checked."""
    values = call(path, names, "get_config")
    if not isinstance(values, ConfigDict):
        raise InputError(f"--config {path}: get_config() returns {type(values).__name__}; must be a ConfigDict")
    # a copy: it may be one that the file holds, and gives to every cell of a table
    return _guarded(path, "get_config", lambda: copy.deepcopy(values))


def typed(path: str, values: ConfigDict, overrides: dict[str, Any]) -> Config:
    """The typed configuration, after overrides {group.field: value}. Raises InputError naming what is wrong."""
    try:
        for name, value in overrides.items():
            _override(values, name, value)
        return from_dict(values)
    except InputError:
        raise
    except Exception as error:  # a ConfigDict may hold what raises when it is looked at
        raise _broken(path, _reason(path, error)) from None


def _place(values: ConfigDict, name: str) -> tuple[ConfigDict, str]:
    """The group and the field's name of group.field; whether there is such a field is for the configuration to say."""
    group, _, field = name.partition(".")
    if not field or "." in field or not isinstance(values.get(group), ConfigDict):
        raise InputError(f"config.{name}: no such field; must be config.group.field, group one of {', '.join(values)}")
    return values[group], field


def _override(values: ConfigDict, name: str, value: Any) -> None:
    group, field = _place(values, name)
    with group.unlocked(), group.ignore_type():
        group[field] = value


def from_text(path: str, values: ConfigDict, texts: dict[str, str]) -> dict[str, Any]:
    """The values that the texts of a command line stand for, {group.field: value}: text itself where the field holds
    text, otherwise a number, a truth value or a tuple."""
    try:
        found = {}
        for name, text in texts.items():
            group, field = _place(values, name)
            found[name] = text if isinstance(group.get(field), str) else _value(text)
        return found
    except InputError:
        raise
    except Exception as error:
        raise _broken(path, _reason(path, error)) from None


def _value(text: str) -> Any:
    """A number, a truth value or a tuple; the text itself where it is none of these."""
    try:
        with warnings.catch_warnings(action="ignore"):  # "1or 2" is a matter of style to Python
            return ast.literal_eval(text.title() if text in ("true", "false") else text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
