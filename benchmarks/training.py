"""Images trained on a second: the whole training step, and PyTorch's of the same layers, phases, batch and optimizers.

Run: python -m benchmarks.training --out results   (PyTorch: pip install -e ".[benchmarks]")

Both take random images from memory, with the experiment's own settings. Before anything is timed, both run a step from
the same parameters with the same random numbers in float32, and must agree. They are timed by turns, so that both meet
the same machine, in a process that keeps memory as the command line's does (pixelgan_jax/nn/xla_cpu/memory.py).

On CPU both are in float32, PyTorch's is not compiled, and the faster one of its two memory layouts counts. On a GPU
both are in bfloat16, ours of as many steps a call as the training loop makes there, PyTorch's compiled, a step one CUDA
graph.

Operations are what XLA counts in the step before it is compiled; the model's utilisation is their rate over that of a
large matrix product on this device in the same type, measured in the same run.
"""

import argparse
import dataclasses
import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from benchmarks import timing
from benchmarks.loop_share import beside_program
from pixelgan_jax.data.randomness import Stream, example_keys, fold, normal, uniform
from pixelgan_jax.methods import priors
from pixelgan_jax.methods.autoencoder.model import Autoencoder, build
from pixelgan_jax.methods.autoencoder.phases import ROLES, create
from pixelgan_jax.methods.autoencoder.step import train_step
from pixelgan_jax.methods.method import AXIS, Batch, DataSpec, Examples
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.methods.state import training_dtype
from pixelgan_jax.nn.platform import platform
from pixelgan_jax.nn.xla_cpu import memory
from pixelgan_jax.training import parallel
from pixelgan_jax.training.loop import call_sizes

try:
    import torch

    from benchmarks import torch_decoders, torch_step
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    torch = None

SHAPES = {"digits": (8, 8, 1), "mnist": (28, 28, 1), "svhn": (32, 32, 3)}
# one field at a time away from experiments/mnist.py: how the cost grows
GROWTH = [("side", 14), ("side", 56), ("channels", 16), ("channels", 64), ("layers", 2), ("layers", 8)]

LONGEST = 60  # seconds that the repeats of a case may take, three of them allowed in any case

SMALL = dict(encoder_channels=(4, 4), encoder_units=8, channels=4, layers=1, discriminator_units=(8,))


class Case(NamedTuple):
    """A model on one device, with a batch's worth of random images and labels, the same in every step of a call."""

    model: Autoencoder
    mesh: jax.sharding.Mesh
    examples: Examples
    batch: Batch


def case(name: str, batch: int, **fields) -> Case:
    """Experiment `name` at a batch size; `fields` replace those of its model, but for `side`, the image's."""
    experiment = importlib.import_module(f"experiments.{name}")
    config = getattr(experiment, "plain", experiment.get_config)()  # PyTorch's step has one view of an image
    shape = SHAPES[name]
    if "side" in fields:
        shape = (fields["side"], fields["side"], shape[2])
    config.model.update({field: value for field, value in fields.items() if field != "side"})
    config.train.batch_size = batch
    random, mesh = np.random.RandomState(0), parallel.make_mesh(jax.devices()[:1])
    images = random.randint(0, 256, (batch, *shape)).astype(np.uint8)
    labels = random.randint(0, config.prior.categories, batch).astype(np.int32)
    index = np.arange(batch, dtype=np.int32)
    examples = parallel.replicate(Examples.of(images, index, labels, np.int32(0)), mesh)
    settings = from_dict(config)
    steps = np.tile(index, (max(call_sizes(0, settings.train)), 1))
    return Case(build(settings, shape, AXIS), mesh, examples, Batch(steps, steps))


def steps(made: Case, mesh: jax.sharding.Mesh) -> tuple[Callable, tuple]:
    """(the function that runs the case's steps on a mesh, jitted; its arguments there)."""
    state, examples = parallel.replicate((create(made.model, 0), made.examples), mesh)
    call = parallel.compile_step(partial(train_step, made.model), mesh)
    return call, (state, examples, parallel.split_batch(made.batch, mesh))


def ours(made: Case) -> tuple[Callable[[], dict], dict]:
    """(a call that runs the case's steps and gives their metrics, what compiling it told)."""
    call, (state, examples, batch) = steps(made, made.mesh)
    program, seconds, needed = timing.compiled(call, state, examples, batch)
    held = [state]

    def run() -> dict:
        held[0], metrics = program(held[0], examples, batch)
        return jax.block_until_ready(metrics)

    return run, {"compile_seconds": seconds, "megabytes": needed / 1e6}


def operations(made: Case) -> float:
    """Operations that a step takes for an image, as XLA counts them before it compiles: afterwards a GPU's convolutions
    are calls of a library, which it does not count. Of the steps of a call it counts one."""
    # on a CPU, since of a GPU's program XLA gave no count in JAX 0.11.2
    call, arguments = steps(made, parallel.make_mesh(jax.devices("cpu")[:1]))
    return call.lower(*arguments).cost_analysis()["flops"] / len(made.examples.rows)


def draws(made: Case, step: int) -> "torch_step.Draws":
    """The random numbers that our step number `step` draws."""
    model, position = made.model, jnp.arange(len(made.examples.rows))
    key = fold(jax.random.key(made.examples.seed), Stream.TRAINING, step)
    reconstruction = example_keys(fold(key, Stream.RECONSTRUCTION_PHASE), position)
    code, prior = (example_keys(fold(key, Stream.ADVERSARIAL_PHASE, i), position) for i in (0, Stream.PRIOR))
    supervised = example_keys(fold(key, Stream.SUPERVISED_PHASE), position)

    def tensor(x) -> torch.Tensor:
        return torch.tensor(np.asarray(x))

    noise = tuple(
        tensor(normal(keys, Stream.INPUT_NOISE, model.shape)).permute(0, 3, 1, 2)
        for keys in (reconstruction, code, supervised)
    )
    on_codes = (tensor(normal(keys, Stream.DISCRIMINATOR_NOISE, (model.width,))) for keys in (prior, code))
    binarising = tensor(uniform(reconstruction, Stream.BINARISATION, model.shape))
    return torch_step.Draws(noise, binarising, tensor(priors.sample(model.config.prior.code, prior)), *on_codes)


def pytorch(made: Case, channels_last: bool) -> tuple["torch_step.Step", "torch.Tensor", "torch.Tensor"]:
    """(PyTorch's step, the case's images and labels for it)."""
    state, device = create(made.model, 0), "cpu" if platform() == "cpu" else "cuda"
    half = training_dtype(made.model.config.train.dtype) == jnp.bfloat16
    peer = torch_step.Step(made.model, state.params, state.stats, channels_last, device, half)
    images = torch.tensor(np.asarray(made.examples.images(np.arange(len(made.examples.rows)))), device=device)
    return peer, images, torch.tensor(np.asarray(made.examples.labels), device=device).long()


def theirs(made: Case, channels_last: bool) -> Callable[[], dict]:
    """A call that draws random numbers and runs as many of PyTorch's steps as ours does."""
    peer, images, labels = pytorch(made, channels_last)
    if peer.device == "cpu":
        return lambda: peer(images, images, labels, torch_step.draw(made.model, len(images), "cpu"))
    step = torch_step.captured(peer, images, labels)

    def run() -> dict:
        for _ in made.batch.index:
            metrics = step()
        torch.cuda.synchronize()
        return metrics

    return run


def check(made: Case, channels_last: bool = False, steps: int = 1) -> None:
    """Raises AssertionError unless both steps, from the same parameters and draws, give the same losses and gradients.

    At rates that are next to nothing: Adam's first update is about the sign of a gradient, of rounding's where there is
    no other, so that parameters that moved would differ in the phases after the first.
    """
    config = made.model.config
    optim = dataclasses.replace(config.optim, **{f"{phase}_rate": 1e-12 for phase in ROLES})
    config = dataclasses.replace(config, optim=optim, train=dataclasses.replace(config.train, dtype="float32"))
    model, one = made.model._replace(config=config), jax.tree.map(lambda x: x[:1], made.batch)
    still = made._replace(model=model, batch=one)
    with torch_decoders.full_precision():
        run, (peer, images, labels) = ours(still)[0], pytorch(still, channels_last)
        for number in range(steps):
            given = jax.tree.map(lambda x: x.to(peer.device), draws(still, number))
            metrics, found = run(), peer(images, images, labels, given)
            assert set(found) == {name for name in metrics if not name.endswith("_rate")}  # ours are 1e-12
            for name, value in found.items():
                np.testing.assert_allclose(value.cpu(), metrics[name][0], rtol=1e-3, err_msg=f"step {number}: {name}")


def measure(made: Case, repeats: int, rate: float, peer: bool) -> dict:
    """Images a second, operations, utilisation, compile seconds and memory; with `peer` also PyTorch's images a second
    and the share of a step that the loop's own thread works beside the program."""
    run, told = ours(made)
    timed = {"ours": run}
    if peer:
        check(made)
        # PyTorch's compiler lays out convolutions as it likes
        layouts = ("contiguous", "channels_last") if platform() == "cpu" else ("channels_last",)
        timed |= {layout: theirs(made, layout == "channels_last") for layout in layouts}
    once = sum(timing.by_turns(timed, 1).values())
    repeats = max(3, min(repeats, int(LONGEST / once)))
    spent = {name: seconds / len(made.batch.index) for name, seconds in timing.by_turns(timed, repeats).items()}
    count = len(made.examples.rows)
    each = operations(made)
    row = {"images_per_second": count / spent["ours"], "megaflops_per_image": each / 1e6, **told}
    row["utilisation"] = each * count / spent["ours"] / rate
    if peer and platform() == "cpu":
        every = 5 if spent["ours"] < 1.0 else 1
        data = DataSpec(made.model.shape, made.model.config.prior.categories)
        row["loop_share"] = beside_program(made.model.config, data, made.examples, made.mesh, every) / spent["ours"]
    row = {name: timing.digits(value) for name, value in row.items()} | {"repeats": repeats}
    if peer:
        layout = min(layouts, key=spent.get)
        row["pytorch"] = {"images_per_second": timing.digits(count / spent[layout]), "layout": layout}
        row["times_as_fast_as_pytorch"] = timing.digits(spent[layout] / spent["ours"])
    return row


def report(name: str, row: dict) -> None:
    text = f"{name}: {row['images_per_second']:.4g} images/s"
    if "pytorch" in row:
        text += f", PyTorch {row['pytorch']['images_per_second']:.4g} ({row['times_as_fast_as_pytorch']:.3g}×)"
    text += f"; {row['megaflops_per_image']:.3g} Mflop an image, {100 * row['utilisation']:.0f} % of the matrix rate"
    if "loop_share" in row:
        text += f"; the loop's thread works {100 * row['loop_share']:.2g} % of a step"
    print(f"{text}; compiled in {row['compile_seconds']:.1f} s, {row['megabytes']:.0f} MB", flush=True)


def plot(results: dict, path: Path) -> None:
    """Speed over PyTorch's, and utilisation, of every case; images a second above the bars."""
    figure, axes = plt.subplots(2, 1, figsize=(max(5.0, 1.1 * len(results["cases"])), 6.4), sharex=True)
    rows = list(results["cases"].values())
    ratios = [row.get("times_as_fast_as_pytorch", np.nan) for row in rows]
    for axis, values, label in (
        (axes[0], ratios, "times as fast as PyTorch"),
        (axes[1], [row["utilisation"] for row in rows], "share of the matrix rate"),
    ):
        bars = axis.bar(range(len(rows)), values)
        axis.set(ylabel=label)
        axis.grid(axis="y", alpha=0.3)
    axes[0].axhline(1.0, color="0.4", linewidth=1)
    axes[1].bar_label(bars, [f"{row['images_per_second']:,.0f}/s" for row in rows], fontsize=8)
    axes[1].margins(y=0.12)
    axes[1].set_xticks(range(len(rows)), list(results["cases"]), rotation=40, ha="right")
    figure.suptitle(f"Training step on {results['device']['kind']}, {results['cores']} core(s), {results['dtype']}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def chosen(arguments: argparse.Namespace) -> dict[str, tuple[Case, bool]]:
    """The cases to time by name, and whether against PyTorch."""
    if arguments.trial:
        return {"trial": (case("digits", 64, **SMALL), True)}
    made = {}
    for name, batch in arguments.cases:
        made[f"{name}, batch {batch}"] = case(name, batch), True
    if arguments.growth:
        for field, value in GROWTH:
            made[f"mnist, {field} {value}"] = case("mnist", 128, **{field: value}), False
    return made


def asked(text: str) -> list[tuple[str, int]]:
    """(experiment, batch) of every case. Raises ArgumentTypeError where there is no such experiment or batch."""
    pairs = [(name, batch or "128") for name, _, batch in (part.partition(":") for part in text.split(","))]
    if not all(name in SHAPES and batch.isdecimal() and int(batch) for name, batch in pairs):
        raise argparse.ArgumentTypeError(f"{text}: must be like mnist:128,…; experiments are {', '.join(SHAPES)}")
    return [(name, int(batch)) for name, batch in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for training.json and .png, or training_gpu.json and .png")
    parser.add_argument("--cases", type=asked, default="digits,mnist,svhn", help="experiment:images of a step (128), …")
    parser.add_argument("--repeats", type=int, default=9, help="at most; fewer where a step takes long")
    parser.add_argument("--growth", action="store_true", help="also mnist with other sides, channels and layers")
    parser.add_argument("--trial", action="store_true", help="a tiny model, to try this file out")
    arguments = parser.parse_args()
    memory.keep()
    dtype = jnp.dtype(training_dtype("auto"))
    rate, results = timing.matrix_rate(dtype=dtype), timing.circumstances()
    results |= {"dtype": dtype.name, "matrix_gigaflops_per_second": timing.digits(rate / 1e9), "cases": {}}
    told = f"{results['device']}, {results['cores']} core(s)"
    print(f"{told}, {rate / 1e9:.3g} Gflop/s in a matrix product in {dtype.name}", flush=True)
    if torch is None:
        print("PyTorch is not installed: ours alone")
    for name, (made, against) in chosen(arguments).items():
        results["cases"][name] = measure(made, arguments.repeats, rate, against and torch is not None)
        report(name, results["cases"][name])
    if arguments.out:
        timing.write(results, plot, arguments.out, timing.named("training"))


if __name__ == "__main__":
    main()
