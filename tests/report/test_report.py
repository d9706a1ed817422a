"""report.html stands alone, shows all there is, and takes nothing it prints for markup."""

import base64
import copy
import html.parser
import re

import numpy as np
import pytest

from pixelgan_jax.errors import InputError
from pixelgan_jax.report import page
from pixelgan_jax.report.pictures import Explored, Pictures, write_pictures
from pixelgan_jax.training import logs, workdir

SPLIT = {
    "examples": 360, "error": 0.0222, "cluster_error_best_example": 0.031, "cluster_error_majority": 0.03,
    "cluster_error_hungarian": 0.029, "clusters_used": 10, "nmi": 0.9512, "ari": 0.9498,
    "reconstruction_nats": 20.713, "marginal_kl_nats": 0.0021, "mutual_information_nats": 2.2871,
    "negative_elbo_nats": 23.002, "bits_per_dim": 0.51851, "shuffled_code_nats": 1031.25,
}  # fmt: skip
RESULTS = {
    "experiment": "digits", "step": 2000, "seed": 12345,
    "config": {"data": {"name": "digits", "labels": 100}, "optim": {"ema": 0.123456789}},
    "versions": {"python": "3.11.7", "jax": "0.10.2"},
    "device": {"kind": "cpu", "count": 2, "processes": 1},
    "git_commit": "0123abcd-dirty",
    "train": {"seconds": 3725.0, "compile_seconds": 8.31, "images_per_second": 1210.3},
    "validation": SPLIT | {"error": 0.015}, "test": SPLIT,
}  # fmt: skip
UNLABELLED = RESULTS | {"config": {"data": {"labels": 0}}}
OF_CLUSTERS = ("Cluster error", "Clusters used", "Normalised mutual information", "Adjusted Rand index")


def _page(folder, results=None):
    if results is not None:
        workdir.write_json(folder / "results.json", results)
    page.write_html(folder)
    return (folder / "report.html").read_text("utf-8")


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def _parsed(page):
    parser = _Tags()
    parser.feed(page)
    return parser


def _text(page):
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return " ".join(" ".join(_parsed(body).text).split())


def _poisoned(value, poison):
    """Every name and every text of a nested value with `poison` in it; what code looks up keeps its name too."""
    if isinstance(value, dict):
        return {key: _poisoned(item, poison) for key, item in value.items()} | {poison: poison}
    return poison if isinstance(value, str) else value


def test_every_metric_is_shown_with_its_name_and_unit(tmp_path):
    text = _text(_page(tmp_path, UNLABELLED))
    for shown in ("2.22 %", "1.50 %", "3.10 %", "0.951", "20.71 nats", "0.002 nats", "2.287 nats", "1,031.25 nats",
                  "0.5185 bits", "Negative ELBO", *OF_CLUSTERS):  # fmt: skip
        assert shown in text, shown
    assert not any(key in text for key in SPLIT if "_" in key)


def test_clusters_are_left_out_where_labels_name_the_classes(tmp_path):
    runs = [{"seed": seed, "test": SPLIT} for seed in (0, 1)]
    text = _text(_page(tmp_path, RESULTS | {"replicates": runs}))
    assert text.count("Classification error") == 2 and not any(title in text for title in OF_CLUSTERS)
    text = _text(_page(tmp_path, UNLABELLED | {"replicates": runs}))
    assert all(text.count(title) >= 2 for title in OF_CLUSTERS)


def test_a_rate_and_a_weight_of_the_last_step_are_shown_however_small(tmp_path):
    with logs.Log(tmp_path, 0) as log:
        log.scalars(7, {"generator_rate": 3e-5, "supervised_rate": 0.0005, "consistency_weight": 0.0, "ari": 1e-6})
    text = _text(_page(tmp_path))
    for shown in ("generator of the phase’s step 3e-05", "supervised of the phase’s step 0.0005",
                  "Consistency weight of that distance in the loss 0", "the same partition 0.000"):  # fmt: skip
        assert shown in text, shown


def test_the_run_is_described(tmp_path):
    text = _text(_page(tmp_path, RESULTS))
    for shown in ("1 h 2 min", "8.3 s", "1,210 images/s", "2 × cpu", "python 3.11.7, jax 0.10.2", "0123abcd-dirty",
                  "2000", "12345", "ema 0.123456789"):  # fmt: skip
        assert shown in text, shown
    assert "processes" not in text


@pytest.mark.parametrize(
    "test, headline",
    [
        (SPLIT, "2.22 % classification error on 360 test images, with 100 labels"),
        (
            {key: value for key, value in SPLIT.items() if key != "error"},
            "3.10 % clustering error by the paper’s rule on 360 test images, 3.00 % by majority, 2.90 % one-to-one",
        ),
        (
            {"bits_per_dim": 0.5, "negative_elbo_nats": 22.18},
            "0.5000 bits per dimension on the test images, 22.18 nats",
        ),
        ({"examples": 10000, "reconstruction_nats": 81.3}, "81.30 nats reconstruction of an image on 10,000 test"),
        (SPLIT | {"labelled_examples": 36}, "2.22 % classification error on 36 test images, with 100 labels"),
        ({}, "1.50 % classification error on 360 validation images"),
        ({"error": 0.0, "examples": 1}, "0.00 % classification error"),
    ],
)
def test_the_headline_is_what_says_most(tmp_path, test, headline):
    assert headline in _text(_page(tmp_path, RESULTS | {"test": test}))


@pytest.mark.parametrize("key", [*SPLIT, None])
def test_any_part_may_be_missing(tmp_path, key):
    if key:
        assert "Metrics" in _text(_page(tmp_path, {"test": {key: SPLIT[key]}}))
    for name in RESULTS:
        assert "<main>" in _page(tmp_path, {part: value for part, value in RESULTS.items() if part != name})


def test_an_empty_workdir_has_a_page_with_its_name(tmp_path):
    folder = tmp_path / "my_run"
    folder.mkdir()
    assert _text(_page(folder)) == "my_run my_run"
    assert "Metrics" not in _text(_page(folder, {}))


def test_unknown_metrics_are_shown_by_their_raw_name(tmp_path):
    test = {"my_metric": 0.123456, "marginal_kl_estimator": "kernel", "none": None, "list": [1, "a"], "many": 12345}
    text = _text(_page(tmp_path, {"test": test}))
    assert 'my_metric 0.1235 marginal_kl_estimator kernel none – list [1, "a"] many 12345' in text


def test_moments_of_many_entries_are_shown_as_a_range(tmp_path):
    text = _text(_page(tmp_path, {"test": {"code_mean": [0.5, -0.25, -0.0001, 0.1], "code_sd": [1.0, 0.98765]}}))
    assert "1/K where all are alike -0.250 to 0.500 Standard" in text
    assert "√(s(1 − s)) for a category 1.000, 0.988" in text


def test_replicates_have_a_table_with_mean_and_deviation(tmp_path):
    runs = [{"seed": seed, "validation": SPLIT, "test": {"examples": 360, "error": error, "clusters_used": used}}
            for seed, error, used in ((0, 0.02, 9), (1, 0.04, 10))]  # fmt: skip
    mean, spread = (
        {"examples": 360.0, "error": 0.03, "clusters_used": 10, "new": 3},
        {"error": 0.0141, "clusters_used": 0.71, "new": 0.5},
    )
    text = _text(_page(tmp_path, UNLABELLED | {"replicates": runs, "test": mean, "test_sd": spread}))
    assert "3.00 ± 1.41 % classification error on 360 test images, mean of 2 seeds" in text
    assert "validation, mean of the seeds test, mean of the seeds" in text
    assert "seed 0 seed 1 mean ± s.d. Images 360 360 360 Classification error 2.00 4.00 3.00 ± 1.41 %" in text
    assert "Clusters used 9 10 10.0 ± 0.7 new – – 3 ± 0.5" in text


def test_warnings_stand_before_the_metrics(tmp_path):
    text = _text(_page(tmp_path, RESULTS | {"warnings": ["Only 3 clusters used.", "b"]}))
    assert text.index("Only 3 clusters used.") < text.index("Metrics")


def test_markup_in_any_field_stays_text(tmp_path):
    poison = "\"'><script>alert(1)</script><img src=x onerror=y>{{ 7*7 }}"
    results = copy.deepcopy(RESULTS) | {"warnings": ["w"], "test_sd": {"error": 0.1}}
    results |= {"replicates": [{"seed": poison, "test": SPLIT, "validation": SPLIT}] * 2}
    results = _poisoned(results, poison) | {"warnings": [poison], "experiment": poison}
    del results["config"][poison]
    results["config"][poison] = {poison: [poison]}
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "\"><script>'.png").write_bytes(b"x")
    clean, page = _page(tmp_path, RESULTS), _page(tmp_path, results)
    assert page.count("&lt;script&gt;") > 20
    allowed = {tag for tag, _ in _parsed(clean).tags} | {"ul", "li"}
    assert {tag for tag, _ in _parsed(page).tags} <= allowed
    assert "script" not in allowed and "<script" not in page
    assert not any(name.startswith("on") for _, attributes in _parsed(page).tags for name in attributes)
    assert "{{ 7*7 }}" in page


def test_the_page_needs_no_other_file_and_no_network(tmp_path):
    with logs.Log(tmp_path, 0) as log:
        log.scalars(1, {"reconstruction_nats": 43.0, "discriminator_loss": 1.4})
    images = np.zeros((4, 8, 8, 1), np.uint8)
    seen = Explored(
        images, len(images), np.zeros(len(images), int), codes=np.zeros((len(images), 2)), rows=images[None]
    )
    write_pictures(tmp_path, Pictures(seen, images, images, images, images[None]))
    page = _page(tmp_path, RESULTS)
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]*", "", page))
    sources = [value for _, attributes in _parsed(page).tags for name, value in attributes.items()
               if name in ("src", "href")]  # fmt: skip
    assert all(source.startswith("data:") for source in sources)
    order = ("prior", "clusters", "reconstructions", "completions", "code", "curves")
    inlined = [base64.b64decode(source.split(",")[1]) for source in sources if "image/png" in source]
    assert inlined == [(tmp_path / "samples" / f"{name}.png").read_bytes() for name in order]
    assert "43.00 nats" in _text(page) and "at equilibrium ln 4 = 1.386" in _text(page)


def test_pictures_of_other_names_come_last(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("aaa", "prior"):
        (tmp_path / "samples" / f"{name}.png").write_bytes(name.encode())
    images = [attributes for tag, attributes in _parsed(_page(tmp_path, RESULTS)).tags if tag == "img"]
    assert [base64.b64decode(image["src"].split(",")[1]) for image in images] == [b"prior", b"aaa"]
    assert images[0]["alt"].startswith("Samples: Drawn anew from the model.") and images[1]["alt"] == "aaa"


def test_a_path_that_is_no_text_does_not_stop_the_report(tmp_path):
    assert "digits" in _page(tmp_path, RESULTS | {"config": {"data": {"name": "\udcff"}}})


@pytest.mark.parametrize("content", ["", "{", "[]", "\0", '"a"'])
def test_a_damaged_results_file_is_named(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=r"results\.json: must hold one JSON object"):
        page.write_html(tmp_path)
    assert not (tmp_path / "report.html").exists()
