"""What the loop costs beside the compiled step, in the thread that drives it."""

import dataclasses
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

import jax

from pixelgan_jax.config import Config
from pixelgan_jax.evaluation.trained import initial
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec, Examples
from pixelgan_jax.training import loop
from pixelgan_jax.training.description import Meta
from pixelgan_jax.training.logs import Log


class Timed:
    """A compiled program, and the processor seconds that calls of it took of the thread that called."""

    def __init__(self, program: jax.stages.Compiled):
        self.program, self.seconds = program, 0.0

    def __call__(self, *arguments):
        begun = time.thread_time()
        result = self.program(*arguments)
        self.seconds += time.thread_time() - begun
        return result

    def memory_analysis(self):
        return self.program.memory_analysis()


class Watched(Log):
    """A log that notes the processor seconds its thread has taken by each step it writes, but for the `programs`'."""

    programs: list[Timed]

    def scalars(self, step: int, row: dict[str, float]) -> None:
        super().scalars(step, row)
        beside = time.thread_time() - sum(program.seconds for program in self.programs)
        self.spent = getattr(self, "spent", {}) | {step: beside}


def beside_program(config: Config, data: DataSpec, examples: Examples, mesh: jax.sharding.Mesh, every: int) -> float:
    """Processor seconds a step that the thread that drives the loop takes beside the step's program: cutting batches,
    fetching metrics, the progress bar, a log line every so many steps."""
    steps = 3 * every
    often = {"log_every": every, "evaluate_every": steps, "checkpoint_every": steps}
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=steps, **often))
    method = registry.make(config, data)
    meta = Meta("benchmark", config, seconds=0.0, compile_seconds=0.0, **data._asdict())
    keeps_nothing = SimpleNamespace(save=lambda *_: None, wait=lambda: None)
    compiled = loop._compiled
    with TemporaryDirectory() as folder, Watched(Path(folder), 0) as log, redirect_stderr(StringIO()):
        log.programs = []

        def timed(*arguments) -> Timed:
            log.programs.append(Timed(compiled(*arguments)))
            return log.programs[-1]

        with mock.patch.object(loop, "_compiled", timed):
            state = initial(method, config, mesh)
            loop.train(
                *(method, config.train, state, examples, meta, mesh, keeps_nothing, log, lambda state: ({}, None))
            )
    return (log.spent[steps] - log.spent[every]) / (steps - every)
