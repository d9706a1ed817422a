"""Orbax checkpoints: the whole state beside the configuration that made it, in `checkpoints/<step>/`.

Which one is read: the newest that is whole and whose arrays have the checksums they were saved with. Orbax itself
does not notice a flipped byte. Checkpoints may come from strangers: what one claims is compared with its size first.
"""

import errno
import logging
import math
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from pixelgan_jax.config import to_dict
from pixelgan_jax.errors import InputError, first_line, one_line
from pixelgan_jax.methods.method import State
from pixelgan_jax.training import earlier, parallel, retention
from pixelgan_jax.training.description import Meta, checksum, read
from pixelgan_jax.training.signals import deferred

# Arrays that learn hardly compress, so no checkpoint holds this many times the bytes that it has on disk.
RATIO = 100
BEST = "best"  # in place of a step: that with the smallest error on validation
# Errors of a machine that cannot read just now, for which no checkpoint must be given up.
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


def checksums(state: State) -> dict[str, int]:
    """CRC-32 of every array's bytes, by its path in the state."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path): zlib.crc32(np.ascontiguousarray(jax.device_get(leaf)).tobytes())
        for path, leaf in leaves
    }


class Checkpoints:
    """The checkpoints of one workdir; a context manager that waits for saves under way when it is left."""

    def __init__(self, workdir: Path, read_only: bool = False):
        self.folder = Path(os.path.realpath(workdir)) / "checkpoints"  # arrays are not stored below a ".."
        for name in ("absl", "asyncio"):  # orbax's account of every save, restore and failure; failures are raised too
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._policy, self._readable = retention.NewestAndBest(self.folder), retention.ReadableSteps()
        options = ocp.CheckpointManagerOptions(
            step_name_format=self._readable,
            preservation_policy=self._policy,
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,  # what a killed process left half-written
            # made in the background, they may come later than what is to be written into them
            async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
        )
        self.manager = ocp.CheckpointManager(self.folder, options=options, item_names=("state", "meta"))
        self._skipped: list[int] = []  # newer than the one restored, and damaged
        for step in self.steps():
            with suppress(Exception):  # newest_good says what is wrong with a damaged one
                self._policy.errors[step] = float(self._document(step)["selection_error"])

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        with self._writing():
            self.manager.close()

    def steps(self) -> list[int]:
        """Steps that have a finished checkpoint, oldest first."""
        return sorted(self.manager.all_steps())

    def save(self, state: State, meta: Meta, selection_error: float | None = None) -> None:
        """Saves under the state's own step, in the background; nothing where that step is saved already.

        The state may be donated as soon as this returns. Damaged checkpoints that were skipped are removed first.
        Raises OSError where this save, or the one before, cannot be written.
        """
        with self._writing():
            self._remove_skipped()
            step = int(state.step)
            if step in self.manager.all_steps():
                return
            if parallel.is_first():
                self._probe()
            finite = selection_error is not None and math.isfinite(selection_error)
            self._policy.errors[step] = selection_error if finite else None
            document = meta._asdict() | {"config": to_dict(meta.config), "checksums": checksums(state)}
            document |= {"selection_error": self._policy.errors[step]}
            document |= {"checksum": checksum(document)}
            arguments = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(document))
            self.manager.save(step, args=arguments)

    def wait(self) -> None:
        """Returns when everything saved so far is on disk. Raises OSError where it cannot be written."""
        with self._writing():
            self.manager.wait_until_finished()
            ocp.multihost.sync_global_processes("saved")  # each process writes its part, the first completes it

    def _remove_skipped(self) -> None:
        # orbax saves nothing older than its newest, and does not delete links
        for path in [self.folder / str(step) for step in self._skipped if parallel.is_first()]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if self._skipped:
            ocp.multihost.sync_global_processes("removed")
            self.manager.reload()
            self._skipped.clear()

    def _probe(self) -> None:
        # orbax would make anew a folder that has vanished: where a disk was taken away, on another one
        probe = self.folder / f".{os.getpid()}.probe"
        probe.mkdir(exist_ok=True)  # one is there where a process of this number was killed just here
        probe.rmdir()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # orbax passes on what tensorstore makes of a full disk
            number = _number(error)
            reason = getattr(error, "strerror", None) or (os.strerror(number) if number else first_line(error))
            path = getattr(error, "filename", None) or self.folder
            raise OSError(number or errno.EIO, reason, str(path)) from error

    def _document(self, step: int) -> dict[str, Any]:
        document = self.manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
        if document.pop("checksum") != checksum(document):
            raise ValueError("checksum of its description differs from the one saved")
        return document

    def meta(self, step: int) -> tuple[Meta, dict[str, int]]:
        """What the checkpoint says of itself, and its arrays' checksums. Raises ValueError where that is damaged."""
        document = self._document(step)
        return read(document), dict(document["checksums"])

    def _check_claim(self, step: int, make_target: Callable[[], State]) -> None:
        """Raises ValueError where the state to restore into, or what arrays are stored in, is too large for what is
        on disk; allocates nothing."""
        folder = self.folder / str(step)
        claimed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(make_target)))
        # an array is unpacked in chunks, whose size is a claim of its own
        for array in jax.tree.leaves(ocp.StandardCheckpointHandler().metadata(folder / "state")):
            claimed = max(claimed, math.prod(array.storage.chunk_shape) * array.dtype.itemsize)
        stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if claimed > RATIO * stored:
            raise ValueError(f"claims arrays of {claimed:,} bytes, and has {stored:,} on disk")

    def restore(self, step: int, like: State, sums: dict[str, int]) -> State:
        """The state saved at `step`, in the shapes, types and placement of `like`. Raises ValueError where an array
        is not what was saved."""
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        paths = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(like)}
        if set(sums) != paths:
            target = target.replace(opt=earlier.vectors(target.opt))
        state = self.manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))).state
        damaged = [path for path, found in checksums(state).items() if sums.get(path) != found]
        if damaged:
            raise ValueError(f"checksum of {damaged[0]} differs from the one saved")
        if state.step != step:
            raise ValueError(f"holds step {state.step}")
        return state.replace(opt=earlier.trees(state.opt, like.opt)) if set(sums) != paths else state

    def _asked(self, step: int | str, known: list[int]) -> int:
        """That step, of those there are. Raises InputError where it is none of them."""
        asked = self._policy.best(known) if step == BEST else step
        if asked is None:
            raise InputError(f"step {step}: no checkpoint of {self.folder} has a validation error")
        if isinstance(asked, bool) or not isinstance(asked, int | np.integer) or asked not in known:
            steps = ", ".join(map(str, known))
            raise InputError(f"step {step!r}: must be one of those of {self.folder}, {steps}, or {BEST}")
        return int(asked)

    def newest_good(
        self, make_target: Callable[[Meta], State], step: int | str | None = None
    ) -> tuple[State, Meta] | None:
        """The newest checkpoint that restores whole, or that of `step`; None where there is no checkpoint at all.

        `make_target(meta)` gives the state to restore into; an InputError it raises is passed on. A checkpoint that
        does not restore is passed over with a line saying why. Raises InputError where none restores, OSError where
        files or memory cannot be had just now.
        """
        with deferred():  # orbax would make a damaged file of Ctrl-C
            return self._newest_good(make_target, step)

    def _newest_good(self, make_target: Callable[[Meta], State], step: int | str | None) -> tuple[State, Meta] | None:
        known = sorted({*self.steps(), *self._readable.refused})
        asked = [self._asked(step, known)] if step is not None and known else known
        for step in reversed(asked):
            try:
                if step in self._readable.refused:
                    raise self._readable.refused[step]
                meta, sums = self.meta(step)
            except Exception as error:  # whatever orbax raises on a damaged file
                self._skip(step, error)
                continue
            make = partial(make_target, meta)
            try:
                self._check_claim(step, make)
            except InputError:
                raise
            except Exception as error:
                self._skip(step, error)
                continue
            target = make()
            try:
                return self.restore(step, target, sums), meta
            except Exception as error:
                self._skip(step, error)
        if asked != known:
            others = ", ".join(str(each) for each in known if each not in asked)
            raise InputError(f"{self.folder / str(asked[0])}: cannot be restored; there are steps {others} as well")
        if known:
            raise InputError(
                f"{self.folder}: none of the checkpoints {known} can be restored; move them away to start over"
            )
        return None

    def _skip(self, step: int, error: Exception) -> None:
        number = errno.ENOMEM if _lacks_memory(error) else _number(error)
        if number in PASSING:
            raise OSError(number, os.strerror(number), str(self.folder / str(step))) from error
        if parallel.is_first():
            told = first_line(error).partition(" See full TensorStore details")[0]
            print(f"checkpoint {step} skipped: {one_line(told)}", flush=True)
        self._skipped.append(step)


def newest(workdir: Path, make_target: Callable[[Meta], State], step: int | str | None = None) -> tuple[State, Meta]:
    """`newest_good` of a workdir that is only read; of `step` alone, or of the BEST, where that is asked for. Raises
    InputError where it holds no checkpoint at all, or not that one, and as `newest_good` does."""
    found = None
    if (workdir / "checkpoints").is_dir():
        with Checkpoints(workdir, read_only=True) as checkpoints:
            found = checkpoints.newest_good(make_target, step)
    if found is None:
        if within := replicate(workdir):
            raise InputError(f"{workdir}: holds replicates; must be one of them, as {within}")
        raise InputError(f"{workdir}: holds no checkpoint; must be the workdir of a training run")
    return found


def newest_step(workdir: Path) -> int | None:
    """The step of the workdir's newest checkpoint, whole or not; None where it holds none."""
    names = (path.name for path in (workdir / "checkpoints").glob("*") if retention.STEP_NAME.fullmatch(path.name))
    return max(map(int, names), default=None)


def replicate(workdir: Path) -> Path | None:
    """The workdir of the first of the replicates that it holds; None where it holds none."""
    return next((path for path in sorted(workdir.glob("seed_*")) if newest_step(path) is not None), None)


def _number(error: Exception) -> int | None:
    """The operating system's number of an error, where it has one."""
    told = re.search(r"os_error_code='(\d+)'", str(error))  # tensorstore's own words fill half a screen
    return int(told[1]) if told else getattr(error, "errno", None)


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
