"""python -m tests.faults.kill --times 100: kill -9 at random moments, restart, and compare with a run left alone.

A small digits run is killed, what it left is checked, and the same command is given again; when it has ended, its end
is compared with the uninterrupted run's and the next run begins in a fresh workdir, until all kills are done. Moments
are drawn from a seed, evenly over the time that a whole run takes; for every other process, which would die of its
imports otherwise, over the part of it after the data and the checkpoint are read.
"""

import argparse
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image

from pixelgan_jax import cli
from pixelgan_jax.commands import run
from pixelgan_jax.evaluation.trained import initial
from pixelgan_jax.training import logs, parallel
from pixelgan_jax.training.checkpoint import Checkpoints
from tests import quick

ROOT = Path(__file__).resolve().parents[2]
STEPS = 60
# every phase of a step; as small as they come
FLAGS = [
    *("--config", str(ROOT / "experiments" / "digits.py"), f"--config.train.steps={STEPS}"),
    *("--config.model.encoder_channels=(4, 4)", "--config.model.encoder_units=8", "--config.model.channels=4"),
    *("--config.model.layers=1", "--config.model.discriminator_units=(8,)", "--config.train.batch_size=16"),
    *("--config.train.log_every=1", "--config.train.checkpoint_every=5", "--config.train.evaluate_every=15"),
    *("--config.data.validation=40", "--config.sample.count=4"),
]
AT_WORK = "training images"  # printed once data and checkpoint are read
# a decoder alone, which compiles in a moment: for the short form
BRIEF = [*FLAGS, "--config.prior.name=none", "--config.data.labels=0", "--config.model.layers=0"]
ANEW = 5  # every fifth process to be killed compiles; the others read what an earlier one compiled
UNFINISHED = (".orbax-checkpoint-tmp", ".partial")  # names that say: not a file of the workdir yet


class Process(NamedTuple):
    """One command's end: its exit status, what it printed, when it began, after how long it was at work and ended."""

    status: int
    out: str
    err: str
    begun: float
    prepared: float
    seconds: float


def command(
    flags: list[str], folder: Path, compiled: Path | None, killed_after: float | None = None, at_work: bool = True
) -> Process:
    """Trains in `folder`; killed after so many seconds, of its work alone with `at_work`. `compiled`: where compiled
    programs are kept."""
    begun = time.time()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        told = [sys.executable, "-m", "pixelgan_jax.main", *flags, f"--workdir={folder}"]
        process = subprocess.Popen(told, cwd=ROOT, env=quick.environment(compiled), stdout=out, stderr=err)
        try:
            # read where it is: a seek would move the end that the process writes to
            while at_work and process.poll() is None and AT_WORK not in os.pread(out.fileno(), 10000, 0).decode():
                time.sleep(0.01)
            prepared = time.time() - begun
            process.wait(killed_after)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()  # nothing, where it has ended
        status = process.wait()
        seconds = time.time() - begun
        out.seek(0)
        err.seek(0)
        return Process(status, out.read(), err.read(), begun, prepared, seconds)


def newest(folder: Path) -> int:
    """The newest step that has a checkpoint by name; 0 where there is none."""
    return max((int(path.name) for path in folder.glob("checkpoints/*") if path.name.isdigit()), default=0)


def phase(folder: Path, killed: Process) -> str:
    """What a killed process was doing, by what it printed and left."""
    if AT_WORK not in killed.out:
        return "starting"
    if any(folder.glob("checkpoints/*.orbax-checkpoint-tmp")):
        return "saving"
    if newest(folder) == STEPS:
        results = folder / "results.json"
        return "reporting" if results.exists() and results.stat().st_mtime >= killed.begun else "evaluating"
    counts = re.findall(rf"(\d+)/{STEPS} ", killed.err)
    return "training" if counts and counts[-1] != counts[0] else "compiling"


def check_files(folder: Path) -> None:
    """Every file of the workdir is whole. Raises AssertionError or what reading it raises."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(name in str(path.relative_to(folder)) for name in UNFINISHED):
            continue
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>"), path
        elif path.name == "metrics.jsonl":
            *lines, last = path.read_bytes().split(b"\n")
            steps = [json.loads(line)["step"] for line in lines]
            assert steps == list(range(1, len(steps) + 1)), f"{path}: {steps}"


class Reader(NamedTuple):
    """Reads the checkpoints of these runs."""

    run: run.Run

    def newest(self, folder: Path) -> dict[str, np.ndarray] | None:
        """The arrays of the newest checkpoint, by their path; None where there is none. Damage is an error."""
        if not (folder / "checkpoints").is_dir():
            return None
        with Checkpoints(folder, read_only=True) as checkpoints:
            if not checkpoints.steps():
                return None
            step = checkpoints.steps()[-1]
            _, sums = checkpoints.meta(step)
            state = checkpoints.restore(step, initial(self.run.method, self.run.config, self.run.mesh), sums)
        return {jax.tree_util.keystr(path): np.asarray(x) for path, x in jax.tree_util.tree_leaves_with_path(state)}


def reader(flags: list[str]) -> Reader:
    command = cli.parse(flags)
    made = run.start(command.experiment, command.config, Path("nowhere"))
    return Reader(made._replace(mesh=parallel.make_mesh(jax.devices()[:1])))


def end(folder: Path, read: Reader) -> dict[str, object]:
    """What a run that is done has come to, but for times."""
    results = json.loads((folder / "results.json").read_bytes())
    for changing in ("train", "git_commit"):  # times; somebody may edit while this runs
        results.pop(changing)
    rows = [{name: value for name, value in row.items() if name != "images_per_second"} for row in logs.read(folder)]
    places = [folder, folder / "checkpoints", folder / "samples"]
    return {
        "arrays": {name: array.tobytes() for name, array in read.newest(folder).items()},
        "results": results,
        "metrics": rows,
        "pictures": {path.name: path.read_bytes() for path in folder.glob("samples/*.png")},
        "names": [sorted(path.name for path in place.iterdir()) for place in places],
    }


def check_end(folder: Path, expected: dict[str, object], read: Reader) -> None:
    check_files(folder)
    for name, value in end(folder, read).items():
        assert value == expected[name], f"{folder}: {name} differ from the uninterrupted run's"


def check_start(process: Process, before: int) -> None:
    """A command went on from the newest checkpoint there was, and said nothing of damage."""
    resumed = re.search(r"resumed from step (\d+)", process.out)
    if AT_WORK in process.out and (before or resumed):
        assert resumed and int(resumed[1]) == before, f"resumed from {resumed}, newest was {before}"
    assert "skipped" not in process.out and "Traceback" not in process.err, process.out + process.err


def kills(times: int, seed: int, place: Path, flags: list[str] = FLAGS) -> collections.Counter:
    """Kills `times` processes; how many in each phase. Raises AssertionError where anything is lost or broken."""
    draw, read, compiled = random.Random(seed), reader(flags), place / "compiled"
    cold = command(flags, place / "alone", compiled)
    assert cold.status == 0, cold.err
    expected = end(place / "alone", read)
    warm = command(flags, place / "again", compiled)
    check_end(place / "again", expected, read)
    print(f"a whole run takes {cold.seconds:.1f} s, without compiling {warm.seconds:.1f} s", flush=True)
    tally, runs, number = collections.Counter(), 0, 0
    while number < times or (place / f"run_{runs}").exists():  # the last run, too, is led to its end
        folder = place / f"run_{runs}"
        before = newest(folder)
        anew, at_work = number % ANEW == ANEW - 1, number % 2 == 0
        whole = cold if anew else warm
        moment = draw.uniform(0, whole.seconds - whole.prepared * at_work) if number < times else None
        process = command(flags, folder, None if anew else compiled, moment, at_work)
        check_start(process, before)
        if process.status == -signal.SIGKILL:
            check_files(folder)
            arrays = read.newest(folder)
            step = int(arrays[".step"]) if arrays else 0
            assert step == newest(folder) >= before, (step, newest(folder), before)
            number, where = number + 1, phase(folder, process)
            tally[where] += 1
            print(
                f"kill {number} after {moment:.2f} s{' of work' * at_work}: {where}; newest checkpoint {step}",
                flush=True,
            )
            continue
        assert process.status == 0, process.err
        check_end(folder, expected, read)
        runs += 1
        print(f"run {runs} has ended as the one left alone", flush=True)
    assert runs, "no run came to its end"
    return tally


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = kills(given.times, given.seed, Path(folder))
    print(f"{given.times} kills: " + ", ".join(f"{count} {name}" for name, count in tally.most_common()))
