"""How curves, legends and walks through a code are laid out, and whose codes a map shows."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from experiments import digits_temporal_ensembling
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation.metrics import BY_KEY
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.report import figures, pictures, plots


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


def test_a_tables_curves_are_in_the_order_of_its_rows_and_say_a_cells_note(monkeypatch):
    """A panel a row, or with one column all rows in one."""
    drawn = []
    monkeypatch.setattr(plots, "learning_curves", lambda *told: drawn.append(told) or b"png")
    cells = [{"name": name, "runs": [{"curve": [[64, 0.5]]}, {}]} for name in ("b/x", "a/x", "a/y")]
    told = {"cells": cells, "rows": {"a": "A", "b": "B"}, "columns": {"x": "X", "y": "Y"}, "notes": {"b/x": "few"}}
    assert plots.table_curves(told) == b"png"
    plots.table_curves(told | {"cells": cells[:2], "headlines": ["nmi"]})
    curve = [[[64, 0.5]]]
    assert drawn == [
        (
            {"A": {"X": curve, "Y": curve}, "B": {"X": curve}},
            BY_KEY["error"],
            {("A", "X"): "", ("A", "Y"): "", ("B", "X"): "few"},
        ),
        ({"X": {"A": curve, "B": curve}}, BY_KEY["nmi"], {("X", "A"): "", ("X", "B"): "few"}),
    ]
    assert list(drawn[0][0]) == ["A", "B"] and plots.table_curves(told | {"cells": []}) is None


def test_a_curve_has_its_colour_in_every_panel_and_its_note_in_the_legend(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "figure_png", drawn.append)
    curve = [[(64, 0.5), (128, 0.4)]]
    plots.learning_curves({"A": {"X": curve, "Y": curve}, "B": {"Y": curve}}, BY_KEY["error"], {("B", "Y"): "few"})
    first, second = (axes.get_lines() for axes in drawn[0].axes)
    assert [line.get_label() for line in (*first, *second)] == ["X", "Y", "Y (few)"]
    assert first[0].get_color() != first[1].get_color() == second[0].get_color()


def test_the_axes_of_errors_alone_are_logarithmic_and_say_what_stands_there(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "figure_png", drawn.append)
    for key in ("error", "reconstruction_nats"):
        plots.learning_curves({"P": {"C": [[(64, 0.0012), (128, 0.003)]]}}, BY_KEY[key])
    error, nats = (figure.axes[0] for figure in drawn)
    assert (error.get_yscale(), nats.get_yscale()) == ("log", "linear")
    assert error.yaxis.get_major_formatter()(0.0015) == "0.15 %"


def test_maps_of_codes_have_one_scale_and_hide_no_label_behind_another(monkeypatch):
    """Two labels at the same places: the picture has points of both on top."""
    drawn = []
    monkeypatch.setattr(plots, "figure_png", drawn.append)
    codes, labels = np.zeros((400, 2)), np.arange(2).repeat(200)
    plots.code_maps([plots.Map("a", codes, labels, True), plots.Map("b", 9 + codes, labels, True)])
    first, second = drawn[0].axes
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()
    last = first.collections[0].get_facecolors()[-40:]
    assert len(np.unique(last, axis=0)) == 2


def test_codes_on_a_triangle_are_moved_a_little_and_have_its_sides():
    corner = plots.Map("a", np.zeros((9, 2)), np.arange(9) % 3, False, figures.CORNERS)
    with pytest.MonkeyPatch.context() as patch:
        drawn = []
        patch.setattr(plots, "figure_png", drawn.append)
        plots.code_maps([corner])
    (axes,) = drawn[0].axes
    points = np.asarray(axes.collections[0].get_offsets())
    assert len(np.unique(points, axis=0)) == 9 and np.abs(points).max() <= plots.JITTER
    np.testing.assert_array_equal(axes.patches[0].get_xy()[:3], figures.CORNERS)


def test_a_gallery_resizes_no_pixel():
    """Of pictures of several sizes, one grey, under names of one line and two."""
    rng = np.random.default_rng(0)
    shown = {
        "a": rng.integers(0, 256, (40, 60, 1), np.uint8),
        "a name that is longer than this": rng.integers(0, 256, (50, 30, 3), np.uint8),
        "c": rng.integers(0, 256, (9, 60, 3), np.uint8),
    }
    picture = np.asarray(Image.open(io.BytesIO(pictures.gallery(shown, columns=2))))
    found = np.lib.stride_tricks.sliding_window_view
    for image in shown.values():
        whole = np.broadcast_to(image, (*image.shape[:2], 3))
        first = (found(picture, (1, 8, 3))[:, :, 0] == whole[0, :8]).all(axis=(2, 3, 4))
        ((top, left),) = np.argwhere(first.reshape(first.shape[:2]))
        np.testing.assert_array_equal(picture[top : top + len(image), left : left + image.shape[1]], whole)


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
