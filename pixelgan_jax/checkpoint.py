"""Orbax checkpoints: the whole state beside the configuration that made it, in `checkpoints/<step>/`.

Which one is read: the newest that is whole and whose arrays have the checksums they were saved with. Orbax itself
does not notice a flipped byte.
"""

import logging
import zlib
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from pixelgan_jax.config import Config, from_dict, to_dict
from pixelgan_jax.errors import InputError
from pixelgan_jax.state import TrainState

KEPT = 3  # newest checkpoints; the best by validation error is kept besides


class Meta(NamedTuple):
    """What a checkpoint says of itself. shape: (H, W, C) of an image. seconds, compile_seconds: spent training."""

    experiment: str
    config: Config
    shape: tuple[int, int, int]
    classes: int
    seconds: float
    compile_seconds: float


def checksums(state: TrainState) -> dict[str, int]:
    """CRC-32 of every array's bytes, by its path in the state."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {
        jax.tree_util.keystr(path): zlib.crc32(np.ascontiguousarray(jax.device_get(leaf)).tobytes())
        for path, leaf in leaves
    }


class Checkpoints:
    """The checkpoints of one workdir; a context manager that waits for saves under way when it is left."""

    def __init__(self, workdir: Path, read_only: bool = False):
        self.folder = Path(workdir).absolute() / "checkpoints"
        # its own account of every save and restore belongs in a debugger, not under a progress bar
        logging.getLogger("absl").setLevel(logging.ERROR)
        best = BestN(
            get_metric_fn=lambda m: m["selection_error"], reverse=True, n=1, keep_checkpoints_without_metrics=False
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=AnyPreservationPolicy([LatestN(KEPT), best]),
            create=not read_only,
            read_only=read_only,
        )
        items = ("state", "meta")
        self.manager = ocp.CheckpointManager(self.folder, options=options, item_names=items)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self.manager.close()

    def steps(self) -> list[int]:
        """Steps that have a finished checkpoint, oldest first."""
        return sorted(self.manager.all_steps())

    def save(self, state: TrainState, meta: Meta, selection_error: float | None = None) -> None:
        """Saves under the state's own step, in the background; nothing where that step is saved already."""
        step = int(state.step)
        if step in self.manager.all_steps():
            return
        described = meta._asdict() | {"config": to_dict(meta.config), "checksums": checksums(state)}
        arguments = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(described))
        metrics = None if selection_error is None else {"selection_error": selection_error}
        self.manager.save(step, args=arguments, metrics=metrics)

    def wait(self) -> None:
        """Returns when everything saved so far is on disk."""
        self.manager.wait_until_finished()

    def meta(self, step: int) -> tuple[Meta, dict[str, int]]:
        """What the checkpoint says of itself, and its arrays' checksums."""
        saved = self.manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
        sums = saved.pop("checksums")
        return Meta(**saved | {"config": from_dict(saved["config"]), "shape": tuple(saved["shape"])}), sums

    def restore(self, step: int, like: TrainState, sums: dict[str, int]) -> TrainState:
        """The state saved at `step`, in the shapes, types and placement of `like`. Raises ValueError where an array
        is not what was saved."""
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        state = self.manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))).state
        damaged = [path for path, found in checksums(state).items() if sums.get(path) != found]
        if damaged:
            raise ValueError(f"checksum of {damaged[0]} differs from the one saved")
        return state

    def newest_good(self, make_target) -> tuple[TrainState, Meta] | None:
        """The newest checkpoint that restores whole; None where there is no checkpoint at all.

        `make_target(meta)` gives the state to restore into; an InputError it raises is passed on. A checkpoint that
        does not restore is passed over with a line saying why. Raises InputError where none restores.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                meta, sums = self.meta(step)
            except Exception as error:  # whatever orbax raises on a damaged file
                _skipped(step, error)
                continue
            target = make_target(meta)
            try:
                return self.restore(step, target, sums), meta
            except Exception as error:
                _skipped(step, error)
        if steps:
            raise InputError(
                f"{self.folder}: none of the checkpoints {steps} can be restored; move them away to start over"
            )
        return None


def _skipped(step: int, error: Exception) -> None:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    print(f"checkpoint {step} skipped: {reason}", flush=True)
