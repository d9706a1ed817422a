"""for step in range(start, total): step, log, evaluate, save. Stops on a signal or a loss that is not finite."""

import math
import signal
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from pixelgan_jax.checkpoint import Checkpoints, Meta
from pixelgan_jax.config import Train
from pixelgan_jax.data.batches import indices
from pixelgan_jax.logs import Log
from pixelgan_jax.model import Model
from pixelgan_jax.parallel import compile_step, split_batch
from pixelgan_jax.state import TrainState
from pixelgan_jax.step import Batch, Examples

LOSSES = ("reconstruction_nats", "discriminator_loss", "generator_loss", "supervised_loss")


class Interrupted(Exception):
    """A signal ended the run after its checkpoint was saved."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Diverged(Exception):
    """A loss or a gradient stopped being finite; the message names step and phase."""


class Signals:
    """Notes the first Ctrl-C or SIGTERM in `received`; a second one ends the process at once."""

    def __enter__(self) -> "Signals":
        self.received: int | None = None
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _note(self, number: int, frame: Any) -> None:
        self.received = number
        for each in self._previous:
            signal.signal(each, signal.SIG_DFL)

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def check_finite(step: int, metrics: dict[str, float]) -> None:
    """Raises Diverged naming the step and the phase of the first value that is not finite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            phase = name.split("_")[0]
            raise Diverged(f"step {step}: {phase} phase: {name} is {value}")


def calls(start: int, train: Train) -> list[int]:
    """How many steps each compiled call makes from step `start` to the end of the run: `steps_per_call`, but single
    steps up to the next multiple of it, and where a log line, an evaluation or a checkpoint falls inside."""
    sizes, step, size = [], start, train.steps_per_call
    while step < train.steps:
        stops = (train.log_every, train.evaluate_every, train.checkpoint_every)
        room = min(train.steps - step, *(every - step % every for every in stops))
        # the first step is logged by itself
        whole = step % size == 0 and room >= size and (step > 0 or size == 1)
        sizes.append(size if whole else 1)
        step += sizes[-1]
    return sizes


class _Stepper:
    """Compiled calls of the step by their number of steps, and the seconds that compiling took."""

    def __init__(self, model: Model, over: jax.sharding.Mesh, examples: Examples):
        self.model, self.over, self.examples = model, over, examples
        self.step = compile_step(model, over)
        self.compiled: dict[int, Callable] = {}
        self.seconds = 0.0

    def __call__(self, state: TrainState, step: int, count: int) -> tuple[TrainState, dict]:
        batch = split_batch(self._batch(step, count), self.over)
        if count not in self.compiled:
            begun = time.monotonic()
            self.compiled[count] = self.step.lower(state, self.examples, batch).compile()
            self.seconds += time.monotonic() - begun
        return self.compiled[count](state, self.examples, batch)

    def _batch(self, step: int, count: int) -> Batch:
        train, sizes = self.model.config.train, (len(self.examples.images), len(self.examples.labels))
        rows = [
            np.stack([indices(size, train.batch_size, train.seed, stream, s) for s in range(step, step + count)])
            if size
            else np.zeros((count, train.batch_size), np.int32)
            for stream, size in enumerate(sizes)
        ]
        return Batch(*rows)


class _Meter:
    """The metrics of steps under way, checked as they are fetched, and the time that goes by."""

    def __init__(self, step: int, batch_size: int):
        self.pending: list[tuple[int, dict]] = []
        self.batch_size = batch_size
        self.paused = 0.0
        self.begun = time.monotonic()
        self.mark(step)

    def mark(self, step: int) -> None:
        """Starts the interval that the next rate is of."""
        self.marked_step, self.marked = step, time.monotonic()

    def settle(self) -> dict[str, float]:
        """Fetches and checks what is pending; the metrics of the last step."""
        row: dict[str, float] = {}
        for last, metrics in self.pending:
            values = jax.device_get(metrics)
            count = len(next(iter(values.values())))
            for offset in range(count):
                row = {name: float(value[offset]) for name, value in values.items()}
                check_finite(last - count + 1 + offset, row)
        self.pending.clear()
        return row

    def rate(self, step: int) -> float:
        """Images a second since the mark."""
        return self.batch_size * (step - self.marked_step) / (time.monotonic() - self.marked)


def train(
    model: Model,
    state: TrainState,
    examples: Examples,
    meta: Meta,
    over: jax.sharding.Mesh,
    checkpoints: Checkpoints,
    log: Log,
    validate: Callable[[TrainState], tuple[dict[str, float], float]],
) -> tuple[TrainState, Meta]:
    """Trains from `state` to `train.steps`; the last state, which is saved, and its meta.

    `validate(state)` gives the validation scalars to log and the error that the best checkpoint is chosen by.
    Raises Interrupted after saving on a signal, Diverged without saving.
    """
    settings, step = model.config.train, int(state.step)
    stepper, meter = _Stepper(model, over, examples), _Meter(step, settings.batch_size)

    def meta_now() -> Meta:
        trained = time.monotonic() - meter.begun - meter.paused - stepper.seconds
        return meta._replace(seconds=meta.seconds + trained, compile_seconds=meta.compile_seconds + stepper.seconds)

    with Signals() as signals, tqdm(total=settings.steps, initial=step, unit="step", dynamic_ncols=True) as bar:
        for count in calls(step, settings):
            state, metrics = stepper(state, step, count)
            meter.settle()  # of the call before, which has ended by now: nothing waits for it
            step += count
            meter.pending.append((step, metrics))
            bar.update(count)
            final = step == settings.steps
            validates = final or step % settings.evaluate_every == 0
            saves = final or step % settings.checkpoint_every == 0 or signals.received
            selection = None
            if validates or step % settings.log_every == 0 or step == 1:
                row = meter.settle() | {"images_per_second": meter.rate(step)}
                bar.set_postfix_str(_progress(row))
                if validates:
                    validation, selection = _timed(meter, validate, state)
                    row |= validation
                log.scalars(step, row)
                meter.mark(step)
            if saves:
                meter.settle()  # never save what has diverged
                checkpoints.save(state, meta_now(), selection)
            if signals.received:
                checkpoints.wait()
                raise Interrupted(signals.received)
        checkpoints.wait()
    return state, meta_now()


def _timed(meter: _Meter, validate: Callable, state: TrainState) -> tuple[dict[str, float], float]:
    begun = time.monotonic()
    result = validate(state)
    meter.paused += time.monotonic() - begun
    return result


def _progress(row: dict[str, float]) -> str:
    losses = ", ".join(f"{name.split('_')[0]} {row[name]:.3g}" for name in LOSSES if name in row)
    return f"{losses}, {row['images_per_second']:.0f} images/s"
