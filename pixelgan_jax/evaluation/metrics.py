"""The table of metrics: what every number that a run reports is called and means, its unit, and which way is better.

Keys are those on disk: of results.json (a split's), of metrics.jsonl (where `validation_` stands before a split's), and
of a figure's JSON. The printed lines, the report, its curves, tables in Markdown and docs/metrics.md take the rest from
here. A key means the same for every method: what a method computes in another way has another key. A key that is not in
the table is shown by itself where it is a split's.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

VALIDATION = "validation_"  # in metrics.jsonl stands before the key of a metric of the validation split


class Metric(NamedTuple):
    """unit: "%" (of a fraction), "nats" (of an image), "bits", "images", "clusters" or ""; `number` says how each is
    written. better: "smaller", "larger", or "" where neither is. panel and curve: where the training curves show it,
    and how its curve is called there beside others. equilibrium: where a loss lies while prior and code cannot be told
    apart, and how that is written."""

    key: str
    title: str
    unit: str
    better: str
    meaning: str
    panel: str = ""
    curve: str = ""
    equilibrium: tuple[float, str] | None = None


_ERRORS, _CODE, _AGREEMENT = "Validation error", "Validation: code, nats", "Validation: clusters and labels"
_ADVERSARIAL = "Adversarial losses, nats"
_ENTROPIES = "Entropies of p(y|x), nats"
_RECONSTRUCTION = "Reconstruction, nats per image"
_DEVIATION = "Validation: code, largest deviation from the prior"

# of a split, in results.json
SPLIT = (
    Metric("examples", "Images", "images", "", "in the split"),
    Metric("labelled_examples", "Images with labels", "images", "",
           "where only some have one: errors, NMI and ARI are of these"),
    Metric("error", "Classification error", "%", "smaller",
           "images whose most probable class is not their label", _ERRORS, "classification"),
    Metric("cluster_error_best_example", "Cluster error, best example", "%", "smaller",
           "the paper’s rule: a cluster takes the label of the validation image that is most surely its own",
           _ERRORS, "clusters, best example"),
    Metric("cluster_error_majority", "Cluster error, majority", "%", "smaller",
           "a cluster takes the commonest label of its validation images", _ERRORS, "clusters, majority"),
    Metric("cluster_error_hungarian", "Cluster error, one-to-one", "%", "smaller",
           "the best matching of clusters to classes on validation images", _ERRORS, "clusters, one-to-one"),
    Metric("clusters_used", "Clusters used", "clusters", "",
           "clusters that some image of the split belongs to", "Validation: clusters used"),
    Metric("nmi", "Normalised mutual information", "", "larger",
           "of cluster and label: 0 unrelated, 1 the same partition", _AGREEMENT, "NMI"),
    Metric("ari", "Adjusted Rand index", "", "larger",
           "of cluster and label: 0 as by chance, 1 the same partition", _AGREEMENT, "ARI"),
    Metric("reconstruction_nats", "Reconstruction", "nats", "smaller",
           "E[−log p(x|z)] of an image, z from its own q(z|x)", _RECONSTRUCTION),
    Metric("shuffled_code_nats", "Reconstruction, codes shuffled", "nats", "",
           "the same with another image’s code: no higher means that the decoder ignores its code",
           _RECONSTRUCTION, "codes shuffled"),
    Metric("marginal_kl_nats", "KL(q(z)‖p(z))", "nats", "smaller",
           "how far the codes of all images together are from the prior; 0: they match", _CODE, "KL(q(z)‖p(z))"),
    Metric("mutual_information_nats", "I(z; x)", "nats", "",
           "what the code says about its image; training leaves it out", _CODE, "I(z; x)"),
    Metric("negative_elbo_nats", "Negative ELBO", "nats", "smaller",
           "reconstruction + KL + I; −log p(x) is at most this", "Validation: negative ELBO, nats per image"),
    Metric("importance_weighted_nats", "−log p(x), importance-weighted", "nats", "smaller",
           "by `train.importance_draws` codes of q(z|x), weighted, or all categories: in expectation at least"
           " −log p(x) and at most the negative ELBO"),
    Metric("bits_per_dim", "Bits per dimension", "bits", "smaller",
           "the negative ELBO, or −log p(x) without a code, over H·W·C·ln 2", "Validation: bits per dimension"),
    Metric("code_mean", "Mean of the code", "", "",
           "entry by entry; the prior has 0, or a category’s share s, 1/K where all are alike"),
    Metric("code_sd", "Standard deviation of the code", "", "",
           "likewise; the prior has 1, or √(s(1 − s)) for a category"),
)  # fmt: skip

# only in metrics.jsonl: losses of a step; of the validation split, how far code_mean and code_sd are from the prior's
LOGGED = (
    Metric("discriminator_loss", "Discriminator loss", "nats", "", f"at equilibrium ln 4 = {math.log(4):.3f}",
           _ADVERSARIAL, "discriminator", (math.log(4), "ln 4")),
    Metric("generator_loss", "Generator loss", "nats", "", f"at equilibrium ln 2 = {math.log(2):.3f}",
           _ADVERSARIAL, "generator", (math.log(2), "ln 2")),
    Metric("generator_view_information_nats", "Information of two views", "nats", "larger",
           "of their categorical codes, by a moving average; at most ln K", "Information of two views, nats"),
    Metric("code_loss", "−log Q(c|x) of generated images", "nats", "smaller",
           "how surely a code is read off its image, but for a constant", "−log Q(c|x) of generated images, nats"),
    Metric("conditional_entropy", "Entropy of p(y|x)", "nats", "smaller",
           "mean over images of the data", _ENTROPIES, "of an image"),
    Metric("marginal_entropy", "Entropy of the mean p(y|x)", "nats", "larger",
           "at most ln K: all categories alike", _ENTROPIES, "of the mean"),
    Metric("generated_entropy", "Entropy of p(y|G)", "nats", "", "mean over generated images, to the discriminator",
           _ENTROPIES, "of a generated image"),
    Metric("generated_conditional_entropy", "Entropy of p(y|G), generator’s", "nats", "",
           "the same by the discriminator that has moved", _ENTROPIES, "that, to the generator"),
    Metric("generated_marginal_entropy", "Entropy of the mean p(y|G)", "nats", "larger",
           "at most ln K: all categories alike", _ENTROPIES, "of the mean of generated images"),
    Metric("classification_loss", "Classification loss", "nats", "smaller",
           "cross-entropy on labelled images", "Classification loss, nats"),
    Metric("consistency_loss", "Consistency loss", "", "",
           "mean squared distance of a prediction from its target", "Consistency of predictions"),
    Metric("consistency_weight", "Consistency weight", "", "", "of that distance in the loss", "Weight of consistency"),
    Metric("supervised_loss", "Supervised loss", "nats", "smaller",
           "cross-entropy on labelled images", "Supervised loss, nats"),
    *(Metric(f"{phase}_rate", f"Learning rate, {phase}", "", "", "of the phase’s step", "Learning rates", phase)
      for phase in ("reconstruction", "discriminator", "generator", "supervised", "classification")),
    Metric("code_mean_deviation", "Deviation of the code’s mean", "", "smaller",
           "from the prior’s, of the entry furthest off", _DEVIATION, "mean"),
    Metric("code_sd_ratio_deviation", "Deviation of the code’s standard deviation", "", "smaller",
           "from the prior’s, relative to it, of the entry furthest off",
           _DEVIATION, "s.d., relative"),
)  # fmt: skip

# of a run in a figure, or of real images beside it
FIGURE = (
    Metric("confidence", "Confidence", "", "larger",
           "of a classifier of real images in its most probable class of a sample"),
    Metric("entropy_nats", "Entropy", "nats", "smaller", "of that classifier’s classes of a sample"),
    Metric("sharpness", "Sharpness", "", "",
           "variance of a sample’s Laplacian, pixels in [0, 1]; to be held against real images’"),
    Metric("rarest_class", "Rarest class", "%", "larger",
           "samples of the class, by that classifier, that fewest are of"),
    Metric("class_shares", "Samples of each class", "%", "", "by that classifier"),
    Metric("read_as_asked", "Read as asked", "%", "larger",
           "samples of a class, by that classifier, that are of it"),
    Metric("row_purity", "Purity of rows", "%", "larger",
           "samples of a class or cluster, by that classifier, that are of the commonest class there"),
    Metric("row_variance_ratio", "Variance within rows over real", "", "",
           "of a pixel over samples of a class or cluster, over that within real images’ classes"),
    Metric("sharpness_ratio", "Sharpness over real", "", "",
           "variance of such a sample’s Laplacian, over that of real images"),
    Metric("classifier_error", "Classifier’s error", "%", "smaller", "that classifier’s on real test images"),
    Metric("knn_error", "k-NN error of the code", "%", "smaller",
           "of 5 nearest neighbours among the codes of the validation images"),
)  # fmt: skip

METRICS = (*SPLIT, *LOGGED, *FIGURE)
BY_KEY = {metric.key: metric for metric in METRICS}
VECTORS = ("code_mean", "code_sd", "class_shares")  # which are several numbers each

# What a run is told by first, in its last line, its report and a table: the first of these that it has. The clusters'
# is the paper's rule.
HEADLINES = ("error", "cluster_error_best_example", "bits_per_dim", "reconstruction_nats")
# what tells clusters and labels apart
OF_CLUSTERS = ("cluster_error_best_example", "cluster_error_majority", "cluster_error_hungarian", "clusters_used",
               "nmi", "ari")  # fmt: skip
# What the best checkpoint is chosen by, on validation; smaller is better. Clusters by majority: under the paper's rule
# one image names a whole cluster, so that it moves for other reasons than a better model. Bits per dimension, of a
# code its bound, since the reconstruction alone says nothing of the prior.
CHOSEN_BY = ("error", "cluster_error_majority", "bits_per_dim", "reconstruction_nats")


def first_of(keys: Iterable[str], metrics: dict[str, Any]) -> str | None:
    """The first of the keys that has a value among the metrics."""
    return next((key for key in keys if metrics.get(key) is not None), None)


def number(value: float, unit: str | None, sd: float | None = None) -> str:
    """A number as it is written, without its unit, and its standard deviation where there is one. The unit None is that
    of a number that the table does not know."""
    if unit in ("images", "clusters") and sd is None and value == round(value):
        value = round(value)  # the mean of equal counts
    factor, form = 100 if unit == "%" else 1, _format(value if sd is None else float(value), unit)
    return f"{value * factor:{form}}" + ("" if sd is None else f" ± {sd * factor:{form}}")


def as_text(key: str, value: float) -> str:
    """A metric of BY_KEY in a line of text; what is not a percentage has its unit in its key."""
    unit = BY_KEY[key].unit
    return f"{key} {number(value, unit)}" + (" %" if unit == "%" else "")


def _format(value: float, unit: str | None) -> str:
    """A format for numbers of this unit that are about as large as `value`; integers are exact, means are floats."""
    if unit in ("images", "clusters"):
        return ",d" if isinstance(value, int) else ",.1f"
    if unit == "nats":
        return ",.2f" if abs(value) >= 10 else "z.3f"
    default = "d" if isinstance(value, int) else ".4g"
    return {"%": ".2f", "bits": ".4f", "": "z.3f", "s": ",.0f"}.get(unit, default)
