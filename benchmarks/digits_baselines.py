"""What k-nearest neighbours and logistic regression make of the same labelled digits.

Run: python -m benchmarks.digits_baselines

Test error in % on the split of experiments/digits.py, mean and standard deviation over data.seed 0-4. Their
parameters (k, C) are chosen on the validation split, as the network's recipe was.
"""

import argparse
import dataclasses

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from experiments import digits
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split
from pixelgan_jax.methods.registry import from_dict

MODELS = {
    "k-nearest neighbours": [KNeighborsClassifier(k) for k in (1, 3, 5)],
    "logistic regression": [LogisticRegression(C=c, max_iter=10_000) for c in (0.01, 0.1, 1.0, 10.0)],
}


def error(model, part) -> float:
    """Test error in %."""
    return 100.0 * (1.0 - model.score(part.images.reshape(len(part.images), -1) / 255.0, part.labels))


def main() -> None:
    data = from_dict(digits.get_config()).data
    dataset = load(data)
    splits = [split(dataset, dataclasses.replace(data, seed=seed)) for seed in range(5)]
    for name, candidates in MODELS.items():
        errors = []
        for parts in splits:
            labelled = parts.train.at(parts.labelled)
            for model in candidates:
                model.fit(labelled.images.reshape(len(labelled.images), -1) / 255.0, labelled.labels)
            best = min(candidates, key=lambda model: error(model, parts.validation))
            errors.append(error(best, parts.test))
        each = ", ".join(f"{value:.2f}" for value in errors)
        print(f"{name}: {np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f} % ({each})")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
