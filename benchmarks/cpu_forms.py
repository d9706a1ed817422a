"""What each form of nn/xla_cpu gains: a training step with all of them against one with this one alone turned off.

Run: python -m benchmarks.cpu_forms --out results   (about a quarter of an hour on two cores)

All programs of a case are compiled first and then run by turns, so that they meet the same machine. What a step does
not show is measured by itself: the sampler's chain by the sampler, the unoptimised start by the time until a run has
its first parameters. Memory that is kept (nn/xla_cpu/memory.py) belongs to a process: processes take turns.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

from benchmarks import timing
from benchmarks.sampling import request
from benchmarks.training import SMALL, Case, case, ours
from pixelgan_jax.methods.autoencoder import sampling
from pixelgan_jax.methods.autoencoder.phases import create
from pixelgan_jax.nn import xla_cpu
from pixelgan_jax.nn.xla_cpu import memory

ALONE = ("sampler_chain", "unoptimised_start")  # what a step does not show
PROCESS = "--process"  # a process that prints its seconds of a step and ends


def steps(made: Case, repeats: int) -> dict[str, float]:
    """Seconds of a step, by the form that is turned off; "": none is."""
    calls = {}
    for form in ("", *(form for form in xla_cpu.FORMS if form not in ALONE)):
        jax.clear_caches()  # what is traced once is not traced anew
        with xla_cpu.without(*filter(None, [form])):
            calls[form] = ours(made)[0]
    timing.by_turns(calls, 1)
    return timing.by_turns(calls, repeats)


def sampler(made: Case, images: int, repeats: int) -> dict[str, float]:
    """Seconds of drawing so many images at once, with and without the chain between pixels."""
    params, asked, calls = create(made.model, 0).params["decoder"], request(made.model, images), {}
    for form in ("", "sampler_chain"):
        jax.clear_caches()
        with xla_cpu.without(*filter(None, [form])):
            drawn, _, _ = timing.compiled(lambda p, a: sampling.cached(made.model, p, a)[0], params, asked)
        calls[form] = lambda drawn=drawn: jax.block_until_ready(drawn(params, asked))
    timing.by_turns(calls, 1)
    return timing.by_turns(calls, repeats)


def start(made: Case) -> dict[str, float]:
    """Seconds from a model to its initial parameters, compiling included."""
    spent = {}
    for form in ("", "unoptimised_start"):
        jax.clear_caches()
        with xla_cpu.without(*filter(None, [form])):
            begun = time.perf_counter()
            jax.block_until_ready(create(made.model, 0))
            spent[form] = time.perf_counter() - begun
    return spent


def kept_memory(name: str, batch: int, rounds: int) -> dict[str, float]:
    """Seconds of a step in processes that keep memory ("") and in others that do not, by turns; the least of each."""
    seconds: dict[str, list[float]] = {"": [], "kept_memory": []}
    for _ in range(rounds):
        for form in seconds:
            command = [sys.executable, "-m", "benchmarks.cpu_forms", f"{PROCESS}={name}:{batch}:{form}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds[form].append(float(done.stdout.split()[-1]))
    return {form: min(spent) for form, spent in seconds.items()}


def process(name: str, batch: int, form: str) -> None:
    if not form:
        memory.keep()
    run, _ = ours(case(name, batch))
    print(timing.by_turns({"": lambda: run()}, 9)[""])


def ratios(spent: dict[str, float]) -> dict[str, float]:
    """How many times as long it takes without each form."""
    return {form: timing.digits(seconds / spent[""]) for form, seconds in spent.items() if form}


def measure(name: str, batch: int, repeats: int, rounds: int, **fields) -> dict:
    made = case(name, batch, **fields)
    spent = steps(made, repeats)
    row = {"seconds": timing.digits(spent[""])} | ratios(spent)
    row |= ratios(sampler(made, 64, 3)) | ratios(start(made))
    if rounds:
        row |= ratios(kept_memory(name, batch, rounds))
    return row


def table(cases: dict[str, dict]) -> str:
    """Markdown: how many times as long a step takes without each form, a column a case."""
    forms = [form for form in next(iter(cases.values())) if form != "seconds"]
    lines = [["without", *cases], ["---"] * (len(cases) + 1)]
    lines += [[f"`{form}`", *(f"{row[form]:.2f}×" if form in row else "–" for row in cases.values())] for form in forms]
    lines.append(["a step with all", *(f"{1e3 * row['seconds']:.0f} ms" for row in cases.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(results: dict, path: Path) -> None:
    cases = results["cases"]
    forms = [form for form in next(iter(cases.values())) if form != "seconds"]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(forms) + 1.5))
    places = np.arange(len(forms))
    for index, (name, row) in enumerate(cases.items()):
        height = 0.8 / len(cases)
        axes.barh(places + index * height, [row.get(form, np.nan) for form in forms], height, label=name)
    axes.set(yticks=places + 0.4 - 0.4 / len(cases), yticklabels=forms, xlabel="times as long without the form")
    axes.axvline(1.0, color="0.4", linewidth=1)
    axes.invert_yaxis()
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for cpu_forms.json and cpu_forms.png")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--trial", action="store_true", help="a tiny model, to try this file out")
    parser.add_argument(PROCESS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        name, batch, form = arguments.process.split(":")
        process(name, int(batch), form)
        return
    memory.keep()
    results = timing.circumstances() | {"cases": {}}
    if arguments.trial:
        results["cases"]["trial"] = measure("digits", 16, 1, 0, **SMALL)
    else:
        for name, batch, repeats in (("digits", 128, 15), ("mnist", 128, 7), ("svhn", 128, 5)):
            rounds = 2 if name == "mnist" else 0
            row = measure(name, batch, min(repeats, arguments.repeats), rounds)
            results["cases"][f"{name}, batch {batch}"] = row
            print(name, row, flush=True)
    print(table(results["cases"]))
    if arguments.out:
        timing.write(results, plot, arguments.out, "cpu_forms")


if __name__ == "__main__":
    main()
