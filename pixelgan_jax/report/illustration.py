"""What the report's pictures show of a trained model."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from sklearn.manifold import TSNE

from pixelgan_jax.data.randomness import Stream, example_keys, fold
from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation.measures import measure
from pixelgan_jax.methods.autoencoder import priors, sampling
from pixelgan_jax.methods.autoencoder.model import Model, encode
from pixelgan_jax.methods.autoencoder.state import TrainState
from pixelgan_jax.report.pictures import GROUND, Pictures

SHOWN = 40  # reconstructions
ROW = 10  # samples of a cluster or class
COMPLETED, ENDINGS = 8, 6  # images that are completed from their upper half, each that often
MAPPED = 2000  # codes in the map


def illustrate(model: Model, state: TrainState, validation: Split, over: Mesh) -> Pictures:
    """Samples, reconstructions, a row for each cluster or class, completions, and codes: what applies, drawn as
    `sample` says.

    Averaged parameters; real images come from the validation split, so the test split stays unseen.
    """
    config, (height, width, _) = model.config, model.shape
    categories, dimensions = priors.sizes(config.prior)
    shown = validation.images[:SHOWN]
    from_prior, own = _codes(model, state, shown)
    # a deterministic decoder does not look at what is there already
    completed = shown[: 0 if config.model.decoder == "deconv" else COMPLETED]
    begun = np.repeat(completed, ENDINGS, axis=0)
    # one request for all of them: the sampler is compiled once
    codes = np.concatenate([from_prior, own, np.repeat(own[: len(completed)], ENDINGS, axis=0)])
    given = np.concatenate([np.zeros((len(codes) - len(begun), *model.shape), np.uint8), begun])
    known = np.repeat([0, height // 2 * width], [len(codes) - len(begun), len(begun)]).astype(np.int32)
    settings = config.sample
    drawn, passes = sampling.sample(
        *(model, state.ema["decoder"], codes, over),
        *(settings.seed, settings.method, settings.temperature, given, known),
    )
    if settings.method in ("fixed_point", "oracle"):
        print(f"sampling: {len(codes)} images took {passes} passes of the decoder", flush=True)
    ends = np.cumsum([config.sample.count, categories * ROW, len(shown)])
    samples, by_category, reconstructions, endings = np.split(drawn, ends)
    pictures = Pictures(samples=samples, completions=_completions(completed, endings))
    if not model.width:
        return pictures
    if categories:
        kind = "class" if config.data.labels else "cluster"
        pictures = pictures._replace(rows=by_category.reshape(categories, ROW, *model.shape), row_kind=kind)
    return pictures._replace(
        originals=shown,
        reconstructions=reconstructions,
        gaussian_prior=dimensions == 2,
        **_code_map(model, state, validation, over),
    )


def _codes(model: Model, state: TrainState, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the prior, `sample.count` and then ROW of every category, and the images' own, [*, D] each."""
    config = model.config
    categories, _ = priors.sizes(config.prior)
    count, rows = config.sample.count, categories * ROW
    key = fold(jax.random.key(config.sample.seed), Stream.SAMPLING, Stream.PRIOR)
    keys = example_keys(key, jnp.arange(count + rows + SHOWN))
    codes = np.array(priors.sample(config.prior, keys[: count + rows]))
    codes[count:, :categories] = np.repeat(np.eye(categories), ROW, axis=0)
    keys = keys[count + rows :][: len(images)]
    posterior, _ = encode(model, state.ema["encoder"], state.ema_stats["encoder"], images, keys)
    return codes, np.asarray(priors.soft_code(posterior, keys))


def _completions(completed: np.ndarray, endings: np.ndarray) -> np.ndarray | None:
    """A row for each image: itself, its upper half, the endings drawn: [K, 2 + ENDINGS, H, W, C]."""
    if not len(completed):
        return None
    begun = completed.copy()
    begun[:, completed.shape[1] // 2 :] = GROUND
    endings = endings.reshape(len(completed), ENDINGS, *completed.shape[1:])
    return np.concatenate([completed[:, None], begun[:, None], endings], axis=1)


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
