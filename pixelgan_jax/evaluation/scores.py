"""Numbers for what the eye sees in samples: do they look like one of the classes, and are their edges sharp?

Shapes: N images uint8 [N, H, W, C].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import correlate
from scipy.special import xlogy
from sklearn.neural_network import MLPClassifier

SCORED = 1000  # samples that the numbers are computed on
ROW = 100  # of every category, where they are computed on rows
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float64)


def classifier(images: np.ndarray, labels: np.ndarray) -> MLPClassifier:
    """A network with one hidden layer, trained on images [N, H, W, C] until a held-out tenth gets no better."""
    model = MLPClassifier((256,), early_stopping=True, n_iter_no_change=5, max_iter=1000, random_state=0)
    return model.fit(_flat(images), labels)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / 255.0


def error(judge: MLPClassifier, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images that the classifier takes for another class than their label's."""
    return float((judge.predict(_flat(images)) != labels).mean())


def score(judge: MLPClassifier, images: np.ndarray) -> dict[str, float | list[float]]:
    """Means over the images. Global structure: the classifier's `confidence` (largest probability) and `entropy_nats`.
    Local structure: `sharpness`. And what they are images of: the share of every class, and `rarest_class`, the least.
    """
    probabilities = judge.predict_proba(_flat(images)).astype(np.float64)
    shares = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(images)
    return {
        "confidence": float(probabilities.max(axis=1).mean()),
        "entropy_nats": float(-xlogy(probabilities, probabilities).sum(axis=1).mean()),
        "sharpness": sharpness(images),
        "rarest_class": float(shares.min()),
        "class_shares": shares.tolist(),
    }


def score_rows(judge: MLPClassifier, rows: Sequence[np.ndarray], asked: Sequence[int] = ()) -> dict[str, float]:
    """Means over rows of samples [M, H, W, C], each of one cluster, or of the class `asked` of it. Content:
    `row_purity`, the share that the classifier takes for the row's commonest class, and of classes `read_as_asked`, the
    share that it takes for that one. Style: `row_variance` of a pixel in [0, 1], and `sharpness`.
    """
    read = [judge.predict(_flat(row)) for row in rows]
    found = {
        "row_purity": np.mean([np.unique(each, return_counts=True)[1].max() / len(each) for each in read]),
        "row_variance": np.mean([(row / 255.0).var(axis=0).mean() for row in rows]),
        "sharpness": np.mean([sharpness(row) for row in rows]),
    }
    if len(asked):
        found["read_as_asked"] = np.mean([(each == label).mean() for each, label in zip(read, asked, strict=True)])
    return {name: float(value) for name, value in found.items()}


def sharpness(images: np.ndarray) -> float:
    """Variance of the Laplacian of an image with pixels in [0, 1], mean over images and channels.

    Second differences tell a ramp from a step; first differences add up to the same over both.
    """
    second = correlate(images.astype(np.float64) / 255.0, LAPLACIAN[None, :, :, None], mode="nearest")
    return float(second.var(axis=(1, 2)).mean())
