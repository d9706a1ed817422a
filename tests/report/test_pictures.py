"""Grids put every image where it belongs; samples/ holds the pictures that apply and no others."""

import io
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from pixelgan_jax.report import plots
from pixelgan_jax.report.curves import training_curves
from pixelgan_jax.report.pictures import Explored, Pictures, _drawable, grid, write_pictures
from pixelgan_jax.training import logs

LINE, BAND, GROUND = 2, 12, 44
NOTHING = Explored(np.zeros((1, 8, 8, 1), np.uint8), 1, np.array([-1]))


def _random(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def _names(folder):
    return sorted(path.name for path in (folder / "samples").iterdir())


def _open(folder, name):
    return np.asarray(Image.open(folder / "samples" / name))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side, scale", [(8, 7), (28, 2), (32, 2), (96, 1)])
def test_every_pixel_of_every_image_is_a_square_at_its_place(side, scale, channels):
    images = _random(3, 4, side, side, channels)
    picture = grid(images)
    step = side * scale + LINE
    assert picture.dtype == np.uint8
    assert picture.shape == (3 * step + LINE, 4 * step + LINE, channels)
    seen = np.zeros(picture.shape[:2], bool)
    for row in range(3):
        for column in range(4):
            top, left = LINE + row * step, LINE + column * step
            cell = picture[top : top + side * scale, left : left + side * scale]
            np.testing.assert_array_equal(cell, np.kron(images[row, column], np.ones((scale, scale, 1), np.uint8)))
            seen[top : top + side * scale, left : left + side * scale] = True
    assert (picture[~seen] == GROUND).all()


def test_names_with_a_dollar_are_no_formulas():
    names = ["$5_$6", "\\frac{$", "c"]
    drawn = plots.confusion(np.eye(3, dtype=int), names, names, "class", 3)
    assert Image.open(io.BytesIO(drawn)).size[0] > 100


@pytest.mark.parametrize("names", [["no", "yes"], ["adenocarcinoma, left", "squamous cell"], ["a", "x" * 20, "b"]])
def test_a_confusion_matrix_has_room_for_its_names(names, monkeypatch):
    """Whatever is written lies on the picture, and the matrix is no thumbnail."""
    drawn = []
    monkeypatch.setattr(plots, "figure_png", drawn.append)
    plots.confusion(np.full((len(names), len(names)), 12), names, names, "class", 2000)
    (figure,) = drawn
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    whole, renderer = figure.bbox, figure.canvas.get_renderer()
    written = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    for box in (text.get_window_extent(renderer) for text in written):
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1
    assert axes.get_window_extent(renderer).width / len(names) > 0.3 * figure.dpi


def test_images_need_not_be_square():
    picture = grid(_random(1, 1, 4, 8, 1))
    assert picture.shape == (4 * 7 + 2 * LINE, 8 * 7 + 2 * LINE, 1)


def test_a_wide_band_parts_groups_of_rows():
    images = np.full((4, 1, 8, 8, 1), 255, np.uint8)
    bright = (grid(images, group=2)[:, LINE, 0] == 255).astype(int)
    changes = np.flatnonzero(np.diff(bright)) + 1
    assert np.diff(changes).tolist() == [56, LINE, 56, BAND, 56, LINE, 56]


def test_many_images_are_magnified_less():
    assert grid(np.zeros((1, 300, 8, 8, 1), np.uint8)).shape[1] == 300 * (8 + LINE) + LINE


def test_samples_fill_a_square_and_are_not_altered(tmp_path):
    samples = _random(10, 8, 8, 1)
    write_pictures(tmp_path, Pictures(NOTHING, samples=samples))
    picture = _open(tmp_path, "prior.png")
    assert picture.shape == (3 * 58 + LINE, 4 * 58 + LINE)
    np.testing.assert_array_equal(picture[LINE + 58 : 58 * 2 : 7, LINE + 58 : 58 * 2 : 7], samples[5, ..., 0])
    assert (picture[2 * 58 + LINE :, 2 * 58 + LINE :] == GROUND).all()


def test_a_reconstruction_lies_below_its_original(tmp_path):
    originals, reconstructions = _random(6, 8, 8, 3), _random(6, 8, 8, 3, seed=1)
    write_pictures(tmp_path, Pictures(NOTHING, originals=originals, reconstructions=reconstructions))
    picture = _open(tmp_path, "reconstructions.png")
    picture = picture[:, -(4 * 58 + LINE) :]  # four columns, right of the names
    pair = 2 * 58 - LINE + BAND
    for index in range(6):
        left = LINE + index % 4 * 58
        for image, top in ((originals[index], 0), (reconstructions[index], 58)):
            top += LINE + index // 4 * pair
            np.testing.assert_array_equal(picture[top : top + 56 : 7, left : left + 56 : 7], image)


def test_rows_have_names_on_their_left(tmp_path):
    rows = _random(2, 3, 8, 8, 1)
    write_pictures(tmp_path, Pictures(NOTHING._replace(rows=rows, kind="class", names=["8 → eins", "W"])))
    picture = _open(tmp_path, "classes.png")
    names, images = picture[:, : -(3 * 58 + LINE)], picture[:, -(3 * 58 + LINE) :]
    np.testing.assert_array_equal(images, grid(rows)[..., 0])
    inked = [(names[top : top + 58] > 128).any(axis=0).sum() for top in (0, 58)]
    assert inked[0] > inked[1] > 3


def test_a_mistake_stands_beside_its_own_reconstruction(tmp_path):
    images, drawn = _random(30, 8, 8, 1), _random(3, 8, 8, 1, seed=1)
    categories = np.zeros(30, int)
    categories[[4, 29]] = 1
    told = {"categories": categories, "probabilities": np.arange(30) / 30, "kind": "class", "category_count": 2}
    reconstructed = {"reconstructions": drawn, "reconstructed": np.array([3, 4, 29])}
    seen = Explored(images, 30, np.zeros(30, int), ["a", "b"], **told, **reconstructed)
    write_pictures(tmp_path, Pictures(seen))
    pairs = np.stack([[images[29], drawn[2]], [images[4], drawn[1]]])  # the surest first
    np.testing.assert_array_equal(_open(tmp_path, "mistakes.png")[:, -(2 * 58 + LINE) :], grid(pairs)[..., 0])


@pytest.mark.filterwarnings("error")
def test_a_class_whose_name_the_font_cannot_write_has_its_number(tmp_path):
    """In every picture, where it would be a box that looks like another one."""
    assert _drawable(["Katze", "猫", "→ ΩЖ", "犬"]) == ["Katze", "#1", "→ ΩЖ", "#3"]
    seen = Explored(_random(8, 8, 8, 1), 8, np.arange(8) % 2, ["猫", "犬"], categories=np.arange(8) // 4,
                    probabilities=np.ones(8), kind="class", category_count=2, rows=_random(2, 3, 8, 8, 1),
                    codes=np.eye(8, 2))  # fmt: skip
    write_pictures(tmp_path, Pictures(seen))
    assert _names(tmp_path) == ["classes.png", "code.png", "confusion.png", "mistakes.png"]


def test_stale_pictures_of_our_names_go_and_others_stay(tmp_path):
    rows = _random(2, 3, 8, 8, 1)
    seen = NOTHING._replace(rows=rows)
    write_pictures(tmp_path, Pictures(seen._replace(codes=np.zeros((1, 2))), samples=rows[0]))
    (tmp_path / "samples" / "mine.png").touch()
    assert _names(tmp_path) == ["clusters.png", "code.png", "mine.png", "prior.png"]
    write_pictures(tmp_path, Pictures(seen._replace(kind="class")))
    assert _names(tmp_path) == ["classes.png", "mine.png"]


@pytest.mark.parametrize("labels, gaussian", [(None, True), (np.arange(30), False), (np.arange(30) % 3, True)])
def test_the_code_map_takes_any_number_of_labels(labels, gaussian):
    codes = np.random.default_rng(0).normal(size=(30, 2))
    image = Image.open(io.BytesIO(plots.code_map(codes, labels, ("a", "b"), gaussian)))
    assert image.size == (896, 768)


def test_the_code_maps_labels_have_their_names_and_a_legend_that_can_be_read(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "figure_png", drawn.append)
    codes = np.random.default_rng(0).normal(size=(90, 2))
    plots.code_map(codes, np.arange(90) % 4 - 1, ("a", "b"), False, ("ant", "_b", r"$\foo$"))
    plots.code_map(codes, np.arange(90) % 41, ("a", "b"), False)
    named, unreadable = (figure.axes[0].get_legend() for figure in drawn)
    assert [text.get_text() for text in named.get_texts()] == ["none", "ant", "_b", r"$\foo$"] and unreadable is None


def test_colours_of_the_code_map_tell_labels_apart():
    codes = np.array([[-1.0, 0], [1, 0]]).repeat(50, axis=0)
    image = Image.open(io.BytesIO(plots.code_map(codes, np.arange(2).repeat(50), ("a", "b"), False))).convert("RGB")
    pixels = np.asarray(image).astype(int)
    blue, orange = pixels[..., 2] - pixels[..., 0] > 80, pixels[..., 0] - pixels[..., 2] > 80
    assert np.nonzero(blue)[1].min() < np.nonzero(orange)[1].min()


def _rows(**values):
    return [{"step": step, **values} for step in (1, 50, 100)]


def _size(content):
    return Image.open(io.BytesIO(content)).size


@pytest.mark.parametrize(
    "values, size",
    [
        ({"reconstruction_nats": 1.0}, (704, 432)),
        ({"discriminator_loss": 1.4, "generator_loss": None, "supervised_loss": 1}, (1408, 432)),
        (
            {
                "validation_error": 0.1,
                "validation_cluster_error_majority": 0.1,
                "validation_new": 3.0,
                "supervised_loss": 1,
            },
            (1408, 864),
        ),
    ],
)
def test_curves_have_a_panel_for_what_there_is(values, size):
    assert _size(training_curves(_rows(**values, images_per_second=9.0, validation_examples=9.0))) == size


def test_curves_without_numbers_are_not_drawn(tmp_path):
    assert training_curves([]) is None
    assert training_curves(_rows(images_per_second=3.0, reconstruction_nats=None)) is None


def test_equilibrium_lines_are_drawn_where_the_losses_would_lie():
    def drawn(**values):
        return np.asarray(Image.open(io.BytesIO(training_curves(_rows(**values)))).convert("RGB")).astype(int)

    # A loss at equilibrium lies on its dashed line; away from it both are to be seen.
    at, away = (drawn(discriminator_loss=value) for value in (math.log(4), 1.0))
    rows = [
        np.flatnonzero((pixels[:, 100:600, 2] - pixels[:, 100:600, 0] > 80).sum(axis=1) > 150) for pixels in (at, away)
    ]
    assert np.ptp(rows[0]) < 8 < 50 < np.ptp(rows[1])


def test_curves_come_from_the_log_of_the_folder(tmp_path):
    with logs.Log(tmp_path, 0) as log:
        log.scalars(1, {"reconstruction_nats": 4.0})
        log.scalars(2, {"reconstruction_nats": float("nan"), "validation_reconstruction_nats": 5.0})
    write_pictures(tmp_path, Pictures(NOTHING))
    assert _names(tmp_path) == ["curves.png"]
