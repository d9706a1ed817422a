"""pg.load and what a trained model offers; and replicates, whose models are trained alike."""

import dataclasses
import json
import shutil
import threading

import jax
import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.commands import replicates
from pixelgan_jax.data.readers import named
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import measures, trained
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training import parallel
from pixelgan_jax.training.checkpoint import Checkpoints
from tests import brief, tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two steps of a model of 17 levels and labels."""
    folder = tmp_path_factory.mktemp("api")
    brief.train(
        folder,
        tiny.build(data={"levels": 17}, model={"likelihood": "categorical", "input_noise": 0.1}, train={"steps": 2}),
    )
    return pg.load(folder)


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).randint(0, 256, (6, 4, 4, 1)).astype(np.uint8)


def test_load_says_what_it_loaded(model):
    assert model.step == 2 and model.shape == (4, 4, 1) and model.config.data.labels == tiny.LABELLED


def test_codes_are_probabilities(model, images):
    code = model.encode(images)
    assert code.shape == (6, 10) and code.dtype == np.float32
    np.testing.assert_allclose(code.sum(axis=1), 1.0, rtol=1e-5)
    assert np.array_equal(model.classify(images), code.argmax(axis=1))
    # an image's code is its own, whatever else is asked for
    np.testing.assert_allclose(model.encode(images[:1]), code[:1], rtol=1e-5)
    assert model.encode(images[:0]).shape == (0, 10)


def test_grey_images_need_no_channel_and_one_image_no_row(model, images):
    labels = model.classify(images)
    assert np.array_equal(model.classify(images[..., 0]), labels)
    assert np.array_equal(model.classify(images[3]), labels[3:4])
    assert np.array_equal(model.classify(images[3, ..., 0]), labels[3:4])


def test_a_number_of_images_that_is_new_is_seldom_compiled_anew(model, monkeypatch):
    """At most once a doubling: there are 8 devices, so 1 to 40 images take calls of 8, 16, 32 and 64."""
    place, sizes = parallel.place, set()

    def placed(rows, mesh, spec):
        sizes.add(len(rows[0]))
        return place(rows, mesh, spec)

    monkeypatch.setattr(parallel, "place", placed)
    images = np.zeros((40, 4, 4, 1), np.uint8)
    for count in range(1, 41):
        assert len(model.encode(images[:count])) == count
    assert sizes == {8, 16, 32, 64}


def test_large_images_are_asked_of_a_few_at_a_time(model, monkeypatch):
    place, sizes = parallel.place, set()
    monkeypatch.setattr(parallel, "place", lambda rows, *more: (sizes.add(len(rows[0])), place(rows, *more))[1])
    monkeypatch.setattr(trained, "MAPPED_PIXELS", 16 * 4 * 4)
    images = np.random.RandomState(1).randint(0, 256, (40, 4, 4, 1), np.uint8)
    few = model.encode(images)
    assert sizes == {16}
    monkeypatch.undo()
    np.testing.assert_allclose(few, model.encode(images), rtol=1e-5)


def test_nothing_is_compiled_for_as_many_images_as_a_call_of_that_size_takes(model, caplog):
    images, code = np.zeros((15, 4, 4, 1), np.uint8), np.eye(10)[np.arange(15) % 10]

    def asked_for(count):
        model.encode(images[:count]), model.classify(images[:count]), model.predict(images[:count])
        model.log_prob(images[:count], code[:count]), model.sample(code[:count])
        assert len(model.generate(count)) == count

    asked_for(15)
    with jax.log_compiles():
        asked_for(9), asked_for(14)
    assert "Compiling" not in caplog.text


def test_classes_are_called_what_the_data_call_them(model, images):
    numbers, names = tuple(str(3 * n + 1) for n in range(10)), tuple(f"class {n}" for n in range(10))
    found = model.classify(images)
    for called, expected in ((numbers, 3 * found + 1), (names, [names[n] for n in found])):
        told = pg.TrainedModel(model._trained._replace(names=called))
        assert told.classify(images).tolist() == list(expected)


@pytest.mark.parametrize("called", ["{:02}", "{}²", "{}000000000"])
def test_folders_called_by_digits_that_are_no_such_number_keep_their_names(model, images, called):
    names = tuple(called.format(n) for n in range(10))
    told = pg.TrainedModel(model._trained._replace(names=names))
    assert told.classify(images).tolist() == [names[n] for n in model.classify(images)]


def test_a_decoder_that_draws_all_pixels_at_once_completes_no_image(tmp_path, images):
    made = tiny.build(model={"decoder": "deconv"})
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(brief.target(made)(None), brief.meta(made))
    aae = pg.load(tmp_path)
    assert aae.sample(np.eye(10)[:6]).shape == images.shape
    with pytest.raises(ValueError, match="^prefix: is not allowed: this decoder draws all pixels at once"):
        aae.sample(np.eye(10)[:6], prefix=images[:, :2])


def test_a_typed_configuration_is_checked_as_the_command_lines_is(model, tmp_path):
    wrong = dataclasses.replace(model.config, train=dataclasses.replace(model.config.train, batch_size=0))
    with pytest.raises(InputError, match="config.train.batch_size: 0 is not allowed"):
        pg.train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_are_scaled_as_the_training_images_were(model, images):
    data = dataclasses.replace(model.config.data, scale=17.0)
    dark = pg.TrainedModel(model._trained._replace(config=dataclasses.replace(model.config, data=data)))
    small = images // 17
    assert np.array_equal(dark.classify(small), model.classify(17 * small))
    assert np.array_equal(dark.encode(small), model.encode(17 * small))
    code = np.eye(10)[:6]
    drawn = dark.sample(code, prefix=small[:, :2])
    assert np.array_equal(drawn, model.sample(code, prefix=17 * small[:, :2]))
    assert np.array_equal(drawn[:, :2], 17 * small[:, :2])


def test_training_from_python_is_what_the_command_does(tmp_path):
    """In a thread, too, where no signal can be handled."""
    fields = tiny.fields(data={"labels": 0, "validation": 20}, prior={"name": "none"}, model={"layers": 0})
    fields.train.steps = 2
    made = []
    thread = threading.Thread(target=lambda: made.append(pg.train(fields, tmp_path / "run")))
    thread.start()
    thread.join()
    (trained,) = made
    assert trained.step == 2 and trained.generate(2).shape == (2, 8, 8, 1)
    assert results_of(tmp_path / "run")["step"] == 2 and (tmp_path / "run/report.html").exists()
    assert pg.train(fields, tmp_path / "run").step == 2
    with pytest.raises(ValueError, match=r"^config\.train\.replicates: 2 is not allowed"):
        fields.train.replicates = 2
        pg.train(fields, tmp_path / "run")
    for function in (pg.load, lambda place: pg.train(fields, place)):
        with pytest.raises(ValueError, match=r"gs://bucket/run: is a URL; must be a folder"):
            function("gs://bucket/run")
        with pytest.raises(ValueError, match="^workdir: is empty; must name a folder$"):
            function("")


def test_log_prob_is_of_levels_and_normalised(model, images, monkeypatch):
    code = np.eye(10)[:6]
    logp = model.log_prob(images, code)
    batches, rows = [], trained.rows
    with monkeypatch.context() as patch:
        patch.setattr(measures, "LOGITS", 4 * logp[0].size * model.config.data.levels * 2)  # room for two images
        patch.setattr(trained, "rows", lambda *told: (batches.append(told[3]), rows(*told))[1])
        np.testing.assert_allclose(model.log_prob(images, code), logp, atol=1e-5)
    assert batches == [2]
    assert logp.shape == (6, 4, 4) and np.all(logp < 0)
    # 0 and 7 are both level 0 of 17: the same image to the model
    low = np.where(images < 8, 7, images).astype(np.uint8)
    assert np.array_equal(
        model.log_prob(low, code), model.log_prob(np.where(images < 8, 0, images).astype(np.uint8), code)
    )
    # the last pixel over all 17 levels
    levels = np.repeat(images[:1], 17, axis=0)
    levels[:, 3, 3, 0] = np.round(np.arange(17) * 255 / 16)
    last = model.log_prob(levels, np.repeat(code[:1], 17, axis=0))[:, 3, 3]
    assert np.exp(last.astype(np.float64)).sum() == pytest.approx(1.0, rel=1e-5)


def test_samples_are_those_of_the_oracle(model):
    code = np.eye(10)[:3]
    drawn = model.sample(code, seed=3)
    assert drawn.shape == (3, 4, 4, 1) and drawn.dtype == np.uint8
    assert np.array_equal(drawn, model.sample(code, seed=3, method="oracle"))
    assert set(np.unique(drawn)) <= set(np.round(np.arange(17) * 255 / 16).astype(np.uint8))


def test_beginnings_are_completed(model, images):
    """Given as rows or as pixels; no beginning at all is a sample."""
    code = np.eye(10)[:6]
    drawn = model.sample(code, seed=3, prefix=images[:, :3])
    assert np.array_equal(drawn[:, :3], images[:, :3]) and drawn.shape == images.shape
    assert not np.array_equal(drawn[:, 3:], images[:, 3:])
    assert np.array_equal(drawn, model.sample(code, seed=3, prefix=images.reshape(6, 16, 1)[:, :12]))
    assert np.array_equal(model.sample(code, seed=3, prefix=images[:, :0]), model.sample(code, seed=3))
    assert np.array_equal(model.sample(code, seed=3, prefix=images), images)


def test_low_temperatures_take_the_likeliest_levels(model):
    code = np.repeat(np.eye(10)[:1], 3, axis=0)
    cold = model.sample(code, temperature=1e-4)
    np.testing.assert_array_equal(model.sample(code, temperature=1e-45), cold)  # no float32, in which it is 0
    assert np.array_equal(cold[0], cold[1]) and np.array_equal(cold[0], cold[2])
    warm = model.sample(code)
    assert not np.array_equal(warm[0], warm[1])
    assert model.log_prob(cold, code).sum() > model.log_prob(warm, code).sum()


def test_generate_follows_from_the_seed(model):
    one, again, other = model.generate(4, seed=1), model.generate(np.int64(4), seed=1), model.generate(4, seed=2)
    assert one.shape == (4, 4, 4, 1)
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: m.encode(x.astype(np.float32)), r"images: float32 .*uint8 \[N, 4, 4, 1\]"),
        (lambda m, x: m.encode(x[:, :2]), r"images: .*uint8 \[N, 4, 4, 1\]"),
        (lambda m, x: m.log_prob(x, np.eye(10)[:2]), "code: 2 rows for 6 images"),
        (lambda m, x: m.sample(np.zeros((2, 9))), r"code: .*\[N, 10\]"),
        (lambda m, x: m.sample(np.full((1, 10), np.nan)), "code: must be finite"),
        (lambda m, x: m.sample(np.full((1, 10), 1e300)), "code: must be finite, as float32"),
        (lambda m, x: m.sample(np.eye(10), method="fast"), "method: 'fast'.*auto, cached, fixed_point, oracle"),
        (lambda m, x: m.sample(np.eye(10), temperature=0.0), "temperature: 0.0 .*above 0"),
        (lambda m, x: m.sample(np.eye(10), temperature=-1), "temperature: -1 .*above 0"),
        (lambda m, x: m.sample(np.eye(10), temperature=np.nan), "temperature: nan .*above 0"),
        (lambda m, x: m.sample(np.eye(10), temperature="1"), "temperature: '1' .*number above 0"),
        (lambda m, x: m.sample(np.eye(10), seed=-1), "seed: -1 .*from 0 to 2147483647"),
        (lambda m, x: m.sample(np.eye(10), seed=1.5), "seed: 1.5 .*an integer"),
        (lambda m, x: m.sample(np.eye(10)[:6], prefix=x[:, :2] / 255), r"prefix: float64 .*uint8 \[N, R, 4, 1\]"),
        (lambda m, x: m.sample(np.eye(10)[:6], prefix=x[:, :2, :3]), r"prefix: uint8 \[6, 2, 3, 1\] .*\[N, P, 1\]"),
        (lambda m, x: m.sample(np.eye(10)[:6], prefix=x[0, 0, 0]), r"prefix: uint8 \[1\] "),
        (lambda m, x: m.sample(np.eye(10)[:6], prefix=np.uint8(3)), r"prefix: uint8 \[\] "),
        (lambda m, x: m.sample(np.eye(10)[:5], prefix=x), "prefix: 6 images of 16 pixels .*must be 5"),
        (lambda m, x: m.sample(np.eye(10)[:6], prefix=np.tile(x, (1, 2, 1, 1))), "prefix: .*32 pixels .*at most 16"),
        (lambda m, x: m.generate(0), "count: 0.*integer from 1"),
        (lambda m, x: m.generate(-3), "count: -3.*integer from 1"),
    ],
)
def test_wrong_arguments_are_refused_by_name(model, images, call, message):
    with pytest.raises(ValueError, match=message):
        call(model, images)


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        pg.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_continuous_codes_are_drawn_by_seed_and_have_no_classes(tmp_path, images):
    prior, encoder = {"name": "gaussian", "dimensions": 2}, {"encoder": "gaussian"}
    made = tiny.build(prior=prior, data={"labels": 0}, model=encoder)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(brief.target(made)(None), brief.meta(made))
    model = pg.load(tmp_path)
    code = model.encode(images, seed=1)
    assert code.shape == (6, 2)
    assert np.array_equal(code, model.encode(images, seed=1)) and not np.array_equal(code, model.encode(images, seed=2))
    with pytest.raises(ValueError, match="trained without labels"):
        model.classify(images)


def test_replicates_are_gathered(tmp_path, monkeypatch):
    """Two seeds, each a run of its own, the second with the first's programs and files; the numbers are their means and
    standard deviations."""
    compiled, compile_program = [], jax.stages.Lowered.compile

    def counted(*given, **options):
        compiled.append(given)
        return compile_program(*given, **options)

    monkeypatch.setattr(jax.stages.Lowered, "compile", counted)
    reads, read = [], named.read
    monkeypatch.setattr(named, "read", lambda data: (reads.append(data), read(data))[1])
    train = {"steps": 1, "replicates": 2, "seed": 5}
    alone = {"data": {"labels": 0, "validation": 20}, "prior": {"name": "none"}, "model": {"layers": 0}}
    folder = tmp_path / "run"
    asked = from_dict(tiny.fields(train=train, **alone))
    replicates.execute("train", "tiny", asked, folder)
    results = results_of(folder)
    seeds = [results_of(folder / f"seed_{seed}") for seed in (5, 6)]
    assert [r["seed"] for r in results["replicates"]] == [5, 6] == [r["seed"] for r in seeds]
    assert results["seed"] == 5 and from_dict(results["config"]) == asked
    assert [r["config"]["data"]["seed"] for r in seeds] == [0, 1]
    losses = [json.loads((folder / f"seed_{s}" / "metrics.jsonl").read_text().splitlines()[0]) for s in (5, 6)]
    assert losses[0]["reconstruction_nats"] != losses[1]["reconstruction_nats"]
    assert len(compiled) == len(reads) == 1  # the step, for both
    nats = [r["test"]["reconstruction_nats"] for r in seeds]
    assert results["test"]["reconstruction_nats"] == pytest.approx(np.mean(nats))
    assert results["test_sd"]["reconstruction_nats"] == pytest.approx(np.std(nats, ddof=1))
    assert "replicate" in (folder / "report.html").read_text().lower()

    # a mean is of one step: where a seed is behind, or is not there, nothing is evaluated
    before = [path.read_bytes() for path in sorted(folder.rglob("results.json"))]
    for steps, said in ((2, "seed_5: is at step 1; every replicate must be at config.train.steps, 2"), (1, None)):
        if not said:
            shutil.rmtree(folder / "seed_6" / "checkpoints")
            said = "seed_6: holds no checkpoint; every replicate must be at config.train.steps, 1"
        asked = from_dict(tiny.fields(train=train | {"steps": steps}, **alone))
        for mode in ("evaluate", "sample"):
            with pytest.raises(ValueError, match=said):
                replicates.execute(mode, "tiny", asked, folder)
    assert before == [path.read_bytes() for path in sorted(folder.rglob("results.json"))]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())
