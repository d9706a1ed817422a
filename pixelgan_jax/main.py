"""python -m pixelgan_jax.main --config experiments/NAME.py: flags and dispatch, nothing else."""

import ast
import os
import runpy
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # the imports below take seconds, in which there is nothing to save or to tidy up
    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, lambda number, _: os._exit(128 + number))

import jax
from ml_collections import ConfigDict

from pixelgan_jax.commands import comparison, replicates, run
from pixelgan_jax.config import Config, describe, from_dict, to_dict
from pixelgan_jax.errors import InputError, one_line
from pixelgan_jax.nn.xla_cpu import memory
from pixelgan_jax.training import loop, processes, signals

MODES = (*run.MODES, *comparison.MODES)
FLAGS = ("config", "mode", "workdir", *processes.FLAGS)
HELP = ("--help", "--helpfull", "-h")
USAGE = f"""\
usage: python -m pixelgan_jax.main --config experiments/NAME.py [--mode {"|".join(MODES)}] [--workdir DIR]
                                   [--config.group.field=value ...]
                                   [--coordinator_address HOST:PORT --num_processes N --process_id I]

  --config    the experiment: a Python file whose get_config() returns a ConfigDict
  --mode      train (the default): trains, going on from what the workdir holds, evaluates and writes the report
              evaluate: rewrites results.json and the report; sample: rewrites samples/
              table, figure: trains what is missing of the runs that get_plan() names, gathers and draws
  --workdir   where everything is kept; runs/NAME unless given
  --coordinator_address, --num_processes, --process_id   one run over N processes: the same command for each, with I
              from 0 to N - 1, and process 0's host and a free port of it; not needed on Cloud TPU

Fields, explained in experiments/base.py:
"""


def parse(arguments: list[str]) -> tuple[str, Config, str, Path]:
    """(experiment, config, mode, workdir) of a command line. Raises InputError for whatever is wrong with it."""
    flags, overrides = _split(arguments)
    if "config" not in flags:
        raise InputError("--config: missing; must be experiments/NAME.py")
    mode = flags.get("mode", "train")
    if mode not in MODES:
        raise InputError(f"--mode {mode}: must be one of {', '.join(MODES)}")
    path = flags["config"]
    values = _call(path, "get_config")
    if not isinstance(values, ConfigDict):
        raise InputError(f"--config {path}: get_config() returns {type(values).__name__}; must be a ConfigDict")
    try:
        for name, text in overrides.items():
            _override(values, name, text)
        config = from_dict(values)
    except InputError:
        raise
    except Exception as error:  # a ConfigDict may hold what raises when it is looked at
        raise _broken(path, _reason(path, error)) from None
    experiment = Path(path).stem
    return experiment, config, mode, Path(flags.get("workdir", os.path.join("runs", experiment)))


def _split(arguments: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The flags by name, and the overrides by group.field, of `--name=value` and `--name value`; the last one wins."""
    flags: dict[str, str] = {}
    overrides: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.removeprefix("--").partition("=")
        override = name.startswith("config.")
        if not argument.startswith("--") or not (override or name in FLAGS):
            allowed = f"must be {', '.join(f'--{flag}' for flag in FLAGS)}, --config.group.field=value or --help"
            raise InputError(f"{argument}: no such flag; {allowed}")
        if not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        elif not equals or not (value or override):
            raise InputError(f"--{name}: has no value; must be --{name}=value")
        if override:
            overrides[name.removeprefix("config.")] = value
        else:
            flags[name] = value
    return flags, overrides


def _call(path: str, function: str) -> Any:
    """What `function`() of the experiment's file returns."""
    if not os.path.isfile(path):
        reason = "is a folder" if os.path.isdir(path) else "no such file"
        raise InputError(f"--config {path}: {reason}; must be experiments/NAME.py")
    root = str(Path(path).resolve().parent.parent)  # so that an experiment finds experiments.base
    before = list(sys.path)
    sys.path.insert(0, root)
    try:
        return runpy.run_path(path)[function]()
    except signals.Interrupted:
        raise
    except BaseException as error:  # whatever a file that somebody else wrote does
        lacking = isinstance(error, KeyError) and error.args == (function,)
        raise _broken(path, f"it has no {function}" if lacking else _reason(path, error), function) from None
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


def _override(values: ConfigDict, name: str, text: str) -> None:
    """Sets group.field to what `text` says; whether that is allowed, and the field there, is for the config to say."""
    group, _, field = name.partition(".")
    if not field or "." in field or not isinstance(values.get(group), ConfigDict):
        raise InputError(f"config.{name}: no such field; must be config.group.field, group one of {', '.join(values)}")
    is_text = isinstance(values[group].get(field), str)
    with values[group].unlocked(), values[group].ignore_type():
        values[group][field] = text if is_text else _value(text)


def _value(text: str) -> Any:
    """A number, a truth value or a tuple; the text itself where it is none of these."""
    try:
        with warnings.catch_warnings(action="ignore"):  # "1or 2" is a matter of style to Python
            return ast.literal_eval(text.title() if text in ("true", "false") else text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _stop(number: int) -> None:
    raise signals.Interrupted(number, "stopped")


def main(arguments: list[str]) -> int:
    """Runs one command line and returns its exit status."""
    if any(argument in HELP for argument in arguments):
        print(USAGE + describe())
        return 0
    workdir = Path()
    try:
        with signals.handled_by(_stop):
            experiment, config, mode, workdir = parse(arguments)
            flags, overrides = _split(arguments)
            member = processes.member(flags)
            if mode in comparison.MODES:
                if member:
                    raise InputError(
                        f"--mode {mode}: must be given without {', '.join(f'--{f}' for f in processes.FLAGS)}"
                    )
                plan = _call(flags["config"], "get_plan")
                comparison.execute(mode, flags["config"], plan, config.train.replicates, workdir, overrides, parse)
                return 0
            processes.join(member, {"--config": experiment, "--mode": mode, **_fields(config)})
            replicates.execute(mode, experiment, config, workdir)
            processes.leave()
    except InputError as error:
        return _fail(2, f"error: {error}")
    except signals.Interrupted as interrupted:
        return _fail(128 + interrupted.number, f"{interrupted}; run the same command to go on")
    except (loop.Diverged, comparison.Incomplete) as stopped:
        return _fail(1, f"stopped: {stopped}")
    except OSError as error:  # a full disk, a folder that vanished: not a bug either
        processes.await_notice()  # or a checkpoint that another process did not live to save with us
        return _fail(1, f"error: {error.filename2 or error.filename or workdir}: {error.strerror or error}")
    except Exception as error:
        processes.fail(error)
        raise
    return 0


def _fields(config: Config) -> dict[str, Any]:
    return {f"config.{group}.{name}": value for group, own in to_dict(config).items() for name, value in own.items()}


def _fail(status: int, message: str) -> int:
    print(one_line(message), file=sys.stderr, flush=True)
    processes.end(status, message)
    return status


def _unraisable(event: Any) -> None:
    # without an object: tensorstore's threads, after a write on a full disk failed, which orbax raises as well
    if event.object is not None:
        sys.__unraisablehook__(event)


if __name__ == "__main__":
    sys.unraisablehook = _unraisable
    sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text, nor a terminal know every character
    if not jax.config.jax_compilation_cache_dir:  # which JAX takes from JAX_COMPILATION_CACHE_DIR
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(caches, "pixelgan_jax"))
    memory.keep()
    sys.exit(main(sys.argv[1:]))
