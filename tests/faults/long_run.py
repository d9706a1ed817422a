"""python -m tests.faults.long_run --steps 20000: memory, open files, threads and step time stay flat over a long run.

A small digits run with its logs, evaluations and checkpoints looks at itself, through /proc, at every line it logs;
its second quarter is compared with its last. Step time is held to be flat by the processor's time a step, which depends
less than the clock's on what else the machine does; the time on the clock is printed beside it.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pixelgan_jax.training import logs
from tests import quick
from tests.faults.kill import FLAGS, ROOT

LOGS = 40  # log lines of a run, evaluations and checkpoints a quarter of that
# Megabytes: what allocators and their pools move by; a leak of one code or image a step is more in 20,000 steps.
MEMORY = 16.0
TIME = 1.2  # last quarter's processor time a step over the second's
TIMED = 5000  # steps from which on it is held to that: a quarter of fewer takes too few of the clock's 10 ms ticks


class Sample(NamedTuple):
    """What a process holds after a number of steps: megabytes resident, open files, threads; processor seconds."""

    step: int
    memory: float
    files: int
    threads: int
    seconds: float


def look(step: int) -> Sample:
    """This process now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    files = len(list(Path("/proc/self/fd").iterdir()))
    memory, threads = int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])
    return Sample(step, memory, files, threads, time.process_time())


# the command, and a sample a line in the file named first
PROGRAM = """
import json, sys
from pixelgan_jax import main
from pixelgan_jax.training import logs
from tests.faults import long_run

seen, scalars = sys.argv.pop(1), logs.Log.scalars

def looking(log, step, row):
    scalars(log, step, row)
    with open(seen, "a") as file:
        print(json.dumps(long_run.look(step)), file=file)

logs.Log.scalars = looking
main.main()
"""


def watch(steps: int, folder: Path, flags: list[str]) -> list[Sample]:
    """A run of so many steps in `folder`, which has looked at itself at each of its log lines but the last."""
    every = max(1, steps // LOGS)
    changes = [f"--config.train.steps={steps}", f"--config.train.log_every={every}"]
    changes += [f"--config.train.{name}_every={4 * every}" for name in ("evaluate", "checkpoint")]
    with tempfile.NamedTemporaryFile("r") as seen:
        command = [sys.executable, "-c", PROGRAM, seen.name, *flags, *changes, f"--workdir={folder}"]
        done = subprocess.run(command, cwd=ROOT, env=quick.environment(None), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [Sample(*json.loads(line)) for line in seen.read().splitlines()][:-1]


def check(steps: int, folder: Path, flags: list[str] = FLAGS) -> str:
    """A line on a run of so many steps. Raises AssertionError where anything grew."""
    samples = [sample for sample in watch(steps, folder, flags) if sample.step >= steps / 4]
    early = [sample for sample in samples if sample.step < steps / 2]
    late = [sample for sample in samples if sample.step >= steps * 3 / 4]
    assert early and late, [sample.step for sample in samples]

    def values(name: str, part: list[Sample]) -> list[float]:
        return [getattr(sample, name) for sample in part]

    def cost(part: list[Sample]) -> float:
        if part[-1].step == part[0].step:
            return math.nan
        return 1000 * (part[-1].seconds - part[0].seconds) / (part[-1].step - part[0].step)

    rates = [row["images_per_second"] for row in logs.read(folder) if row["step"] >= steps / 4]
    quarter = len(rates) // 3
    figures = {"memory": (max(values("memory", early)), max(values("memory", late)))}
    for name in ("files", "threads"):  # a save under way holds some more: the least of later is held to the most before
        figures[name] = max(values(name, early)), min(values(name, late))
    figures["milliseconds"] = cost(early), cost(late)
    figures["rate"] = statistics.median(rates[:quarter]), statistics.median(rates[-quarter:])
    line = (
        f"{steps} steps, second and last quarter: " + "{:.1f} and {:.1f} MB resident, {} and {} open files, {} and {}"
        " threads, {:.3f} and {:.3f} ms of processor time a step, {:.0f} and {:.0f} images a second"
    ).format(*(value for pair in figures.values() for value in pair))
    assert figures["memory"][1] - figures["memory"][0] <= MEMORY, line
    assert figures["files"][1] <= figures["files"][0] and figures["threads"][1] <= figures["threads"][0], line
    assert steps < TIMED or figures["milliseconds"][1] <= TIME * figures["milliseconds"][0], line
    return line


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20000)
    with tempfile.TemporaryDirectory() as place:
        print(check(parser.parse_args().steps, Path(place)))
