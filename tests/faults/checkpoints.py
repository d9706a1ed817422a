"""Damages every file of the newest checkpoint in every way below, one after another, and lets the run go on.

`python -m tests.faults.checkpoints` does them all; tests/training/test_damaged_checkpoints.py a few of them. A damaged
run must end, bit for bit, where an undamaged one ends, and say so if it fell back; with no good checkpoint it must
refuse.
"""

import collections
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax

import tests.conftest  # noqa: F401  before JAX starts
from pixelgan_jax.errors import InputError
from pixelgan_jax.training import logs
from pixelgan_jax.training.checkpoint import Checkpoints, checksums
from tests import brief

Damage = Callable[[Path], object]


def _change(edit: Callable[[bytearray], bytes | bytearray]) -> Damage:
    return lambda path: path.write_bytes(edit(bytearray(path.read_bytes())))


def flip(part: float) -> Damage:
    """Flips a bit of the byte that lies at this part of the file, 0 its first and 1 its last."""

    def edit(content: bytearray) -> bytearray:
        if content:
            content[round(part * (len(content) - 1))] ^= 4
        return content

    return _change(edit)


def instead(make: Damage) -> Damage:
    """Removes the file or folder, and makes something else of its name."""

    def damage(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        make(path)

    return damage


def described(**changes) -> Damage:
    """Changes the checkpoint's description as a stranger would, who can compute a checksum."""

    def damage(folder: Path) -> None:
        path = folder / "meta" / "metadata"
        document = json.loads(path.read_text()) | changes
        document.pop("checksum")
        document |= {"checksum": zlib.crc32(json.dumps(document, sort_keys=True).encode())}
        path.write_text(json.dumps(document))

    return damage


def _written(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def link_elsewhere(folder: Path) -> None:
    """A link to a folder outside the workdir, `precious` beside it, in place of the checkpoint."""
    precious = folder.parents[1].with_name("precious")
    precious.mkdir(exist_ok=True)
    (precious / "file").write_text("mine")
    folder.symlink_to(precious)


def extra(folder: Path) -> None:
    """Files and folders that are nobody's."""
    for place in (folder, folder / "state", folder.parent):
        (place / "extra").write_text("extra")
    for name in ("007", "-3", "9x", "9" * 30):
        (folder.parent / name).mkdir(exist_ok=True)


FILE_DAMAGE: dict[str, Damage] = {
    "first byte flipped": flip(0),
    "byte flipped at 1/4": flip(0.25),
    "byte flipped at 1/2": flip(0.5),
    "byte flipped at 3/4": flip(0.75),
    "last byte flipped": flip(1),
    "cut to nothing": _change(lambda content: b""),
    "cut in half": _change(lambda content: content[: len(content) // 2]),
    "last byte gone": _change(lambda content: content[:-1]),
    "all zeros": _change(lambda content: bytes(len(content))),
    "second half zeros": _change(lambda content: content[: len(content) // 2].ljust(len(content), b"\0")),
    "longer": _change(lambda content: content + b"\0" * 64),
    "removed": instead(lambda path: None),
    "a folder instead": instead(Path.mkdir),
    "a dead link instead": instead(lambda path: path.symlink_to("nowhere")),
    "an endless device instead": instead(lambda path: path.symlink_to("/dev/zero")),
    "a pipe instead": instead(os.mkfifo),
}
DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000
FOLDER_DAMAGE: dict[str, Damage] = {
    "a file instead": instead(lambda path: path.write_text("in the way")),
    "a dead link instead": instead(lambda path: path.symlink_to("nowhere")),
    "a link to elsewhere instead": instead(link_elsewhere),
    "a link to itself instead": instead(lambda path: path.symlink_to(path.name)),
    "a pipe instead": instead(os.mkfifo),
    "an empty folder instead": instead(Path.mkdir),
    "an older step's content": instead(lambda path: shutil.copytree(path.with_name("2"), path)),
    "extra files": extra,
    **{
        f"{name} {what}": _written(name, text)
        for name in ("_CHECKPOINT_METADATA", "meta/metadata", "state/_METADATA", "state/_sharding")
        for what, text in {"nested 100,000 deep": DEEP, "a list": "[]", "a number": "3", "NaN": "NaN"}.items()
    },
    "a time of the wrong type": _written("_CHECKPOINT_METADATA", '{"init_timestamp_nsecs": "x"}'),
    "images of 10^15 pixels": described(shape=[10**5, 10**5, 10**5]),
    "images without a side": described(shape=[4, 4]),
    "a side of the wrong type": described(shape=["4", "4", "1"]),
    "seconds of the wrong type": described(seconds="many"),
    "seconds that are not a number": described(seconds=float("nan")),
    "classes of the wrong type": described(classes=[]),
    "an experiment of the wrong type": described(experiment={}),
    "an empty config": described(config={}),
    "a config of the wrong type": described(config=3),
    "an error of the wrong type": described(selection_error=["0"]),
    "checksums of the wrong type": described(checksums=[1]),
    "no checksums": described(checksums={}),
}


ONE_ONLY = ("an older step's content",)  # at the older step this damages nothing
MEANING = {
    "harmless": "harmless, and the run went on from the newest checkpoint",
    "skipped": "skipped, and the run went on from the one before",
    "refused": "refused, none being left",
    "FAILED": "FAILED",
}


def make_run(folder: Path, **groups):
    """A model, and its run of six steps in `folder`, saved at 2 and 4: (model, the last state's checksums, its log).

    The checkpoint of the last step is taken away again, so that the newest is that of step 4.
    """
    made = brief.plain(train={"checkpoint_every": 2, "log_every": 1}, **groups)
    state, _ = brief.train(folder, made)
    shutil.rmtree(folder / "checkpoints" / "6")
    return made, checksums(state), _log(folder)


def _log(folder: Path) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "images_per_second"} for row in logs.read(folder)]


def go_on(whole: Path, damage: Damage, where: str, made, sums: dict[str, int], log: list[dict]) -> str:
    """Copies the run `whole`, damages `where` below its newest checkpoint, and runs on; "skipped" or "harmless".

    Raises AssertionError where the run says or ends with something else than it should.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        shutil.copytree(whole, folder)
        damage(folder / "checkpoints" / "4" / where)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            state, meta = brief.train(folder, made)
        lines = [line for line in said.getvalue().splitlines() if "skipped" in line]
        assert len(lines) <= 1 and all(line.startswith("checkpoint 4 skipped: ") for line in lines), lines
        assert checksums(state) == sums and meta.config == made.config
        assert _log(folder) == log
        with Checkpoints(folder, read_only=True) as checkpoints:
            again, _ = checkpoints.newest_good(brief.target(made))
        assert checksums(again) == sums
        precious = folder.with_name("precious")
        assert not precious.exists() or [path.read_text() for path in precious.iterdir()] == ["mine"]
    return "skipped" if lines else "harmless"


def _listed(folder: Path) -> dict[Path, object]:
    return {
        path: path.read_bytes() if path.is_file() and not path.is_symlink() else path.lstat().st_mode
        for path in sorted(folder.rglob("*"))
    }


def refuse(whole: Path, damage: Damage, where: str, made) -> str:
    """Damages `where` below every checkpoint of a copy of `whole`: nothing is started over, nothing changed. "refused".

    Raises AssertionError otherwise.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        shutil.copytree(whole, folder)
        for step in ("2", "4"):
            damage(folder / "checkpoints" / step / where)
        before = _listed(folder)
        with contextlib.redirect_stdout(io.StringIO()), Checkpoints(folder) as checkpoints:
            try:
                checkpoints.newest_good(brief.target(made))
            except InputError as error:
                assert "none of the checkpoints [2, 4] can be restored" in str(error), error
            else:
                raise AssertionError("started over, or restored what was damaged")
        assert _listed(folder) == before
    return "refused"


def files(whole: Path) -> list[str]:
    """Every file of the newest checkpoint."""
    newest = whole / "checkpoints" / "4"
    return sorted(str(path.relative_to(newest)) for path in newest.rglob("*") if path.is_file())


def main() -> int:
    """Every damage to every file and to the folder; prints what happened, and returns 1 if anything went wrong."""
    begun, counts, failed = time.monotonic(), collections.Counter(), []

    def attempt(case: str, check: Callable[[], str]) -> str:
        try:
            outcome = check()
        except Exception as error:
            outcome = "FAILED"
            failed.append(f"{case}: {type(error).__name__}: {error}")
        counts[outcome] += 1
        return outcome

    with tempfile.TemporaryDirectory() as place:
        jax.config.update("jax_compilation_cache_dir", str(Path(place) / "compiled"))  # the same step each time
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        whole = Path(place) / "whole"
        run = make_run(whole)
        found = files(whole)
        for where in found:
            for name, damage in FILE_DAMAGE.items():
                attempt(f"{where}: {name}", partial(go_on, whole, damage, where, *run))
        for name, damage in FOLDER_DAMAGE.items():
            if attempt(name, partial(go_on, whole, damage, "", *run)) == "skipped" and name not in ONE_ONLY:
                attempt(f"every checkpoint: {name}", partial(refuse, whole, damage, "", run[0]))
        for name, damage in FILE_DAMAGE.items():
            attempt(f"every meta/metadata: {name}", partial(refuse, whole, damage, "meta/metadata", run[0]))
    print(f"{len(found)} files and their folder damaged {sum(counts.values())} times, {time.monotonic() - begun:.0f} s")
    print("; ".join(f"{count} {MEANING[outcome]}" for outcome, count in sorted(counts.items())))
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
