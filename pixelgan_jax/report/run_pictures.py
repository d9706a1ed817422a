"""What the report's pictures show of a trained model."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.manifold import TSNE

from pixelgan_jax.data.randomness import Stream, example_keys, fold
from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation.measures import measure
from pixelgan_jax.evaluation.trained import Trained, draw
from pixelgan_jax.report.pictures import GROUND, Pictures

SHOWN = 40  # reconstructions
ROW = 10  # samples of a cluster or class
COMPLETED, ENDINGS = 8, 6  # images that are completed from their upper half, each that often
MAPPED = 2000  # codes in the map


def illustrate(trained: Trained, validation: Split) -> Pictures:
    """Samples, reconstructions, a row for each cluster or class, completions, and codes: what the method can draw, as
    `sample` of the configuration says.

    Averaged parameters; real images come from the validation split, so the test split stays unseen.
    """
    pictures = Pictures() if trained.method.draw is None else _drawn(trained, validation)
    return pictures._replace(gaussian_prior=trained.method.code.dimensions == 2, **_code_map(trained, validation))


def _drawn(trained: Trained, validation: Split) -> Pictures:
    config, method, (height, width, _) = trained.config, trained.method, trained.method.shape
    categories = method.code.categories
    shown = validation.images[:SHOWN]
    from_prior, own = _codes(trained, shown)
    completed = shown[: COMPLETED if method.completes else 0]
    begun = np.repeat(completed, ENDINGS, axis=0)
    # one request for all of them: the sampler is compiled once
    codes = np.concatenate([from_prior, own, np.repeat(own[: len(completed)], ENDINGS, axis=0)])
    given = np.concatenate([np.zeros((len(codes) - len(begun), *method.shape), np.uint8), begun])
    known = np.repeat([0, height // 2 * width], [len(codes) - len(begun), len(begun)]).astype(np.int32)
    settings = config.sample
    drawn, passes = draw(trained, codes, settings.seed, settings.method, settings.temperature, given, known)
    if settings.method in ("fixed_point", "oracle"):
        print(f"sampling: {len(codes)} images took at most {passes.max()} passes of the decoder", flush=True)
    ends = np.cumsum([settings.count, categories * ROW, len(own)])
    samples, by_category, reconstructions, endings = np.split(drawn, ends)
    pictures = Pictures(samples=samples, completions=_completions(completed, endings))
    if categories:
        kind, names = ("class", trained.names) if config.data.labels else ("cluster", ())
        rows = by_category.reshape(categories, ROW, *method.shape)
        pictures = pictures._replace(rows=rows, row_kind=kind, row_names=[name[:20] for name in names])
    if len(own):
        pictures = pictures._replace(originals=shown, reconstructions=reconstructions)
    return pictures


def _codes(trained: Trained, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the prior, `sample.count` and then ROW of every category, and the images' own, [*, D] each."""
    settings, method = trained.config.sample, trained.method
    count, rows = settings.count, method.code.categories * ROW
    key = fold(jax.random.key(settings.seed), Stream.SAMPLING, Stream.PRIOR)
    keys = example_keys(key, jnp.arange(count + rows + SHOWN))
    codes = np.array(method.prior(keys[: count + rows]))
    codes[count:, : method.code.categories] = np.repeat(np.eye(method.code.categories), ROW, axis=0)
    if method.encode is None or not method.code.width:
        return codes, codes[:0]
    own = method.encode(trained.variables, images, keys[count + rows :][: len(images)])
    return codes, np.asarray(own)


def _completions(completed: np.ndarray, endings: np.ndarray) -> np.ndarray | None:
    """A row for each image: itself, its upper half, the endings drawn: [K, 2 + ENDINGS, H, W, C]."""
    if not len(completed):
        return None
    begun = completed.copy()
    begun[:, completed.shape[1] // 2 :] = GROUND
    endings = endings.reshape(len(completed), ENDINGS, *completed.shape[1:])
    return np.concatenate([completed[:, None], begun[:, None], endings], axis=1)


def _code_map(trained: Trained, validation: Split) -> dict[str, Any]:
    """Codes of validation images in two dimensions: a 2-D continuous part itself, otherwise their t-SNE embedding."""
    shown = Split(validation.images[:MAPPED], validation.labels[:MAPPED])
    labels = shown.labels if shown.labels.max() >= 0 else None
    found = measure(trained, shown, decode=False)
    code, continuous = trained.method.code, found["code"][:, trained.method.code.categories :]
    if code.dimensions == 2:
        return {"codes": continuous, "code_labels": labels}
    what, values = ("z", continuous) if code.dimensions else ("log q(z | x)", found["log_probabilities"])
    if not values.shape[1] or len(values) < 5:  # nothing to embed, or too few
        return {}
    embedding = TSNE(perplexity=min(30.0, (len(values) - 1) / 3), init="random", random_state=0)
    axes = (f"t-SNE of {what}: first coordinate", f"t-SNE of {what}: second coordinate")
    return {"codes": embedding.fit_transform(values), "code_labels": labels, "code_axes": axes}
