"""What the report's pictures show of a trained model."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from sklearn.manifold import TSNE

from pixelgan_jax import prior as priors
from pixelgan_jax import sampling
from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation import measure
from pixelgan_jax.model import Model, encode
from pixelgan_jax.pictures import Pictures
from pixelgan_jax.randomness import Stream, example_keys, fold
from pixelgan_jax.state import TrainState

SHOWN = 40  # reconstructions
ROW = 10  # samples of a cluster or class
MAPPED = 2000  # codes in the map


def illustrate(model: Model, state: TrainState, validation: Split, over: Mesh) -> Pictures:
    """Samples, reconstructions, a row for each cluster or class, and codes: what applies, drawn with `sample.seed`.

    Averaged parameters; real images come from the validation split, so the test split stays unseen.
    """
    config = model.config
    categories, dimensions = priors.sizes(config.prior)
    key = fold(jax.random.key(config.sample.seed), Stream.SAMPLING, Stream.PRIOR)
    count, rows = config.sample.count, categories * ROW
    keys = example_keys(key, jnp.arange(count + rows + SHOWN))
    codes = np.array(priors.sample(config.prior, keys[: count + rows]))
    codes[count:, :categories] = np.repeat(np.eye(categories), ROW, axis=0)
    originals = validation.images[:SHOWN] if model.width else validation.images[:0]
    keys = keys[count + rows :][: len(originals)]
    posterior, _ = encode(model, state.ema["encoder"], state.ema_stats["encoder"], originals, keys)
    # one request for all of them: the sampler is compiled once
    codes = np.concatenate([codes, np.asarray(priors.soft_code(posterior, keys))])
    drawn = sampling.sample(model, state.ema["decoder"], codes, config.sample.seed)
    samples, by_category, reconstructions = np.split(drawn, [count, count + rows])
    pictures = Pictures(samples=samples)
    if not model.width:
        return pictures
    if categories:
        kind = "class" if config.data.labels else "cluster"
        pictures = pictures._replace(rows=by_category.reshape(categories, ROW, *model.shape), row_kind=kind)
    return pictures._replace(
        originals=originals,
        reconstructions=reconstructions,
        gaussian_prior=dimensions == 2,
        **_code_map(model, state, validation, over),
    )


def _code_map(model: Model, state: TrainState, validation: Split, over: Mesh) -> dict[str, Any]:
    """Codes of validation images in two dimensions: a 2-D Gaussian part itself, otherwise their t-SNE embedding."""
    shown = Split(validation.images[:MAPPED], validation.labels[:MAPPED])
    outputs = measure(model, state, shown, over, decode=False)
    categories, dimensions = priors.sizes(model.config.prior)
    continuous = outputs.code[:, categories:]
    if dimensions == 2:
        return {"codes": continuous, "code_labels": shown.labels}
    what, values = ("z", continuous) if dimensions else ("log q(z | x)", outputs.log_probabilities)
    if len(values) < 5:  # too few for an embedding
        return {}
    embedding = TSNE(perplexity=min(30.0, (len(values) - 1) / 3), init="random", random_state=0)
    axes = (f"t-SNE of {what}: first coordinate", f"t-SNE of {what}: second coordinate")
    return {"codes": embedding.fit_transform(values), "code_labels": shown.labels, "code_axes": axes}
