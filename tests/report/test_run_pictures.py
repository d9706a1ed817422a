"""What the pictures show is asked of the sampler: whose codes, whose beginnings, by which settings."""

import jax
import numpy as np
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_info, threadpool_limits

from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation import trained
from pixelgan_jax.report import run_pictures
from pixelgan_jax.training import parallel
from tests import brief, tiny


def test_each_picture_is_of_the_codes_and_beginnings_that_it_says(monkeypatch):
    """A sampler that draws its request's number: 4 samples, ten rows, 40 reconstructions, 6 endings of 8 images."""
    made = tiny.build(sample={"seed": 5, "method": "oracle", "temperature": 0.5, "count": 4})
    mesh = parallel.make_mesh(jax.devices()[:1])
    model = trained.of_state(made.config, made.method, tiny.initial(made, mesh), mesh)
    images = np.random.RandomState(0).randint(0, 256, (tiny.EXAMPLES, *tiny.SHAPE)).astype(np.uint8)
    requests = []

    def draw(of_model, codes, seed, method, temperature, given, known):
        requests.append((codes, given, known))
        assert (of_model, seed, method, temperature) == (model, 5, "oracle", 0.5)
        return np.broadcast_to(np.arange(len(codes), dtype=np.uint8)[:, None, None, None], given.shape)

    monkeypatch.setattr(run_pictures, "draw", draw)
    pictures = run_pictures.illustrate(model, Split(images, np.arange(tiny.EXAMPLES, dtype=np.int32) % 10))
    ((codes, given, known),) = requests
    own = trained.rows(model, made.method.encode, (images, trained.evaluation_keys(0, tiny.EXAMPLES)))
    np.testing.assert_array_equal(codes[4:104], np.repeat(np.eye(10), 10, axis=0))
    np.testing.assert_allclose(codes[104:144], own, rtol=1e-5)
    np.testing.assert_allclose(codes[144:], np.repeat(own[::5], 6, axis=0), rtol=1e-5)
    np.testing.assert_array_equal(given[144:], np.repeat(images[::5], 6, axis=0))
    assert known.tolist() == [0] * 144 + [8] * 48  # two rows of four pixels

    def numbers(drawn):
        return drawn[..., 0, 0, 0].tolist()

    assert numbers(pictures.samples) == list(range(4))
    assert np.ravel(numbers(pictures.explored.rows)).tolist() == list(range(4, 104))
    assert numbers(pictures.reconstructions) == list(range(104, 144))
    np.testing.assert_array_equal(pictures.originals, images)
    np.testing.assert_array_equal(pictures.completions[:, 0], images[::5])  # eight of forty
    assert np.ravel(numbers(pictures.completions[:, 2:])).tolist() == list(range(144, 192))


def test_every_mistake_that_is_shown_is_reconstructed_wherever_it_lies(monkeypatch):
    made = tiny.build()
    model = trained.of_state(made.config, made.method, tiny.initial(made, mesh := brief.one_device()), mesh)
    images = np.random.RandomState(0).randint(0, 256, (tiny.EXAMPLES, *tiny.SHAPE)).astype(np.uint8)
    codes = []

    def draw(of_model, asked, seed, method, temperature, given, known):
        codes.append(asked[model.config.sample.count + 100 :])  # after those of the prior and of ten classes
        return given

    monkeypatch.setattr(run_pictures, "draw", draw)
    monkeypatch.setattr(run_pictures, "EXPLORED", 5)
    seen = run_pictures.illustrate(model, Split(images, np.zeros(tiny.EXAMPLES, np.int32))).explored
    wrong = seen.wrong()[: run_pictures.MISTAKES].tolist()
    assert max(wrong) >= 5
    assert seen.reconstructed.tolist() == sorted({0, 1, 2, 3, 4, *wrong})
    assert len(seen.reconstructions) == len(seen.reconstructed)
    own = trained.rows(model, made.method.encode, (images, trained.evaluation_keys(0, tiny.EXAMPLES)))
    np.testing.assert_allclose(codes[0][: len(seen.reconstructed)], own[seen.reconstructed], rtol=1e-5)


def test_codes_are_embedded_by_one_thread_that_waits_for_no_other(monkeypatch):
    """However many cores there are: beside another process several take ten times as long."""
    made = tiny.build()
    model = trained.of_state(made.config, made.method, tiny.initial(made, mesh := brief.one_device()), mesh)
    random, threads = np.random.RandomState(0), []

    class Embedding(TSNE):
        def fit_transform(self, values):
            threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp")
            return super().fit_transform(values)

    monkeypatch.setattr(run_pictures, "TSNE", Embedding)
    found = {"code": np.eye(10)[:8], "log_probabilities": random.randn(8, 10).astype(np.float32)}
    with threadpool_limits(2):  # on one core, too
        told = run_pictures._code_map(model, found)
    assert set(threads) == {1} and told["codes"].shape == (8, 2)


def test_of_files_that_lie_class_by_class_each_class_is_shown():
    lying = Split(np.zeros((200, 64, 64, 3), np.uint8), np.repeat(np.arange(10), 20))
    shown = run_pictures._shown(lying).labels
    assert len(shown) < 200 and set(shown) == set(range(10))
    assert set(shown[run_pictures._spread(len(shown), run_pictures.SHOWN)]) == set(range(10))
    mixed = lying._replace(labels=np.tile(np.arange(10), 20))
    np.testing.assert_array_equal(run_pictures._shown(mixed).labels, mixed.labels[: len(shown)])  # the first


def test_of_large_images_fewer_are_explored():
    """Two thousand of 64×64×3 would make a page of some 30 MB."""
    large = Split(np.zeros((2000, 64, 64, 3), np.uint8), np.zeros(2000, np.int32))
    assert run_pictures._shown(large).images.nbytes <= run_pictures.MOST_BYTES <= 4 << 20
    small = Split(np.zeros((2000, 8, 8, 1), np.uint8), np.zeros(2000, np.int32))
    assert len(run_pictures._shown(small).images) == 2000
