"""What a trained model says of single images: their class or cluster, their code, their likelihood."""

import math

import numpy as np

from pixelgan_jax.evaluation.measures import decoded_at_once, nats_function
from pixelgan_jax.evaluation.trained import MAPPED, Trained, evaluation_keys, rows


def predict(trained: Trained, images: np.ndarray, start: int = 0) -> dict[str, np.ndarray]:
    """Of images uint8 [N, H, W, C], scaled already, what the method can say: "category" int32 [N], the most probable
    class or cluster, and its "probability" [N]; "code" float32 [N, D], that of `encode`; "log_prob_nats" [N],
    log p(x | z) of a draw z of q(z | x); "negative_elbo_nats" [N], its negative and KL(q(z | x) ‖ p(z)), where that is
    known; "bits_per_dim" [N], the same, or without a code -log p(x), over H·W·C·ln 2. The means of the last two over a
    split are those of results.json, but for other draws.

    start: the number of the first image in a longer row of them; their draws follow from their numbers.
    """
    method = trained.method
    keys = evaluation_keys(0, len(images), start)
    inferred = rows(trained, method.infer, (images, keys))
    found: dict[str, np.ndarray] = {}
    if inferred["log_probabilities"].shape[1]:
        found["category"] = inferred["log_probabilities"].argmax(axis=1).astype(np.int32)
        found["probability"] = np.exp(inferred["log_probabilities"].max(axis=1))
    if method.encode is not None and method.code.width:
        found["code"] = rows(trained, method.encode, (images, keys))
    if method.log_prob is not None:
        batch = decoded_at_once(method, MAPPED)
        nats = rows(trained, nats_function(method), (images, keys, inferred["code"]), batch)
        found["log_prob_nats"] = -nats
        if method.kl_to_prior:
            nats = found["negative_elbo_nats"] = nats + method.kl_to_prior(inferred)
        if method.kl_to_prior or not method.code.width:
            found["bits_per_dim"] = nats / (math.prod(method.shape) * math.log(2))
    return found
