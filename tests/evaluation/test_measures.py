"""Metrics against values computed by hand, and against the batch size."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation import measures
from pixelgan_jax.evaluation.clusters import cluster_metrics
from pixelgan_jax.evaluation.trained import evaluation_keys, of_state
from pixelgan_jax.methods import priors
from pixelgan_jax.methods.method import Code
from pixelgan_jax.training import parallel
from tests import tiny


def log_one_hot(assigned, clusters, confidence):
    """log q [N, K] with `confidence` on the assigned cluster."""
    q = np.full((len(assigned), clusters), 0.0)
    q += ((1 - np.asarray(confidence)) / (clusters - 1))[:, None]
    q[np.arange(len(assigned)), assigned] = confidence
    return np.log(q)


def test_cluster_maps_are_fitted_on_validation_and_applied_to_the_split():
    # cluster 0: two 5s less sure than one 7; cluster 1: 5; cluster 2: nobody's, most probable for the last image
    fitted_labels = np.array([5, 5, 7, 5])
    fitted = log_one_hot([0, 0, 0, 1], 3, np.array([0.6, 0.7, 0.9, 0.8]))
    fitted[3, 2] = np.log(0.15)
    labels = np.array([5, 7, 5, 5])
    tested = log_one_hot([0, 0, 1, 2], 3, np.full(4, 0.9))
    found = cluster_metrics(tested, labels, fitted, fitted_labels, 8)
    # best example: 0 -> 7, 1 -> 5, 2 -> image 0 (q = 0.2)'s 5; majority: 0 -> 5, 1 -> 5, 2 -> its best example's 5
    assert found["cluster_error_best_example"] == 0.25
    assert found["cluster_error_majority"] == 0.25
    assert found["clusters_used"] == 3
    assert "cluster_error_hungarian" not in found


def test_best_example_and_majority_differ_where_the_surest_example_is_an_outlier():
    fitted = log_one_hot([0, 0, 0, 1], 2, np.array([0.6, 0.7, 0.9, 0.8]))
    tested, labels = log_one_hot([0, 0, 1], 2, np.full(3, 0.9)), np.array([0, 0, 1])
    found = cluster_metrics(tested, labels, fitted, np.array([0, 0, 1, 1]), 2)
    assert found["cluster_error_best_example"] == pytest.approx(2 / 3)
    assert found["cluster_error_majority"] == 0.0
    assert found["cluster_error_hungarian"] == 0.0
    assert found["nmi"] == pytest.approx(1.0) and found["ari"] == pytest.approx(1.0)


def test_the_best_example_is_the_surest_one_also_where_q_is_one_within_rounding():
    """By what is left to the other clusters; in any order of the images."""
    logits = np.array([[20.0, 0, 0], [40.0, 0, 0], [30.0, 0, 0], [0, 2.0, 1.0], [0, 1.0, 3.0]])
    fitted = np.float32(logits) - np.float32(np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    assert (fitted[:3, 0] == 0).all()
    labels, tested = np.array([1, 0, 1, 2, 3]), log_one_hot([0, 1, 2], 3, np.full(3, 0.9))
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [1, 3, 0, 4, 2]):
        found = cluster_metrics(tested, np.array([0, 2, 3]), fitted[order], labels[order], 4)
        assert found["cluster_error_best_example"] == 0.0


def test_clusters_of_as_many_classes_as_data_may_have():
    """Of which a table of classes by classes would hold 34 GB."""
    labels = np.array([0, 40_000, 65_535, 0])
    sorted_out = log_one_hot([0, 1, 2, 1], 3, np.full(4, 0.9))
    found = cluster_metrics(sorted_out, labels, sorted_out, labels, 65_536)
    assert found["cluster_error_majority"] == 0.25


def test_the_negative_elbo_is_reconstruction_and_both_terms_of_the_code():
    method = SimpleNamespace(
        information=lambda found: {"marginal_kl_nats": 0.5, "mutual_information_nats": 2.0},
        log_prob=True,
        code=Code(3, 0, matched=True),
        shape=(4, 5, 1),
    )
    found = measures._likelihood(method, {"nats": np.array([10.0, 14.0])})
    assert found["reconstruction_nats"] == 12.0 and found["negative_elbo_nats"] == 14.5
    assert found["bits_per_dim"] == pytest.approx(14.5 / 20 / np.log(2))


def test_hungarian_map_is_one_to_one():
    fitted = log_one_hot([0, 0, 0, 1, 1], 2, np.full(5, 0.9))
    labels = np.array([0, 0, 0, 0, 0])
    fitted_labels = np.array([0, 0, 1, 0, 0])  # both clusters' majority is 0
    tested = log_one_hot([0, 0, 1, 1, 1], 2, np.full(5, 0.9))
    found = cluster_metrics(tested, labels, fitted, fitted_labels, 2)
    assert found["cluster_error_majority"] == 0.0
    assert found["cluster_error_hungarian"] == pytest.approx(2 / 5)
    # as many clusters as there are classes, whichever of them are among these images
    assert "cluster_error_hungarian" not in cluster_metrics(tested, labels, fitted, fitted_labels, 3)
    three = [np.pad(each, ((0, 0), (0, 1)), constant_values=-np.inf) for each in (tested, fitted)]
    found = cluster_metrics(three[0], labels, three[1], fitted_labels, 3)
    assert found["cluster_error_hungarian"] == pytest.approx(2 / 5)


def rows_of(made, **arrays):
    """Rows as the method infers them; what is not given is of width 0, or of no account."""
    count = len(next(iter(arrays.values())))
    empty = np.zeros((count, 0))
    values = dict(log_probabilities=empty, mean=empty, log_sd=empty, code=np.zeros((count, made.method.code.width)))
    return values | arrays


def trained(made, devices=1):
    mesh = parallel.make_mesh(jax.devices()[:devices])
    return of_state(made.config, made.method, tiny.initial(made, mesh), mesh)


def test_the_priors_moments_are_those_of_its_samples():
    code = Code(3, 1, matched=True, frequencies=(10, 6, 4))
    drawn = measures.moments(np.asarray(priors.sample(code, jax.random.split(jax.random.key(0), 20_000))))
    mean, sd = measures.prior_moments(code)
    np.testing.assert_allclose(drawn["code_mean"], mean, atol=0.03)
    np.testing.assert_allclose(drawn["code_sd"], sd, atol=0.03)


@pytest.mark.parametrize(("frequencies", "prior"), [((), 0.5), ((9, 1), np.array([0.9, 0.1]))])
def test_categorical_information_by_hand(frequencies, prior):
    made = tiny.build(prior={"categories": 2, "frequencies": frequencies}, data={"labels": 0})
    q = np.array([[0.9, 0.1], [0.3, 0.7]])
    terms = made.method.information(rows_of(made, log_probabilities=np.log(q)))
    mean = q.mean(axis=0)
    marginal = np.sum(mean * np.log(mean / prior))
    total = np.mean(np.sum(q * np.log(q / prior), axis=1))
    assert terms["marginal_kl_nats"] == pytest.approx(marginal)
    assert terms["mutual_information_nats"] == pytest.approx(total - marginal)


def test_gaussian_information_is_exact_where_all_posteriors_are_one():
    """All q(z|x) the same N(1, 1/4): KL(q‖p) is analytic, and the code says nothing of the image."""
    made = tiny.build(prior={"name": "gaussian", "dimensions": 1}, model={"encoder": "gaussian"}, data={"labels": 0})
    count, sd = 4000, 0.5
    code = 1.0 + sd * np.random.RandomState(0).randn(count, 1)
    terms = made.method.information(
        rows_of(made, mean=np.ones((count, 1)), log_sd=np.full((count, 1), np.log(sd)), code=code)
    )
    exact = 0.5 * (1.0 + sd**2 - 1.0) - np.log(sd)
    assert terms["marginal_kl_nats"] == pytest.approx(exact, abs=0.05)
    assert terms["mutual_information_nats"] == pytest.approx(0.0, abs=0.05)


def test_gaussian_information_of_posteriors_far_apart():
    """Two narrow posteriors far apart: one bit of mutual information, ln 2; the mixture's density by scipy."""
    made = tiny.build(prior={"name": "gaussian", "dimensions": 1}, model={"encoder": "gaussian"}, data={"labels": 0})
    mean = np.tile([[-3.0], [3.0]], (1000, 1))
    code = mean + 0.1 * np.random.RandomState(0).randn(2000, 1)
    terms = made.method.information(rows_of(made, mean=mean, log_sd=np.full_like(mean, np.log(0.1)), code=code))
    assert terms["mutual_information_nats"] == pytest.approx(np.log(2), abs=0.1)
    density = 0.5 * (norm.pdf(code, -3, 0.1) + norm.pdf(code, 3, 0.1))
    assert terms["marginal_kl_nats"] == pytest.approx(np.mean(np.log(density) - norm.logpdf(code)), rel=1e-6)


@pytest.mark.parametrize(("spread", "off", "expected"), [(9.0, -0.3, np.log(50)), (0.0, 0.0, 0.0)])
def test_gaussian_information_is_at_least_0_and_at_most_the_logarithm_of_the_number_of_images(spread, off, expected):
    """Draws of 50 posteriors that lie otherwise than chance has them: the estimate would be 74 nats, and -0.5."""
    made = tiny.build(prior={"name": "gaussian", "dimensions": 1}, model={"encoder": "gaussian"}, data={"labels": 0})
    mean = spread * np.arange(50.0)[:, None]
    found = rows_of(made, mean=mean, log_sd=np.full_like(mean, np.log(0.1)), code=mean + off)
    terms = made.method.information(found)
    assert terms["mutual_information_nats"] == pytest.approx(expected)
    assert sum(terms.values()) == pytest.approx(made.method.kl_to_prior(found).mean())


@pytest.mark.parametrize(("frequencies", "shares"), [((), 0.5), ((9, 1), np.array([0.9, 0.1]))])
def test_product_information_adds_up_where_the_parts_are_independent(frequencies, shares):
    prior = {"name": "product", "categories": 2, "dimensions": 1, "frequencies": frequencies}
    made = tiny.build(prior=prior, model={"encoder": "gaussian"}, data={"labels": 0})
    count = 6000
    random = np.random.RandomState(1)
    q = np.tile([[0.75, 0.25]], (count, 1))
    one_hot = np.eye(2)[(random.rand(count) > 0.75).astype(int)]
    code = np.concatenate([one_hot, 0.5 * random.randn(count, 1)], axis=1)
    terms = made.method.information(
        rows_of(
            made,
            log_probabilities=np.log(q),
            mean=np.zeros((count, 1)),
            log_sd=np.full((count, 1), np.log(0.5)),
            code=code,
        ),
    )
    expected = np.sum(q[0] * np.log(q[0] / shares)) + 0.5 * (0.25 - 1.0) - np.log(0.5)
    assert terms["marginal_kl_nats"] == pytest.approx(expected, abs=0.05)
    assert terms["mutual_information_nats"] == pytest.approx(0.0, abs=0.05)


def test_a_categorical_codes_likelihood_is_the_sum_over_its_categories():
    made = tiny.build(prior={"categories": 3, "frequencies": (5, 3, 2)}, data={"labels": 0})
    model, images = trained(made), tiny.examples().images(np.arange(7))
    found = measures.measure(model, Split(images, np.full(7, -1)), importance_draws=1)
    levels, variables = made.method.targets(images, evaluation_keys(made.config.train.seed, 7)[:7]), model.variables
    log_prob = jax.jit(made.method.log_prob)
    each = [log_prob(variables, levels, np.tile(row, (7, 1))) for row in np.eye(3, dtype=np.float32)]
    exact = -logsumexp(np.log([0.5, 0.3, 0.2])[:, None] + np.sum(each, axis=(2, 3)), axis=0)
    np.testing.assert_allclose(found["importance_weighted_nats"], exact, rtol=1e-5)
    metrics = measures.summarise(model, found, np.full(7, -1), found, np.full(7, -1))
    assert metrics["importance_weighted_nats"] == pytest.approx(exact.mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "product"])
def test_importance_weights_integrate_a_continuous_code_out(name):
    """p(x | z) = N(a; z, s²) of one number a, so that p(x) = N(a; 0, 1 + s²): between it and the ELBO with one draw,
    at it with many. A product's category moves a by one, up or down."""
    prior = {"name": name, "dimensions": 1, "categories": 2}
    made = tiny.build(prior=prior, model={"encoder": "gaussian"}, data={"labels": 0})
    a, s, shifts = 0.7, 0.4, [0.0] if name == "gaussian" else [-1.0, 1.0]

    def log_prob(variables, levels, code):
        centre = code[:, -1] + (code[:, :-1] @ jnp.array(shifts) if name == "product" else 0.0)
        density = -0.5 * ((a - centre) / s) ** 2 - jnp.log(s) - 0.5 * jnp.log(2 * jnp.pi)
        return jnp.zeros(levels.shape[:3]).at[:, 0, 0].set(density)

    model = trained(made)._replace(method=made.method._replace(log_prob=log_prob))
    split = Split(tiny.examples().images(np.zeros(400, int)), np.full(400, -1))
    few, many = (
        measures.measure(model, split, importance_draws=draws)["importance_weighted_nats"] for draws in (1, 200)
    )
    exact = -np.log(np.mean([norm.pdf(a, shift, np.sqrt(1 + s**2)) for shift in shifts]))
    assert few.mean() > exact + 0.1
    assert many.mean() == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("changes", [{"prior": {"name": "none"}}, {"prior": {"name": "gaussian"}}])
def test_a_model_whose_code_has_no_density_has_no_proposals(changes):
    assert tiny.build(data={"labels": 0}, **changes).method.proposals is None


@pytest.mark.parametrize("encoder", ["deterministic", "noise"])
def test_continuous_codes_without_a_density_have_no_elbo(encoder):
    made = tiny.build(prior={"name": "gaussian"}, model={"encoder": encoder}, data={"labels": 0})
    given = rows_of(made, mean=np.zeros((3, 2)), log_sd=np.zeros((3, 2)), nats=np.ones(3), shuffled_nats=np.ones(3))
    metrics = measures.summarise(trained(made), given, np.zeros(3, int), given, np.zeros(3, int))
    assert not {"marginal_kl_nats", "mutual_information_nats", "negative_elbo_nats", "bits_per_dim"} & set(metrics)
    assert metrics["reconstruction_nats"] == 1.0 == metrics["shuffled_code_nats"]


def test_bits_per_dim_without_a_code_is_the_likelihood():
    made = tiny.build(prior={"name": "none"}, data={"labels": 0})
    given = rows_of(made, nats=np.full(3, 16 * np.log(2)))
    metrics = measures.summarise(trained(made), given, np.zeros(3, int), given, np.zeros(3, int))
    assert metrics == {
        "examples": 3,
        "reconstruction_nats": pytest.approx(16 * np.log(2)),
        "bits_per_dim": pytest.approx(1.0),
    }


def test_metrics_do_not_depend_on_the_batch_size_or_the_devices():
    made = tiny.build()
    images, labels = tiny.examples().images(np.arange(37)), np.arange(37) % 10
    split, results = Split(images, labels), []
    for devices, size in ((1, 37), (1, 5), (8, 16)):
        model = trained(made, devices)
        found = measures.measure(model, split, batch=size)
        assert len(found["nats"]) == 37 and len(found["code"]) == 37
        results.append((found, measures.summarise(model, found, labels, found, labels)))
    (reference, metrics), *others = results
    assert metrics["examples"] == 37 and metrics["shuffled_code_nats"] != metrics["reconstruction_nats"]
    for found, other in others:
        assert np.array_equal(found["code"], reference["code"])
        np.testing.assert_allclose(found["nats"], reference["nats"], rtol=1e-5)
        assert other.keys() == metrics.keys()
        for name, value in metrics.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("shape", "levels", "images"),
    [((28, 28, 1), 2, 500), ((28, 28, 1), 256, 500), ((64, 64, 1), 256, 128), ((1024, 1024, 3), 256, 1)],
)
def test_large_images_of_many_levels_are_decoded_fewer_at_once(shape, levels, images):
    """So that their parameters take at most half a GiB: 4 bytes for each level of each pixel."""
    method = tiny.build().method._replace(shape=shape, levels=levels)
    assert measures.decoded_at_once(method, 500) == images


def test_images_without_labels_count_in_no_error_but_are_examples():
    """Of four images, of which two have labels, one of these wrongly told; and none where nobody has one."""
    made = tiny.build()
    trained = of_state(made.config, made.method, tiny.initial(made, parallel.make_mesh(jax.devices()[:1])), None)
    told = np.log(np.eye(10)[[0, 1, 2, 3]] + 1e-9)
    found = {"log_probabilities": told, "code": np.eye(10)[[0, 1, 2, 3]]}
    labels = np.array([0, 5, -1, -1])
    metrics = measures.summarise(trained, found, labels, found, labels)
    assert (metrics["examples"], metrics["labelled_examples"]) == (4, 2)
    assert metrics["error"] == 0.5 and metrics["cluster_error_majority"] == 0.0
    nobody = measures.summarise(trained, found, np.full(4, -1), found, np.full(4, -1))
    assert nobody["clusters_used"] == 4 and not any("error" in key or key in ("nmi", "ari") for key in nobody)
