"""What each form of nn/xla_cpu gains: a training step with all of them against one with this one alone turned off.

Run: python -m benchmarks.cpu_forms --out results   (about 20 minutes on two cores that have nothing else to do)

Every program runs in a process of its own, since where its memory lies moves a step by a tenth, and between every
three of them comes one with all forms, to whose median they are compared. What a step does not show is measured by
itself: the sampler's two forms by the sampler, the unoptimised start by the time until a run has its first parameters.
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
from pixelgan_jax.nn.xla_cpu.sampler import FEW

ALONE = ("sampler_chain", "sampler_turns", "unoptimised_start")  # what a step does not show
SAMPLED = {"sampler_chain": 64, "sampler_turns": FEW}  # images at once
KEPT_MEMORY = "kept_memory"  # which belongs to a process, not to a program
OF_A_STEP = (*(form for form in xla_cpu.FORMS if form not in ALONE), KEPT_MEMORY)
EVERY = 3  # forms between two processes with all of them


def made(name: str, batch: int) -> Case:
    return case("digits", batch, **SMALL) if name == "trial" else case(name, batch)


def run_step(name: str, batch: int, form: str, repeats: int) -> float:
    """Seconds of a step without the form, in this process."""
    if form != KEPT_MEMORY:
        memory.keep()
    with xla_cpu.without(*([form] if form in xla_cpu.FORMS else [])):
        run, _ = ours(made(name, batch))
    timing.by_turns({"": run}, 2)
    return timing.by_turns({"": run}, repeats)[""]


def in_a_process(name: str, batch: int, form: str, repeats: int) -> float:
    command = [sys.executable, "-m", "benchmarks.cpu_forms", "--process", f"{name}:{batch}:{form}"]
    done = subprocess.run([*command, f"--repeats={repeats}"], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def steps(name: str, batch: int, forms: tuple[str, ...], repeats: int) -> dict[str, float]:
    """How many times as long a step takes without each form; "seconds" of one with all, and "spread": the longest such
    over the shortest, which says how far the others can be trusted."""
    whole, without = [], {}
    for index, form in enumerate(forms):
        if index % EVERY == 0:
            whole.append(in_a_process(name, batch, "", repeats))
        without[form] = in_a_process(name, batch, form, repeats)
        print(f"{name}: without {form} {1e3 * without[form]:.1f} ms, with all {1e3 * whole[-1]:.1f}", flush=True)
    whole.append(in_a_process(name, batch, "", repeats))
    seconds = float(np.median(whole))
    rows = {form: timing.digits(spent / seconds) for form, spent in without.items()}
    return rows | {"seconds": timing.digits(seconds), "spread": timing.digits(max(whole) / min(whole))}


def sampler(case: Case, form: str, images: int, repeats: int) -> float:
    """How many times as long it takes to draw so many images at once without a form of the sampler's."""
    params, asked, calls = create(case.model, 0).params["decoder"], request(case.model, images), {}
    for off in ("", form):
        jax.clear_caches()  # what is traced once is not traced anew
        with xla_cpu.without(*([off] if off else [])):
            drawn, _, _ = timing.compiled(lambda p, a: sampling.cached(case.model, p, a)[0], params, asked)
        calls[off] = lambda drawn=drawn: jax.block_until_ready(drawn(params, asked))
    timing.by_turns(calls, 1)
    spent = timing.by_turns(calls, repeats)
    return timing.digits(spent[form] / spent[""])


def start(case: Case) -> float:
    """How many times as long it takes from a model to its initial parameters, compiling included, when optimised."""
    spent = {}
    for form in ("", "unoptimised_start"):
        jax.clear_caches()
        with xla_cpu.without(*([form] if form else [])):
            begun = time.perf_counter()
            jax.block_until_ready(create(case.model, 0))
            spent[form] = time.perf_counter() - begun
    return timing.digits(spent["unoptimised_start"] / spent[""])


def measure(name: str, batch: int, forms: tuple[str, ...], repeats: int) -> dict[str, float]:
    row = steps(name, batch, forms, repeats)
    row |= {form: sampler(made(name, batch), form, images, 3) for form, images in SAMPLED.items()}
    return row | {"unoptimised_start": start(made(name, batch))}


def table(cases: dict[str, dict[str, float]]) -> str:
    """Markdown: how many times as long it takes without each form, a column a case."""
    forms = [form for form in (*xla_cpu.FORMS, KEPT_MEMORY) if all(form in row for row in cases.values())]
    lines = [["without", *cases], ["---"] * (len(cases) + 1)]
    lines += [[f"`{form}`", *(f"{row[form]:.2f}×" for row in cases.values())] for form in forms]
    lines.append(["a step with all forms", *(f"{1e3 * row['seconds']:.0f} ms" for row in cases.values())])
    lines.append(["its longest over its shortest", *(f"{row['spread']:.2f}×" for row in cases.values())])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(results: dict, path: Path) -> None:
    """A bar for each form and case."""
    cases = results["cases"]
    forms = [form for form in (*xla_cpu.FORMS, KEPT_MEMORY) if all(form in row for row in cases.values())]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(forms) + 1.5))
    places, height = np.arange(len(forms)), 0.8 / len(cases)
    for index, (name, row) in enumerate(cases.items()):
        axes.barh(places + index * height, [row[form] for form in forms], height, label=name)
    axes.set(yticks=places + 0.4 - height / 2, yticklabels=forms, xlabel="times as long without the form")
    axes.axvline(1.0, color="0.4", linewidth=1)
    axes.invert_yaxis()
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for cpu_forms.json and cpu_forms.png")
    parser.add_argument("--cases", default="mnist:9,svhn:5", help="experiment:steps, …")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--trial", action="store_true", help="a tiny model and one form, to try this file out")
    parser.add_argument("--process", help=argparse.SUPPRESS)  # name:batch:form, prints the seconds of a step and ends
    arguments = parser.parse_args()
    if arguments.process:
        name, batch, form = arguments.process.split(":")
        print(run_step(name, int(batch), form, arguments.repeats))
        return
    results = timing.circumstances() | {"cases": {}}
    if arguments.trial:
        results["cases"]["trial"] = measure("trial", 16, ("dense",), 1)
    else:
        for name, _, repeats in (each.partition(":") for each in arguments.cases.split(",")):
            results["cases"][f"{name}, batch 128"] = measure(name, 128, OF_A_STEP, int(repeats))
    print(table(results["cases"]))
    if arguments.out:
        timing.write(results, plot, arguments.out, "cpu_forms")


if __name__ == "__main__":
    main()
