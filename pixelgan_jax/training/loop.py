"""for step in range(start, total): step, log, evaluate, save. Stops on a signal or a loss that is not finite."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from pixelgan_jax.config import Train
from pixelgan_jax.data.batches import indices
from pixelgan_jax.methods.method import Batch, Examples, Method, Phase, State
from pixelgan_jax.nn.platform import platform
from pixelgan_jax.training.checkpoint import Checkpoints
from pixelgan_jax.training.description import Meta
from pixelgan_jax.training.logs import Log
from pixelgan_jax.training.parallel import Step, agreement, check_memory, compile_step, split_batch
from pixelgan_jax.training.signals import Interrupted, handled_by


class Diverged(Exception):
    """A loss or a gradient stopped being finite; the message names step and phase."""


def check_finite(step: int, phases: tuple[Phase, ...], metrics: dict[str, float]) -> None:
    """Raises Diverged naming the step and the phase of the first value that is not finite, in the phases' order."""
    for phase in phases:
        for name in phase.metrics:
            if not math.isfinite(metrics[name]):
                fields = " or ".join(f"config.{field}" for field in phase.steadied_by)
                advice = f"a lower {fields}, in another --workdir, may help"
                raise Diverged(f"step {step}: {phase.name} phase: {name} is {metrics[name]}; {advice}")


def call_sizes(start: int, train: Train) -> Iterator[int]:
    """How many steps each compiled call makes from step `start` to the end of the run: `_size`, but single steps up to
    the next multiple of it, and where a log line, an evaluation or a checkpoint falls inside."""
    step = start
    stops = (train.log_every, train.evaluate_every, train.checkpoint_every)
    size = _size(train.steps_per_call or (1 if platform() == "cpu" else 25), min(stops))
    while step < train.steps:
        room = min(train.steps - step, *(every - step % every for every in stops))
        # the first step is logged by itself
        whole = step % size == 0 and room >= size and (step > 0 or size == 1)
        count = size if whole else 1
        yield count
        step += count


def _size(asked: int, between: int) -> int:
    """The steps of a call where the loop stops after every `between` of them: as many as are asked for, unless the
    largest number that divides `between` is at least half of that, or what is asked for never fits; then that one.
    With 25 asked for 25 of 50, 20 of 40 and 10 of 10; but 25 of 53, the other three steps by themselves."""
    even = next(size for size in range(asked, 0, -1) if between % size == 0)
    return even if 2 * even >= asked or asked > between else asked


class _Clock:
    """Seconds since it was made, less those that went into compiling and evaluating."""

    def __init__(self):
        self.begun, self.compiling, self.evaluating = time.monotonic(), 0.0, 0.0

    def training(self) -> float:
        return time.monotonic() - self.begun - self.compiling - self.evaluating

    def added_to(self, meta: Meta) -> Meta:
        """`meta`, of when the clock was made, with the seconds since."""
        seconds, compile_seconds = meta.seconds + self.training(), meta.compile_seconds + self.compiling
        return meta._replace(seconds=seconds, compile_seconds=compile_seconds)

    @contextmanager
    def apart(self, what: str) -> Iterator[None]:
        """What happens inside counts as `what`, "compiling" or "evaluating"."""
        begun = time.monotonic()
        yield
        setattr(self, what, getattr(self, what) + time.monotonic() - begun)


@lru_cache(maxsize=4)  # replicates train with one program
def _compiled(step: Step, mesh: Mesh, structure: jax.tree_util.PyTreeDef, leaves: tuple) -> Callable:
    return compile_step(step, mesh).lower(*jax.tree.unflatten(structure, leaves)).compile()


class _Stepper:
    """Compiled calls of the step, by their number of steps."""

    def __init__(self, method: Method, settings: Train, mesh: Mesh, examples: Examples, clock: _Clock):
        self.method, self.settings, self.mesh, self.examples, self.clock = method, settings, mesh, examples, clock
        self.compiled: dict[int, Callable] = {}

    def __call__(self, state: State, step: int, count: int) -> tuple[State, dict]:
        batch = split_batch(self._batch(step, count), self.mesh)
        if count not in self.compiled:
            with self.clock.apart("compiling"):
                leaves, structure = jax.tree.flatten((state, self.examples, batch))
                like = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for x in leaves)
                self.compiled[count] = _compiled(self.method.step, self.mesh, structure, like)
                check_memory(self.compiled[count], self.mesh, self.settings.batch_size)
        return self.compiled[count](state, self.examples, batch)

    def _batch(self, step: int, count: int) -> Batch:
        def rows(size: int, stream: int) -> np.ndarray:
            if not size:  # no labels
                return np.zeros((count, self.settings.batch_size), np.int32)
            each = range(step, step + count)
            return np.stack([indices(size, self.settings.batch_size, self.settings.seed, stream, i) for i in each])

        return Batch(rows(len(self.examples.rows), 0), rows(len(self.examples.labels), 1))


class _Meter:
    """The metrics of the calls under way, checked as they are fetched, and the rate since they were last shown."""

    def __init__(self, step: int, phases: tuple[Phase, ...], batch_size: int, clock: _Clock):
        self.phases, self.batch_size, self.clock = phases, batch_size, clock
        self.pending: list[tuple[int, dict]] = []
        self.shown = step, clock.training()

    def settle(self) -> dict[str, float]:
        """Fetches and checks what is pending; the metrics of the last step."""
        row: dict[str, float] = {}
        for end, metrics in self.pending:
            values = jax.device_get(metrics)
            count = len(next(iter(values.values())))
            for i in range(count):
                row = {name: float(value[i]) for name, value in values.items()}
                check_finite(end - count + 1 + i, self.phases, row)
        self.pending.clear()
        return row

    def row(self, step: int) -> dict[str, float]:
        """The metrics of the last step and the images a second since the row before."""
        row = self.settle()  # first: the rate is of steps that have ended
        (step_before, seconds_before), self.shown = self.shown, (step, self.clock.training())
        rate = self.batch_size * (step - step_before) / (self.shown[1] - seconds_before)
        return row | {"images_per_second": rate}


def train(
    method: Method,
    settings: Train,
    state: State,
    examples: Examples,
    meta: Meta,
    mesh: Mesh,
    checkpoints: Checkpoints,
    log: Log | None,
    validate: Callable[[State], tuple[dict[str, float], float | None]],
) -> tuple[State, Meta]:
    """Trains from `state` to `settings.steps`; the last state, which is saved, and its meta.

    `validate(state)` gives the scalars to log and the error, if any, that the best checkpoint is chosen by. Without a
    log this process reports nothing. Raises Interrupted after saving on a signal, which may be another process's;
    Diverged without saving; InputError where the memory cannot hold a step.
    """
    step = int(state.step)
    if step >= settings.steps:
        return state, meta
    received, clock = [], _Clock()
    stepper = _Stepper(method, settings, mesh, examples, clock)
    meter = _Meter(step, method.phases, settings.batch_size, clock)
    agree = agreement(mesh)

    def signal_received() -> int:
        """The number of a signal that some process has received, 0 where none has."""
        return agree(max(received, default=0))

    with handled_by(received.append), _bar(settings.steps, step, log is not None) as bar:
        for count in call_sizes(step, settings):
            state, metrics = stepper(state, step, count)
            meter.settle()  # of the call before, which has ended by now: nothing waits for it
            step += count
            meter.pending.append((step, metrics))
            bar.update(count)
            final, selection = step == settings.steps, None
            validates = final or step % settings.evaluate_every == 0
            if validates or step % settings.log_every == 0 or step == 1:
                row = meter.row(step)
                if log:
                    _show(bar, step, method.phases, row)
                if validates:
                    with clock.apart("evaluating"):
                        validation, selection = validate(state)
                    row |= validation
                if log:
                    log.scalars(step, row)
            stopping = signal_received()  # asked once: whoever stops has saved
            if final or stopping or step % settings.checkpoint_every == 0:
                meter.settle()  # never save what has diverged
                checkpoints.save(state, clock.added_to(meta), selection)
            if stopping:
                break
        checkpoints.wait()
        if not stopping:  # of the last step: several processes answer one call late
            stopping = signal_received() or signal_received()
    if stopping:
        raise Interrupted(stopping, f"saved at step {step}")
    return state, clock.added_to(meta)


def _bar(steps: int, done: int, reports: bool) -> tqdm:
    """The progress bar, which only a terminal sees."""
    shown = reports and sys.stderr.isatty()
    return tqdm(total=steps, initial=done, unit="step", dynamic_ncols=True, disable=not shown)


def _show(bar: tqdm, step: int, phases: tuple[Phase, ...], row: dict[str, float]) -> None:
    """Losses and speed, on the bar, or in a line of their own where there is none, since it would fill a file."""
    losses = ", ".join(f"{phase.name} {row[phase.metrics[0]]:.3g}" for phase in phases)
    text = f"{losses}, {row['images_per_second']:.0f} images/s"
    bar.set_postfix_str(text)
    if bar.disable:
        print(f"step {step}/{bar.total}: {text}", file=sys.stderr, flush=True)
