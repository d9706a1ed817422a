"""Images sampled a second: the oracle, the cached and the fixed-point sampler, and PyTorch's naive loop, in one run.

Run: python -m benchmarks.sampling --out results   (PyTorch: pip install -e ".[benchmarks]")

Weights are freshly initialised, or those of a workdir (`--workdir`, which then is the only model): they do not matter
to any method's time but the fixed-point one's, whose number of passes depends on how far pixels determine each other.
The oracle and PyTorch are timed on their last and first pixels, since each of their pixels costs the same: a pass of
the whole network.

Two floors are printed for a pixel: its multiplications and additions at the rate of a large matrix product on this
device, and the weights that every pixel's step reads anew at the bandwidth of a large copy. Where these weights stay in
a cache, as those of the shipped models do, the second is no bound, so the distance is to the first.
"""

import argparse
import math
import resource
import sys
import time
from functools import partial
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from benchmarks import timing
from experiments import base, mnist, svhn
from pixelgan_jax.data.levels import scale
from pixelgan_jax.evaluation import trained
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.autoencoder import sampling
from pixelgan_jax.methods.autoencoder.model import Autoencoder, build, initialise
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training import parallel

try:
    import torch

    from benchmarks import torch_decoders
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    torch = None

# Ramachandran et al. 2017, Fast Generation for Convolutional Autoregressive Models: cached over naive, on a GPU
PUBLISHED = {1: 2, 2: 4, 4: 6, 8: 10, 16: 18, 32: 33, 64: 61, 128: 109, 256: 183}
METHODS = {"cached": "C0-o", "fixed_point": "C2-s", "oracle": "k-", "pytorch": "C3--^"}


def models(channels: int | None) -> dict[str, tuple[Autoencoder, dict]]:
    """The three shapes of the comparison, by name, with their decoder's parameters."""
    binary, levels, mixture = mnist.get_config(), mnist.get_config(), svhn.get_config()
    levels.data.levels, levels.model.likelihood = 256, "categorical"
    made = {}
    for name, fields, shape in (
        ("28×28×1, Bernoulli", binary, (28, 28, 1)),
        ("28×28×1, 256 levels", levels, (28, 28, 1)),
        ("32×32×3, logistic mixture, gated", mixture, (32, 32, 3)),
    ):
        fields.model.channels = channels or fields.model.channels
        model = build(from_dict(fields), shape)
        made[name] = model, initialise(model, 0)[0]["decoder"]
    return made


def tiny() -> dict[str, tuple[Autoencoder, dict]]:
    """A model for trying this file out."""
    fields = base.get_config()
    fields.model.update(channels=4, layers=1)
    model = build(from_dict(fields), (6, 6, 1))
    return {"6×6×1, a trial": (model, initialise(model, 0)[0]["decoder"])}


def step_weights(model: Autoencoder, params: dict) -> tuple[int, int]:
    """(weights that enter a pixel's parameters, those among them that can be used only once its left neighbours are
    known). The first bound the operations, the second are read again for every pixel."""
    settings = model.config.model
    of_the_code = "biases", "_bias", "code_network"
    total = sum(
        leaf.size
        for path, leaf in jax.tree.leaves_with_path(params)
        if not any(part in str(path) for part in of_the_code)
    )
    p0, p, width = settings.first_kernel // 2, settings.kernel // 2, settings.channels
    head = sum(leaf.size for leaf in jax.tree.leaves(params["head"]))
    if model.config.model.decoder == "pixelcnn":
        unseen = (p0 + 1) * model.shape[2] * width + settings.layers * p * width**2
        left = p0 * model.shape[2] * width + settings.layers * (p + 1) * width**2
    else:
        unseen = 0
        left = 2 * p0 * model.shape[2] * width + width**2 + settings.layers * (2 * (p + 1) + 1) * width**2
    return total - unseen, left + head


def request(model: Autoencoder, batch: int, known: int = 0) -> sampling.Request:
    """A request of `batch` images of which `known` pixels are given."""
    random = np.random.RandomState(0)
    code = random.dirichlet(np.ones(model.width), batch).astype(np.float32) if model.width else np.zeros((batch, 0))
    draws = jax.jit(partial(sampling.pixel_uniforms, model))(jax.random.split(jax.random.key(0), batch))
    given = jnp.zeros((batch, *model.shape), jnp.int32)
    return sampling.Request(jnp.asarray(code), draws, given, jnp.full(batch, known, jnp.int32), jnp.float32(1.0))


def measure(model: Autoencoder, params: dict, batch: int, repeats: int, fixed_point: bool) -> dict:
    """Every method at one batch: microseconds a pixel (of the whole batch), compile seconds, megabytes, passes."""
    pixels = math.prod(model.shape[:2])
    timed = min(pixels, max(2, 512 // batch))
    asked, few = request(model, batch), request(model, batch, pixels - timed)
    # the parameters that a pixel was drawn from are not asked for: keeping those of 256 levels would take the longest
    cached, compile_cached, bytes_cached = timing.compiled(
        lambda params, asked: sampling.cached(model, params, asked)[0], params, asked
    )
    iterate = timing.compiled(partial(sampling.iterated, model), params, asked, jnp.int32(1))
    iterated, compile_iterated, bytes_iterated = iterate
    rows = {
        "cached": (timing.seconds(lambda: cached(params, asked), repeats) / pixels, compile_cached, bytes_cached, 1),
        "oracle": (
            timing.seconds(lambda: iterated(params, few, jnp.int32(1)), 3) / timed,
            compile_iterated,
            bytes_iterated,
            pixels,
        ),
    }
    if fixed_point:
        whole = jnp.int32(pixels)
        _, passes = iterated(params, asked, whole)
        spent = timing.seconds(lambda: iterated(params, asked, whole), 2) / pixels
        rows["fixed_point"] = (spent, compile_iterated, bytes_iterated, int(passes))
    if torch:
        rows["pytorch"] = (pytorch(model, params, asked, timed), 0.0, 0.0, pixels)
    slow = rows["oracle"][0]
    return {
        method: {
            "microseconds_per_pixel": timing.digits(1e6 * spent),
            "pixels_per_second": timing.digits(batch / spent),
            "times_as_fast_as_oracle": timing.digits(slow / spent),
            "passes": passes,
        }
        | ({"compile_seconds": timing.digits(compiling), "megabytes": timing.digits(needed / 1e6)} if needed else {})
        for method, (spent, compiling, needed, passes) in rows.items()
    }


def floors(model: Autoencoder, params: dict, batch: int, rate: float, copied: float) -> dict:
    """Microseconds a pixel of the whole batch costs at least: by its operations, and by the weights it reads."""
    used, read = step_weights(model, params)
    return {
        "operations_microseconds": timing.digits(2e6 * used * batch / rate),
        "weights_microseconds": timing.digits(4e6 * read / copied),
    }


def pytorch(model: Autoencoder, params: dict, asked: sampling.Request, timed: int) -> float:
    """Seconds a pixel of PyTorch's naive loop, after a check that its decoder computes what ours does."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = torch_decoders.build(model, params, device)
    config = model.config
    z = torch.tensor(np.asarray(asked.code), device=device)
    x = np.random.RandomState(1).randint(0, config.data.levels, asked.given.shape)
    image = torch.tensor(x * (2 / (config.data.levels - 1)) - 1, dtype=torch.float32, device=device)
    with torch.no_grad(), torch_decoders.full_precision():
        ours = jax.jit(lambda x: model.decoder.apply({"params": params}, scale(x, config.data.levels), asked.code))(x)
        theirs = module(image.permute(0, 3, 1, 2), z).cpu().numpy()
    np.testing.assert_allclose(theirs, ours, atol=1e-3)

    def run() -> float:
        start = time.perf_counter()
        torch_decoders.naive(module, config.model.likelihood, config.data.levels, z, timed).cpu()
        return time.perf_counter() - start

    run()
    return float(np.median([run() for _ in range(3)])) / timed


def growth(model: Autoencoder, params: dict, batch: int) -> float:
    """Megabytes that the process grows by, beyond the images themselves, when 8 chunks are asked for after one."""
    method = registry.make(model.config, DataSpec(model.shape, model.config.prior.categories))
    drawing = Trained(model.config, method, ({"decoder": params}, {}), parallel.make_mesh(), 0)
    code = np.asarray(request(model, 8 * batch).code)
    with mock.patch.object(trained, "DRAWN", batch):
        trained.draw(drawing, code[:batch], 0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        images = trained.draw(drawing, code, 0)
    kilobytes = 1 if sys.platform == "linux" else 1024  # elsewhere ru_maxrss counts bytes
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3 / kilobytes - images.nbytes / 1e6


def plot(results: dict, path: Path) -> None:
    """Speed-up over the oracle against the batch, a panel a model."""
    figure, axes = plt.subplots(1, len(results["models"]), figsize=(5.2 * len(results["models"]), 4.2), squeeze=False)
    for axis, (name, found) in zip(axes[0], results["models"].items(), strict=True):
        batches = [int(batch) for batch in found["batches"]]
        for method, style in METHODS.items():
            rows = found["batches"].values()
            ratios = [row.get(method, {}).get("times_as_fast_as_oracle", math.nan) for row in rows]
            axis.plot(batches, ratios, style, label=method.replace("_", " "))
        floor = [
            row["oracle"]["microseconds_per_pixel"] / row["floor"]["operations_microseconds"]
            for row in found["batches"].values()
        ]
        axis.plot(batches, floor, "0.6", linestyle=":", label="at the matrix rate")
        axis.set(title=name, xlabel="images at once", xscale="log", yscale="log", xticks=batches, xticklabels=batches)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("times as fast as the oracle")
    axes[0, 0].legend()
    figure.suptitle(f"Sampling on {results['device']['kind']}: pixels a second, the slow oracle = 1")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def report(name: str, batch: int, row: dict) -> None:
    """One line for a model and a batch."""
    cached, oracle, floor = row["cached"], row["oracle"]["microseconds_per_pixel"], row["floor"]
    spent = cached["microseconds_per_pixel"]
    parts = [
        f"{name}, batch {batch}: oracle {oracle:.4g} µs a pixel; cached {spent:.4g}"
        f" ({cached['times_as_fast_as_oracle']:.4g}×, compiled in {cached['compile_seconds']:.1f} s,"
        f" {cached['megabytes']:.3g} MB)"
    ]
    if "fixed_point" in row:
        fixed = row["fixed_point"]
        parts.append(f"fixed point {fixed['times_as_fast_as_oracle']:.3g}× ({fixed['passes']} passes)")
    if "pytorch" in row:
        naive = row["pytorch"]["microseconds_per_pixel"]
        parts.append(f"PyTorch {naive:.4g} (cached {naive / spent:.0f}×)")
    parts.append(f"floors {floor['operations_microseconds']:.3g} by operations, {floor['weights_microseconds']:.3g} by")
    parts[-1] += f" weights; cached is {spent / floor['operations_microseconds']:.3g} times the first"
    print("; ".join(parts), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for sampling.json and sampling.png")
    parser.add_argument("--batches", default="1,4,16,64,256", help="images at once")
    parser.add_argument("--channels", type=int, help="width of every decoder layer instead of the experiments' own")
    parser.add_argument("--workdir", type=Path, help="a trained model instead of the three fresh ones")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--fixed-point", type=int, default=16, help="largest batch for the fixed-point sampler")
    parser.add_argument("--trial", action="store_true", help="a tiny model, to try this file out")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> dict[str, tuple[Autoencoder, dict]]:
    if arguments.trial:
        return tiny()
    if arguments.workdir:
        loaded = trained.load(arguments.workdir)
        if loaded.config.method.name != "autoencoder" or loaded.config.model.decoder == "deconv":
            sys.exit(f"--workdir {arguments.workdir}: draws all pixels at once; must be of a PixelCNN")
        model, (params, _) = build(loaded.config, loaded.method.shape), loaded.variables
        return {f"{arguments.workdir}, step {loaded.step}": (model, params["decoder"])}
    return models(arguments.channels)


def main() -> None:
    arguments = parse()
    rate, copied = timing.matrix_rate(), timing.bandwidth()
    limits = {"gigaflops_per_second": timing.digits(rate / 1e9), "gigabytes_per_second": timing.digits(copied / 1e9)}
    results = timing.circumstances() | {"limits": limits}
    print(f"{results['device']}, {limits}", flush=True)
    results["published_cached_over_naive_gpu"], results["models"] = PUBLISHED, {}
    for name, (model, params) in chosen(arguments).items():
        found = results["models"][name] = {"batches": {}}
        for batch in (int(b) for b in arguments.batches.split(",")):
            row = measure(model, params, batch, arguments.repeats, batch <= arguments.fixed_point)
            row["floor"] = floors(model, params, batch, rate, copied)
            found["batches"][str(batch)] = row
            report(name, batch, row)
        found["growth_megabytes"] = timing.digits(growth(model, params, 64))
        print(f"{name}: 8 chunks of 64 images take {found['growth_megabytes']:.3g} MB more than one", flush=True)
    if arguments.out:
        timing.write(results, plot, arguments.out, timing.named("sampling"))


if __name__ == "__main__":
    main()
