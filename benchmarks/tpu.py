"""What a program costs on TPUs, as their compiler estimates it: no TPU is needed, and nothing is measured.

Run: python -m benchmarks.tpu --experiment mnist --batch 1024 --topology v5e:2x2 --out results
(libtpu: pip install -e ".[tpu-compile]"; minutes of one core a program, which is compiled, not run)

`--program step` is a call of the training loop's own number of steps, `evaluate` the negative log-likelihood of a
mini-batch, `sample` the drawing of one. `--replicates N`: the step of N seeds side by side in one program, which
nothing here trains; it tells what that would gain. The compiler writes its `estimated_cycles` beside most operations of
the optimised program. Here they are summed, a loop's body as often as it runs, and turned into seconds by the clock at
which the matrix units reach the published peak. What has no estimate is listed: collectives, whose bytes are held
against all links of a chip at once, in one direction, latencies aside, which is the least that they can take; and
custom calls, which count as nothing, but for the kernel that draws a row of pixels, which is counted by hand.
Operations and bytes are XLA's counts, of a loop's body once: they are told where the only loop is that over the steps.
So these figures compare two programs, or tell where the cycles of one go.
"""

import argparse
import importlib
import json
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks import hlo, timing
from pixelgan_jax.config import Config
from pixelgan_jax.evaluation.measures import nats_function
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.autoencoder import sampling
from pixelgan_jax.methods.autoencoder.model import build
from pixelgan_jax.methods.method import AXIS, Batch, DataSpec, Examples
from pixelgan_jax.nn.decoders import tpu_row
from pixelgan_jax.nn.platform import made_for
from pixelgan_jax.training import parallel
from pixelgan_jax.training.loop import call_sizes


class Chip(NamedTuple):
    """Published figures of a chip (Cloud TPU's documentation, read 2026-11): bfloat16 operations a second and a cycle
    (matrix units × side² × 2), bytes of memory, and bytes a second of all its links in both directions together."""

    peak: float
    operations: int
    memory: float
    links: float

    @property
    def clock(self) -> float:
        return self.peak / self.operations


CHIPS = {
    "v5e": Chip(197e12, 4 * 128**2 * 2, 16e9, 400e9),
    "v5p": Chip(459e12, 8 * 128**2 * 2, 95e9, 1200e9),
    "v6e": Chip(918e12, 4 * 256**2 * 2, 32e9, 800e9),
}
IMAGES = {  # images' shape, training images
    "digits": ((8, 8, 1), 1397),
    "mnist": ((28, 28, 1), 60_000),
    "svhn": ((32, 32, 3), 73_257),
    "norb": ((32, 32, 1), 24_300),
}
# libtpu would look for the machine that it runs on, say that it is none of its own, and keep others from compiling
NOWHERE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


# cycles of nn/decoders/tpu_row.py's kernel for a pixel of up to 128 images and each product, in six passes, of those
# that wait for each other: one a layer after the first and one in the head
BY_HAND = 600


class Program(NamedTuple):
    """A program to be compiled, the images of one run of it, the steps that this is, and cycles counted by hand."""

    lower: Callable[[], jax.stages.Lowered]
    images: int
    steps: int
    by_hand: int = 0


def _like(tree: Any, mesh: Mesh, spec: P) -> Any:
    """Shapes and types of the tree's arrays, laid over the devices as `spec` says."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(mesh, spec)), tree)


def programs(config: Config, data: DataSpec, mesh: Mesh, replicates: int = 0) -> dict[str, Program]:
    """The programs of an experiment at its batch size, by name; those that the method has. With `replicates` the step
    is that of so many seeds, which share the images and have labels and an order of their own."""
    method, size = registry.make(config, data), config.train.batch_size
    images = jax.ShapeDtypeStruct((size, *data.shape), jnp.uint8)
    numbers = lambda *sides: jax.ShapeDtypeStruct(sides, jnp.int32)  # noqa: E731
    state = jax.eval_shape(method.init, numbers())
    steps = max(call_sizes(0, config.train))
    rows = jax.ShapeDtypeStruct((data.images, data.shape[0], data.shape[1] * data.shape[2]), jnp.uint8)
    examples = Examples(rows, numbers(data.labels), numbers(data.labels), numbers(), data.shape)
    batch = Batch(numbers(steps, size), numbers(steps, size))
    one_step, seeds, stepped = method.step, max(replicates, 1), state
    if replicates:
        each = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds, *x.shape), x.dtype), tree)  # noqa: E731
        one_step = jax.vmap(one_step, in_axes=(0, Examples(None, 0, 0, 0, data.shape), Batch(1, 1)))
        stepped, examples = each(state), each(examples).replace(rows=rows)
        batch = Batch(numbers(steps, size, seeds), numbers(steps, size, seeds))
    of_step = (*_like((stepped, examples), mesh, P()), _like(batch, mesh, P(None, AXIS)))
    step = parallel.compile_step(one_step, mesh)
    found = {"step": Program(lambda: step.lower(*of_step), size * steps * seeds, steps)}
    variables = _like(jax.eval_shape(method.averaged, state), mesh, P())
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), size))
    code = jax.ShapeDtypeStruct((size, method.code.width), jnp.float32)
    if method.log_prob:
        found["evaluate"] = _rows(nats_function(method), (variables,), (images, keys, code), mesh, size)
    if method.draw:
        function, options = method.draw("auto", 1.0)
        shared = (variables, _like(jax.eval_shape(lambda: jax.tree.map(jnp.asarray, options)), mesh, P()))
        drawing = _rows(function, shared, (code, keys, images, numbers(size)), mesh, size)
        found["sample"] = drawing._replace(by_hand=_kernel_cycles(config, data, size // mesh.size))
    return found


def _kernel_cycles(config: Config, data: DataSpec, images: int) -> int:
    """What the kernel for a row of pixels takes in drawing so many images on a chip; 0 where the sampler has none."""
    if config.method.name != "autoencoder":
        return 0
    model = build(config, data.shape)
    if not sampling.by_kernel(model):
        return 0
    products = config.model.layers + 1
    return math.prod(data.shape[:2]) * -(-images // tpu_row.LANES) * products * BY_HAND


def _rows(function: Callable, shared: tuple, rows: tuple, mesh: Mesh, size: int) -> Program:
    over_devices = _like(rows, mesh, P(AXIS))
    return Program(lambda: parallel.mapped(function, mesh, len(rows)).lower(*shared, *over_devices), size, 1)


def cost(program: jax.stages.Compiled, chip: Chip, devices: int, asked: Program) -> dict:
    """What the compiler says of a program, and what was counted by hand: figures of one chip and step, and the dearest
    operations with their part of all cycles."""
    found, images, steps = hlo.operations(program.as_text()), asked.images, asked.steps
    cycles = sum(each.cycles * each.times for each in found if each.cycles) + asked.by_hand
    reduced = [each for each in found if each.kind in hlo.COLLECTIVES]
    sent = sum(each.size * each.times for each in reduced)
    travels = sum(each.size * each.times * (2 if each.kind == "all-reduce" else 1) for each in reduced)
    on_links = (devices - 1) / devices * travels / (chip.links / 2)
    seconds = cycles / chip.clock + on_links
    counted = {}
    if {each.times for each in found} <= {1, steps}:  # a loop's body is a step
        told = program.cost_analysis()
        counted = {
            "gigaflops_per_step": timing.digits(told["flops"] / 1e9),
            "megabytes_accessed_per_step": timing.digits(told["bytes accessed"] / 1e6),
            "part_of_peak": timing.digits(told["flops"] * steps / seconds / chip.peak),
        }
    dear, parts = (Counter({"a row of pixels (by hand)": asked.by_hand} if asked.by_hand else {}) for _ in range(2))
    for each in found:
        if each.cycles:
            dear[f"{each.scope} ({each.kind})"] += each.cycles * each.times
            parts[hlo.group(each.scope)] += each.cycles * each.times
    shares = lambda counted, most: {name: round(spent / cycles, 4) for name, spent in counted.most_common(most)}  # noqa: E731
    return {
        "megabytes": timing.digits(parallel.bytes_needed(program) / 1e6),
        "part_of_memory": timing.digits(parallel.bytes_needed(program) / chip.memory),
        "steps_per_call": steps,
        **counted,
        "cycles_per_step": round(cycles / steps),
        "milliseconds_per_step": timing.digits(1e3 * seconds / steps),
        "images_per_second_per_chip": timing.digits(images / devices / seconds),
        "collectives_per_step": round(sum(each.times for each in reduced) / steps, 2),
        "collective_megabytes_per_step": timing.digits(sent / steps / 1e6),
        "collective_milliseconds_per_step": timing.digits(1e3 * on_links / steps),
        "cycles_by_hand": asked.by_hand,
        "custom_calls_without_estimate": sum(each.kind == "custom-call" and not each.cycles for each in found),
        "parts": shares(parts, 12),
        "dearest": shares(dear, 20),
    }


def spec(experiment: str, config: Config) -> DataSpec:
    """The real size of an experiment's data."""
    shape, images = IMAGES[experiment.split("_")[0]]
    return DataSpec(shape, 5 if experiment == "norb" else 10, images - config.data.validation, config.data.labels)


def devices_of(topology: str) -> list:
    """The chips of a topology such as "v5e:4x4", to compile for."""
    for name, value in NOWHERE.items():
        os.environ.setdefault(name, value)
    single = math.prod(map(int, topology.partition(":")[2].split("x"))) == 1
    bounds = {"chips_per_host_bounds": (1, 1, 1)} if single else {}
    return list(topologies.get_topology_desc(platform="tpu", topology_name=topology, **bounds).devices)


def estimate(experiment: str, batch: int, topology: str, program: str, replicates: int = 0) -> dict:
    """The compiler's estimates of one program of experiments/NAME.py."""
    fields = importlib.import_module(f"experiments.{experiment}").get_config()
    fields.train.batch_size = batch
    config = registry.from_dict(fields)
    chips, chip = devices_of(topology), CHIPS[topology.partition(":")[0]]
    with made_for("tpu"):
        made = programs(config, spec(experiment, config), parallel.make_mesh(chips), replicates)
        if program not in made:
            raise SystemExit(f"--program {program}: must be one of {', '.join(made)} for {experiment}")
        asked = made[program]
        lowered = asked.lower()
    begun = time.monotonic()
    compiled = lowered.compile()
    took = {"compile_seconds": timing.digits(time.monotonic() - begun)}
    return took | cost(compiled, chip, len(chips), asked)


def plot(results: dict, path: Path) -> None:
    """Where the cycles go: a bar a program, cut by parts of the model."""
    rows = list(results["programs"].items())
    figure, axis = plt.subplots(figsize=(14, 1.2 + 0.62 * len(rows)))
    colours = [colour for name in ("Pastel1", "Set3", "Pastel2") for colour in plt.get_cmap(name).colors]
    names = list(dict.fromkeys(name for _, row in rows for name in list(row["parts"])[:8]))
    for place, (_, row) in enumerate(rows):
        left = 0.0
        for name, part in list(row["parts"].items())[:8]:
            axis.barh(place, part, left=left, color=colours[names.index(name) % len(colours)], edgecolor="white")
            if part > 0.06:
                text = re.sub("[:,] |(?<=_)(?=slice)", "\n", name)
                axis.text(left + part / 2, place, text, ha="center", va="center", fontsize=6)
            left += part
        axis.text(1.01, place, f"{row['images_per_second_per_chip']:,.0f} images/s a chip", va="center", fontsize=8)
    axis.set(yticks=range(len(rows)), yticklabels=[name for name, _ in rows])
    axis.set(xlim=(0, 1.16), xticks=[0, 0.2, 0.4, 0.6, 0.8, 1], xlabel="part of all cycles")
    axis.invert_yaxis()
    axis.set_title("Where the cycles of a program go (the TPU compiler's estimates)")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", default="mnist", help=f"one of {', '.join(IMAGES)}, or that and more words")
    parser.add_argument("--batch", type=int, default=1024, help="images of a step, of all chips together")
    parser.add_argument("--topology", default="v5e:2x2", help=f"{', '.join(CHIPS)}, then the chips along each axis")
    parser.add_argument("--program", default="step", choices=("step", "evaluate", "sample"))
    parser.add_argument("--replicates", type=int, default=0, help="seeds of a step, side by side; 0: one, as it is")
    parser.add_argument("--out", type=Path, help="folder for tpu.json and tpu.png; other programs in it are kept")
    asked = parser.parse_args()
    if asked.experiment.split("_")[0] not in IMAGES or asked.topology.partition(":")[0] not in CHIPS:
        parser.error(f"{asked.experiment}, {asked.topology}: no such data or chip; --help names them")
    if asked.replicates < 0 or (asked.replicates and asked.program != "step"):
        parser.error(f"--replicates {asked.replicates}: must be 0 or more, and is of --program step alone")
    return asked


def main() -> None:
    arguments = parse()
    row = estimate(*(getattr(arguments, name) for name in ("experiment", "batch", "topology", "program", "replicates")))
    name = f"{arguments.experiment} {arguments.program}, batch {arguments.batch}, {arguments.topology}"
    name += f", {arguments.replicates} seeds" * (arguments.replicates > 0)
    print(f"{name} (the compiler's estimates)")
    for key, value in row.items():
        if isinstance(value, dict):
            print(f"{key}:", *(f"  {part:6.1%}  {what}" for what, part in value.items()), sep="\n")
        else:
            print(f"{key}: {value:,}")
    if arguments.out:
        path = arguments.out / "tpu.json"
        kept = json.loads(path.read_text())["programs"] if path.exists() else {}
        circumstances = timing.circumstances()
        made = {key: circumstances[key] for key in ("date", "git_commit", "versions")}
        made["versions"]["libtpu"] = metadata.version("libtpu")
        timing.write({"programs": kept | {name: made | row}}, plot, arguments.out, "tpu")


if __name__ == "__main__":
    main()
