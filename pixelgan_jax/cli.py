"""The command line: flags, exit statuses, and what ends a command early.

Neither absl's flags nor argparse: a mistake in an experiment, an override or a flag is to be one line that names it and
exit status 2, where the former print a traceback or fifty lines, and the latter would have to know every field of every
experiment before it is loaded.
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pixelgan_jax.commands import experiment, export, modes, predict, replicates, run, tables_and_figures
from pixelgan_jax.config import Config, to_dict
from pixelgan_jax.config.convert import describe
from pixelgan_jax.errors import InputError, one_line
from pixelgan_jax.methods.registry import CONFIGS
from pixelgan_jax.nn.xla_cpu import memory
from pixelgan_jax.training import exported, loop, parallel, processes
from pixelgan_jax.training.checkpoint import BEST
from pixelgan_jax.training.retention import STEP_NAME
from pixelgan_jax.training.signals import Interrupted, handled_by
from pixelgan_jax.training.workdir import own_path

MODES = (*modes.MODES, "predict", "export", *tables_and_figures.MODES)
FLAGS = ("config", "mode", "workdir", "input", "output", "weights", "step", *processes.FLAGS)
OWN_FLAGS = {"input": ("predict",), "output": ("predict",), "weights": ("export",), "step": ("predict", "export")}
HELP = ("--help", "--helpfull", "-h")
USAGE = f"""\
usage: python -m pixelgan_jax.main --config experiments/NAME.py [--mode {"|".join(MODES)}] [--workdir DIR]
                                   [--config.group.field=value ...] [--input FILE [--output DIR]]
                                   [--weights {"|".join(exported.STORED)}] [--step N|best]
                                   [--coordinator_address HOST:PORT --num_processes N --process_id I]

  --config    the experiment: a Python file whose get_config() returns a ConfigDict
  --mode      train (the default): trains, going on from what the workdir holds, evaluates and writes the report
              evaluate: rewrites results.json and the report; sample: rewrites samples/
              predict: what the workdir's model says of every image of --input, in predictions.csv and codes.npz
              export: weights alone with a model card, in WORKDIR/export
              table, figure: trains what is missing of the runs that get_plan() names, gathers and draws
  --workdir   where everything is kept; runs/NAME unless given
  --input     with predict: images in any format that training reads (docs/data.md)
  --output    with predict: the folder that its files are written into; the workdir unless given
  --weights   with export: float32, which gives what the workdir gives, or int8, large kernels in a quarter of the bytes
  --step      with predict and export: the step of another checkpoint than the newest; best: the best on validation
  --coordinator_address, --num_processes, --process_id   one run over N processes: the same command for each, with I
              from 0 to N - 1, and process 0's host and a port of it that nobody uses; not needed where SLURM or a like
              launcher started all, nor on Cloud TPU, whom JAX asks; --num_processes=1 alone keeps it from asking

Fields of an experiment (--config.group.field=default, meaning, what is allowed)
"""


class Command(NamedTuple):
    """What a command line asks for. names: what the experiment's file defines; overrides: {group.field: value}."""

    experiment: str
    config: Config
    mode: str
    workdir: Path
    file: str
    names: dict[str, Any]
    overrides: dict[str, Any]
    member: processes.Member | None
    input: str
    output: Path
    weights: str
    step: int | str | None


def parse(arguments: list[str]) -> Command:
    """Raises InputError for whatever is wrong with a command line."""
    flags, texts = _split(arguments)
    if "config" not in flags:
        raise InputError("--config: missing; must be experiments/NAME.py")
    mode = flags.get("mode", "train")
    if mode not in MODES:
        raise InputError(f"--mode {mode}: must be one of {', '.join(MODES)}")
    file = flags["config"]
    names = experiment.load(file)
    values = experiment.config_of(file, names)
    overrides = experiment.from_text(file, values, texts)
    config = experiment.typed(file, values, overrides)
    name = Path(file).stem
    workdir = own_path("--workdir", flags.get("workdir", os.path.join("runs", name)))
    for flag, own in OWN_FLAGS.items():
        if flag in flags and mode not in own:
            raise InputError(f"--{flag}: must be given with --mode {' or '.join(own)} alone")
    step = flags.get("step")
    if step not in (None, BEST) and not STEP_NAME.fullmatch(step):
        raise InputError(f"--step {step}: must be the step of a checkpoint, or {BEST}")
    weights = flags.get("weights", exported.STORED[0])
    if weights not in exported.STORED:
        raise InputError(f"--weights {weights}: must be one of {', '.join(exported.STORED)}")
    if mode == "predict" and "input" not in flags:
        raise InputError("--input: missing; must be a file or folder of images, or the name of a data set")
    output = own_path("--output", flags["output"]) if "output" in flags else workdir
    member = processes.member(flags)
    asked = flags.get("input", "")
    step = int(step) if step not in (None, BEST) else step
    return Command(name, config, mode, workdir, file, names, overrides, member, asked, output, weights, step)


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
            equals, value = "=", rest.pop(0)
        if not equals or not (value or override):
            raise InputError(f"--{name}: has no value; must be --{name}=value")
        if override:
            overrides[name.removeprefix("config.")] = value
        else:
            flags[name] = value
    return flags, overrides


def help_text() -> str:
    """Flags, modes and every field of every method."""
    own = [f"\nmethod.name {name}\n\n{describe(kind, besides=Config)}" for name, kind in CONFIGS.items()]
    return USAGE + "\n".join([f"\nof every method\n\n{describe(Config)}", *own])


def execute(command: Command) -> None:
    """Does what a command line asks for."""
    if (
        command.member
        and command.member.num_processes > 1
        and command.mode in ("predict", "export", *tables_and_figures.MODES)
    ):
        flags = ", ".join(f"--{flag}" for flag in processes.FLAGS)
        raise InputError(f"--mode {command.mode}: must be given without {flags}")
    if command.mode in tables_and_figures.MODES:
        asked = experiment.call(command.file, command.names, "get_plan")
        own = experiment.typed(command.file, experiment.config_of(command.file, command.names), {}).data.name
        seeds = command.config.train.replicates
        tables_and_figures.execute(command.mode, command.file, asked, own, seeds, command.workdir, command.overrides)
        return
    if command.mode == "predict":
        run.check_owner(command.experiment, command.workdir)
        predict.execute(command.workdir, command.input, command.output, command.overrides, command.step)
        return
    if command.mode == "export":
        run.check_owner(command.experiment, command.workdir)
        folder = command.workdir / "export"
        export.execute(command.experiment, command.workdir, folder, command.weights, command.overrides, command.step)
        return
    config = command.config
    if command.mode != "train":  # evaluate, sample
        config = run.as_trained(command.experiment, command.workdir, config, command.overrides)
    fields, given = _fields(config), _fields(command.config)
    processes.join(command.member, {"--config": command.experiment, "--mode": command.mode, **fields})
    taken = [f"{name}={value}" for name, value in fields.items() if name not in given or given[name] != value]
    if taken and parallel.is_first():
        print(f"as {command.workdir} was trained: {', '.join(taken)}", flush=True)
    replicates.execute(command.mode, command.experiment, config, command.workdir)
    processes.leave()


def _fields(config: Config) -> dict[str, Any]:
    return {f"config.{group}.{name}": value for group, own in to_dict(config).items() for name, value in own.items()}


def _stop(number: int) -> None:
    raise Interrupted(number, "stopped")


def run_command(arguments: list[str]) -> int:
    """Runs one command line and returns its exit status."""
    if any(argument in HELP for argument in arguments):
        try:
            print(help_text(), flush=True)
        except BrokenPipeError:  # of `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    workdir, again = Path(), "run the same command to go on"
    try:
        with handled_by(_stop):
            command = parse(arguments)
            workdir = command.workdir
            if command.mode not in ("train", *tables_and_figures.MODES):
                again = "the same command begins again"
            execute(command)
    except InputError as error:
        return _fail(2, f"error: {error}")
    except Interrupted as interrupted:
        return _fail(128 + interrupted.number, f"{interrupted}; {again}")
    except (loop.Diverged, tables_and_figures.Incomplete) as stopped:
        return _fail(1, f"stopped: {stopped}")
    except OSError as error:  # a full disk, a folder that vanished: not a bug either
        if processes.echoes(error):
            processes.fail(error)
        return _fail(1, f"error: {error.filename2 or error.filename or workdir}: {error.strerror or error}")
    except BaseException as error:  # whatever it is, it is not to leave others waiting
        processes.fail(error)
        raise
    return 0


def _fail(status: int, message: str) -> int:
    try:
        print(one_line(message), file=sys.stderr, flush=True)
    finally:
        processes.end(status)
    return status


def prepare_process() -> None:
    """Settings of a process that runs commands and nothing else."""
    sys.unraisablehook = _unraisable
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # a daemon's
            setattr(sys, name, open(os.devnull, "w"))
    sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text, nor a terminal know every character
    if not jax.config.jax_compilation_cache_dir:  # which JAX takes from JAX_COMPILATION_CACHE_DIR
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        jax.config.update("jax_compilation_cache_dir", os.path.join(caches, "pixelgan_jax"))
    memory.keep()


def _unraisable(event: Any) -> None:
    # without an object: tensorstore's threads, after a write on a full disk failed, which orbax raises as well
    if event.object is not None:
        sys.__unraisablehook__(event)
