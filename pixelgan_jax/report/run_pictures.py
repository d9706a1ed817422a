"""What the report's pictures show of a trained model."""

from typing import Any

import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation.measures import measure
from pixelgan_jax.evaluation.trained import Trained, draw, evaluation_keys, prior_codes, rows
from pixelgan_jax.report.pictures import GROUND, MISTAKES, Explored, Pictures

SHOWN = 40  # reconstructions
ROW = 10  # samples of a cluster or class
COMPLETED, ENDINGS = 8, 6  # images that are completed from their upper half, each that often
EMBEDDED = 2000  # codes in the map
EXPLORED = 500  # images whose reconstruction can be looked at, beside the mistakes that are shown
MOST_BYTES = 2 << 20  # of all the images in explore.html
PLANE = 21  # samples a side of a 2-D Gaussian code, over 3 standard deviations to either side
PLANE_AT = np.linspace(-3, 3, PLANE)


def illustrate(trained: Trained, validation: Split) -> Pictures:
    """Samples, reconstructions, a row for each cluster or class, completions, and codes: what the method can draw, as
    `sample` of the configuration says; and single images to explore.

    Averaged parameters; real images come from the validation split, so the test split stays unseen.
    """
    shown = _shown(validation)
    found = measure(trained, shown, decode=False)
    seen = _seen(trained, shown, len(validation.images), found)._replace(**_code_map(trained, found))
    pictures = Pictures(seen) if trained.method.draw is None else _drawn(trained, seen)
    return pictures._replace(gaussian_prior=trained.method.code.dimensions == 2)


def _shown(validation: Split) -> Split:
    """As many images as are mapped, fewer where they are large: the first, but where these lack a class."""
    count = max(1, min(EMBEDDED, MOST_BYTES // validation.images[0].size))
    whole = np.unique(validation.labels)
    all_there = len(np.unique(validation.labels[:count])) == len(whole)
    return validation.at(slice(count) if all_there else _spread(len(validation.images), count))


def _spread(whole: int, count: int) -> np.ndarray:
    """At most `count` of so many indices, evenly: files may lie class by class."""
    return np.linspace(0, whole, min(whole, count), endpoint=False).astype(int)


def _seen(trained: Trained, shown: Split, whole: int, found: dict[str, np.ndarray]) -> Explored:
    """The images, of so many, with their labels, and classes or clusters where there are any."""
    log_q, config = found["log_probabilities"], trained.config
    classes = trained.cluster_classes
    seen = Explored(shown.images, whole, shown.labels, trained.names, shown.files, cluster_classes=classes)
    if not log_q.shape[1]:
        return seen
    categories, kind = log_q.argmax(axis=1), "class" if config.data.labels else "cluster"
    return seen._replace(
        categories=categories, probabilities=np.exp(log_q.max(axis=1)), kind=kind, category_count=log_q.shape[1]
    )


def _drawn(trained: Trained, seen: Explored) -> Pictures:
    config, method, (height, width, _) = trained.config, trained.method, trained.method.shape
    categories = method.code.categories
    # the slow samplers, which somebody asks for to look at them, draw fewer
    slow = config.sample.method in ("fixed_point", "oracle")
    first = min(SHOWN if slow else EXPLORED, len(seen.images))
    reconstructed = np.union1d(np.arange(first), seen.wrong()[:MISTAKES])
    shown = seen.images[reconstructed]
    from_prior, own = _codes(trained, shown)
    plane = _plane(trained)
    at = _spread(first, COMPLETED if method.completes else 0)
    completed = shown[at]
    begun = np.repeat(completed, ENDINGS, axis=0)
    of_begun = own[at] if method.code.width else np.zeros((len(completed), 0), np.float32)
    # one request for all of them: the sampler is compiled once
    codes = np.concatenate([from_prior, own, plane, np.repeat(of_begun, ENDINGS, axis=0)])
    given = np.concatenate([np.zeros((len(codes) - len(begun), *method.shape), np.uint8), begun])
    known = np.repeat([0, height // 2 * width], [len(codes) - len(begun), len(begun)]).astype(np.int32)
    settings = config.sample
    drawn = draw(trained, codes, settings.seed, settings.method, settings.temperature, given, known)
    ends = np.cumsum([settings.count, categories * ROW, len(own), len(plane)])
    samples, by_category, reconstructions, on_plane, endings = np.split(drawn, ends)
    pictures = Pictures(seen, samples=samples, completions=_completions(completed, endings))
    if len(plane):
        seen = seen._replace(plane=on_plane.reshape(PLANE, PLANE, *method.shape), plane_at=PLANE_AT)
    if categories:
        seen = seen._replace(rows=by_category.reshape(categories, ROW, *method.shape))
    if len(own):
        at = _spread(first, SHOWN)
        pictures = pictures._replace(originals=shown[at], reconstructions=reconstructions[at])
        seen = seen._replace(reconstructions=reconstructions, reconstructed=reconstructed)
    return pictures._replace(explored=seen)


def _plane(trained: Trained) -> np.ndarray:
    """Codes [G · G, 2] on a grid over a 2-D Gaussian prior; none for any other."""
    code = trained.method.code
    if code.categories or code.dimensions != 2:
        return np.zeros((0, code.width), np.float32)
    return np.stack(np.meshgrid(PLANE_AT, PLANE_AT, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def _codes(trained: Trained, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the prior, `sample.count` and then ROW of every category, and the images' own, [*, D] each."""
    settings, method = trained.config.sample, trained.method
    count, drawn = settings.count, method.code.categories * ROW
    codes = prior_codes(trained, settings.seed, count + drawn)
    codes[count:, : method.code.categories] = np.repeat(np.eye(method.code.categories), ROW, axis=0)
    if method.encode is None or not method.code.width:
        return codes, codes[:0]
    return codes, rows(trained, method.encode, (images, evaluation_keys(trained.config.train.seed, len(images))))


def _completions(completed: np.ndarray, endings: np.ndarray) -> np.ndarray | None:
    """A row for each image: itself, its upper half, the endings drawn: [K, 2 + ENDINGS, H, W, C]."""
    if not len(completed):
        return None
    begun = completed.copy()
    begun[:, completed.shape[1] // 2 :] = GROUND
    endings = endings.reshape(len(completed), ENDINGS, *completed.shape[1:])
    return np.concatenate([completed[:, None], begun[:, None], endings], axis=1)


def _code_map(trained: Trained, found: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fields of Explored: codes of images in two dimensions, a 2-D continuous part itself, otherwise their t-SNE
    embedding, and what the axes are called."""
    code, continuous = trained.method.code, found["code"][:, trained.method.code.categories :]
    if code.dimensions == 2:
        return {"codes": continuous}
    what, values = ("z", continuous) if code.dimensions else ("log q(z | x)", found["log_probabilities"])
    if not values.shape[1] or len(values) < 5:  # nothing to embed, or too few
        return {}
    embedding = TSNE(perplexity=min(30.0, (len(values) - 1) / 3), init="random", random_state=0)
    axes = (f"t-SNE of {what}: first coordinate", f"t-SNE of {what}: second coordinate")
    # its threads meet several times an iteration and spin till the last is there: ten times slower where a core is busy
    with threadpool_limits(1):
        codes = embedding.fit_transform(values)
    return {"codes": codes, "code_axes": axes}
