"""Images sampled a second with a code network before the adaptive biases, and with biases that are linear in the code.

Run: python -m benchmarks.code_network --out results

Both have the decoder of experiments/mnist_gaussian.py and run by turns, the cached sampler's whole call each time. The
network runs once an image; the biases of a row are then a product with its maps in place of one with the code.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from ml_collections import ConfigDict

from benchmarks import timing
from benchmarks.sampling import request
from experiments import mnist_gaussian
from pixelgan_jax.methods.autoencoder import sampling
from pixelgan_jax.methods.autoencoder.model import build, initialise
from pixelgan_jax.methods.registry import from_dict


def decoders(maps: int | None) -> dict[str, ConfigDict]:
    """The experiment as it is, or with so many maps, and with a linear bias."""
    made = {"network": mnist_gaussian.get_config(), "linear": mnist_gaussian.get_config()}
    made["network"].model.code_maps = maps or made["network"].model.code_maps
    made["linear"].model.update(code_units=(), code_maps=0)
    return made


def measure(decoder: str, batch: int, repeats: int, maps: int | None = None) -> dict[str, float]:
    """Images a second of both, and their ratio."""
    calls = {}
    for name, fields in decoders(maps).items():
        fields.model.decoder = decoder
        model = build(from_dict(fields), (28, 28, 1))
        params, asked = initialise(model, 0)[0]["decoder"], request(model, batch)
        asked = asked._replace(code=jnp.asarray(np.random.RandomState(0).randn(batch, 2), jnp.float32))
        program, _, _ = timing.compiled(lambda p, a, model=model: sampling.cached(model, p, a)[0], params, asked)
        calls[name] = lambda program=program, params=params, asked=asked: jax.block_until_ready(program(params, asked))
    timing.by_turns(calls, 2)
    spent = timing.by_turns(calls, repeats)
    found = {name: timing.digits(batch / seconds) for name, seconds in spent.items()}
    return found | {"ratio": timing.digits(spent["linear"] / spent["network"])}


def plot(results: dict, path: Path) -> None:
    """The ratio against the batch, a curve a decoder."""
    figure, axis = plt.subplots(figsize=(5.2, 4))
    for name, rows in results["decoders"].items():
        axis.plot([int(batch) for batch in rows], [row["ratio"] for row in rows.values()], "-o", label=name)
    axis.axhline(1.0, color="0.6", linestyle=":")
    axis.set(xlabel="images at once", ylabel="images/s with the network, without = 1", xscale="log", ylim=(0, None))
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for code_network.json and code_network.png")
    parser.add_argument("--batches", default="1,16,64,256", help="images at once")
    parser.add_argument("--maps", type=int, help="of the network, in place of the experiment's own")
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    results = timing.circumstances() | {"decoders": {}}
    for decoder in ("pixelcnn", "gated_pixelcnn"):
        rows = results["decoders"][decoder] = {}
        for batch in asked.batches.split(","):
            rows[batch] = measure(decoder, int(batch), asked.repeats, asked.maps)
            print(f"{decoder}, {batch} images at once: {rows[batch]}", flush=True)
    if asked.out:
        timing.write(results, plot, asked.out, "code_network")


if __name__ == "__main__":
    main()
