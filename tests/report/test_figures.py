"""How curves, legends and walks through a code are laid out, and whose codes a map shows."""

import numpy as np
import pytest
from scipy.stats import norm

from experiments import digits_temporal_ensembling
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.metrics import BY_KEY
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.report import figures, plots


def test_a_curve_goes_where_all_its_seeds_were_evaluated():
    def drawn(*seeds):
        return plots.learning_curves({"P": {"C": [list(seed) for seed in seeds]}}, BY_KEY["error"])

    often, seldom = ((64, 0.5), (96, 0.1), (128, 0.3)), ((64, 0.4), (128, 0.2))
    assert drawn(often, seldom) == drawn((often[0], often[2]), seldom) != drawn(often, often)


def test_a_curve_whose_seeds_share_no_evaluation_is_left_out():
    apart = [[(64, 0.5)], [(128, 0.4)]]
    both = plots.learning_curves({"P": {"C": apart, "D": apart[:1]}}, BY_KEY["error"])
    assert len({plots.learning_curves({"P": {"C": apart}}, BY_KEY["error"]), both}) == 2


def test_a_legend_that_would_hide_the_curves_makes_the_picture_taller():
    def height(count):
        curves = {f"C{n}": [[(64, 0.5), (96, 0.1)]] for n in range(count)}
        return int.from_bytes(plots.learning_curves({"P": curves}, BY_KEY["error"])[20:24])  # of a PNG's header

    assert height(1) == height(6) < height(7) < height(9)


def test_a_walk_goes_along_the_quantiles_of_a_gaussian_code():
    """Rightwards along the first dimension, upwards along the second, as the code map's axes."""
    codes = figures.walk().reshape(10, 10, 2)
    right, up = norm.cdf(codes[..., 0]), norm.cdf(codes[..., 1])
    np.testing.assert_allclose(right, np.broadcast_to(np.linspace(0.05, 0.95, 10), (10, 10)), atol=1e-6)
    np.testing.assert_allclose(up, right.T[::-1], atol=1e-6)


def test_a_map_of_codes_wants_an_encoder():
    config = registry.from_dict(digits_temporal_ensembling.get_config())
    method = registry.make(config, DataSpec((8, 8, 1), 10, 1197, 100))
    with pytest.raises(InputError, match="^cell ours/a: has no codes of images: must have an encoder$"):
        figures.check_cell("codes", "ours/a", True, config.data, method, None)
