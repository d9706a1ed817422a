"""Which folders of `checkpoints/` are steps that orbax can read, and which of them are kept."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import PreservationContext, PreservationPolicy

KEPT = 3  # newest checkpoints; the best on validation is kept besides
STEP_NAME = re.compile(r"0|[1-9]\d{0,9}")


class ReadableSteps(ocp.path.step.NameFormat):
    """The names of steps, of which orbax sees those alone that it can list; `refused` says, by step, what is wrong with
    the others.

    Orbax itself passes over a file or a dead link without a word, waits for a pipe, and on some descriptions raises
    before any step can be read.
    """

    def __init__(self):
        self._standard = ocp.path.step.standard_name_format()
        self.refused: dict[int, Exception] = {}

    def build_name(self, step: int) -> str:
        return self._standard.build_name(step)

    def find_step(self, base_path, step: int) -> ocp.path.step.Metadata:
        return self._standard.find_step(base_path, step)

    def find_all(self, base_path) -> Iterator[ocp.path.step.Metadata]:
        self.refused.clear()
        for path in Path(base_path).iterdir():
            if STEP_NAME.fullmatch(path.name):
                try:
                    _check_entries(path)
                    found = self.find_step(base_path, int(path.name))
                    _ = found.commit_timestamp  # reads what orbax reads of every step
                    yield found
                except Exception as error:
                    self.refused[int(path.name)] = error


def _check_entries(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError("is not a folder")
    for entry in folder.rglob("*"):
        if not entry.is_file() and (entry.is_symlink() or not entry.is_dir()):
            raise ValueError(f"{entry.relative_to(folder)} is neither a file nor a folder")


class NewestAndBest(PreservationPolicy):
    """Keeps the newest KEPT checkpoints, and the one with the smallest of `errors`, by step; and links, which orbax
    does not delete."""

    # orbax's own BestN does not know the errors of an earlier process
    def __init__(self, folder: Path):
        self.folder = folder
        self.errors: dict[int, float | None] = {}

    def best(self, steps: Sequence[int]) -> int | None:
        """That with the smallest error; None where no error is known."""
        known = [step for step in steps if self.errors.get(step) is not None]
        return min(known, key=self.errors.get, default=None)

    def should_preserve(self, checkpoints: Sequence, *, context: PreservationContext) -> Sequence[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        best = self.best(steps)
        newest = sorted(steps)[-KEPT:]
        return [step == best or step in newest or (self.folder / str(step)).is_symlink() for step in steps]
