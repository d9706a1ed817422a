"""explore.html in a real browser: it opens without an error or a request, and shows what the model made of an image."""

import csv
import importlib
import json
import re
import shutil

import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.cli import run_command
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split
from pixelgan_jax.report import explore
from pixelgan_jax.report import page as report
from pixelgan_jax.report.pictures import Explored
from pixelgan_jax.training import workdir
from tests.commands.test_predict import SMALL, command
from tests.report.test_report import RESULTS
from tests.test_experiments import RUNS, SHAPES, stand_in

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
RANDOM = np.random.RandomState(0)
HOSTILE = ["</script><img src=x onerror=alert(1)>", "<b>&amp;\"'", "\u2028 {{ 7 * 7 }}"]


def explored(**changes) -> Explored:
    """Sixty random images of three classes, seven of them mistaken."""
    labels = np.arange(60) % 3
    categories = np.where(np.arange(60) % 9 == 8, (labels + 1) % 3, labels)
    made = Explored(
        images=RANDOM.randint(0, 256, (60, 8, 8, 1), dtype=np.uint8),
        whole=60,
        labels=labels,
        names=("a", "b", "c"),
        categories=categories,
        probabilities=np.linspace(0.5, 0.99, 60),
        kind="class",
        category_count=3,
        codes=RANDOM.normal(size=(60, 2)),
    )
    return made._replace(**changes)


def test_what_is_wrong_is_listed_the_surest_first():
    assert explored().wrong().tolist() == [53, 44, 35, 26, 17, 8]
    assert explored(kind="cluster").wrong().size == explored(categories=None).wrong().size == 0
    counts = explored().confusion()
    assert counts.sum() == 60 and np.trace(counts) == 54
    assert explored(labels=np.full(60, -1)).confusion().size == 0


def test_a_page_is_one_file_that_trusts_nobody():
    page = explore.page(HOSTILE[0], explored(names=HOSTILE))
    assert page.count("<script") == 3 and "onerror=alert(1)>" not in page and "http-equiv" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-") and "unsafe" not in policy
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["names"] == HOSTILE
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)', page) == ["#wall", "report.html"]
    with pytest.raises(ValueError):  # NaN is no JSON
        explore.page("", explored(probabilities=np.full(60, np.nan)))


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=["digits", "digits_clusters", "digits_gaussian"])
def run(request, tmp_path_factory):
    """(the experiment, its workdir) after four steps."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert command(request.param, folder, *SMALL) == 0
    return request.param, folder


def opened(browser, path, width=1280, ready="body[data-ready=yes]", alone=True):
    """The page, which has not logged anything, nor if `alone` asked for any file but itself; and what it asked for."""
    page, told = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: (told.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: told.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(f"file://{path}")
    page.wait_for_selector(ready)
    assert told == [f"file://{path}"] or not alone
    return page, told


def pixels(page, selector):
    """The grey values of a canvas [H, W]."""
    values = page.eval_on_selector(
        selector, "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    return np.array(values, np.uint8).reshape(8, 8, 4)[..., 0]


VALIDATION = split(load(Data()), Data(labels=100)).validation


def point_at(page, number):
    box = page.eval_on_selector_all(
        "#map .chart > svg circle", "(all, i) => { const b = all[i].getBoundingClientRect(); return [b.x + b.width / 2,"
        " b.y + b.height / 2]; }", number
    )  # fmt: skip
    page.mouse.move(*box)


@pytest.mark.slow
def test_pointing_at_a_code_shows_its_image(run, browser):
    experiment, folder = run
    page, told = opened(browser, folder / "explore.html")
    for number in (0, 17, 150):
        page.locator("#map").scroll_into_view_if_needed()
        point_at(page, number)
        shown = int(page.inner_text(".detail dd"))
        np.testing.assert_array_equal(pixels(page, ".detail canvas"), VALIDATION.images[shown, ..., 0])
        # where several codes are one point, another of them may be shown
        codes = page.evaluate(
            "i => [data.codes[i], data.codes[+document.querySelector('.detail dd').textContent]]", number
        )
        np.testing.assert_allclose(codes[0], codes[1], atol=0.15)
    if experiment == "digits_gaussian":
        assert page.locator(".detail canvas[data-sheet=plane]").count() == 1
    page.focus("#map svg")
    before = int(page.inner_text(".detail dd"))
    page.keyboard.press("ArrowRight")
    assert int(page.inner_text(".detail dd")) == before + 1
    assert told == [f"file://{folder / 'explore.html'}"]


@pytest.mark.slow
def test_a_cell_of_the_confusion_matrix_shows_the_images_that_predictions_name(run, browser, tmp_path):
    experiment, folder = run
    if experiment == "digits_gaussian":
        page, _ = opened(browser, folder / "explore.html")
        assert page.locator("#confusion").is_hidden() and page.locator("#wall").is_hidden()
        return
    np.savez(tmp_path / "own.npz", images=VALIDATION.images, labels=VALIDATION.labels)
    assert run_command(["--config", f"experiments/{experiment}.py", f"--workdir={folder}", "--mode=predict",
                        f"--input={tmp_path}/own.npz", f"--output={tmp_path}"]) == 0  # fmt: skip
    with open(tmp_path / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    page, _ = opened(browser, folder / "explore.html")
    column = "class" if experiment == "digits" else "cluster"
    told = [int(row[column]) for row in rows]
    label, category = next((int(row["label"]), told[i]) for i, row in enumerate(rows) if int(row["label"]) != told[i])
    page.click(f"#confusion button[data-label='{label}'][data-category='{category}']")
    shown = page.eval_on_selector_all("#gallery button[data-number]", "all => all.map(b => +b.dataset.number)")
    assert sorted(shown) == [i for i, row in enumerate(rows) if int(row["label"]) == label and told[i] == category]
    if experiment == "digits":
        page.click("#mistakes")
        shown = page.eval_on_selector_all("#gallery button[data-number]", "all => all.map(b => +b.dataset.number)")
        assert sorted(shown) == [i for i, row in enumerate(rows) if row["right"] == "0"]
        sure = [float(rows[i]["probability"]) for i in shown]
        assert all(a >= b - 1e-5 for a, b in zip(sure, sure[1:], strict=False))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 360])
def test_a_page_fits_its_window_and_the_report_links_it(run, browser, width):
    _, folder = run
    page, _ = opened(browser, folder / "explore.html", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert 'href="explore.html"' in (folder / "report.html").read_text()


def box(page, selector):
    return page.eval_on_selector(selector, "e => e.getBoundingClientRect().toJSON()")


ROWS = RANDOM.randint(0, 256, (3, 10, 8, 8, 1), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("codes", [True, False])
@pytest.mark.parametrize("width", [1400, 400])
def test_an_image_picked_anywhere_is_seen_where_the_page_is(width, codes, browser, tmp_path):
    made = explored(rows=ROWS)
    explore.write(tmp_path, "picked", made if codes else made._replace(codes=None))
    page, _ = opened(browser, tmp_path / "explore.html", width)
    for tile in ("#gallery button[data-number]", "#wall div[data-category='2'] button[data-number]"):
        page.locator(tile).first.click()
        number = int(page.get_attribute(tile, "data-number"))
        assert int(page.inner_text(".detail dd")) == number
        np.testing.assert_array_equal(pixels(page, ".detail canvas"), made.images[number, ..., 0])
        panel, picked = box(page, ".detail"), box(page, tile)
        assert 0 <= panel["top"] < panel["bottom"] <= 900 and 0 <= picked["top"] < picked["bottom"] <= 900
        assert panel["left"] >= picked["right"] if width == 1400 else panel["top"] >= picked["bottom"]
        assert page.evaluate("+document.activeElement.dataset.number") == number
    # nor does the panel lie on what the keyboard comes to
    page.focus("#mistakes")
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("""() => { const at = document.activeElement, b = at.getBoundingClientRect();
          return at.contains(document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2)); }""")


@pytest.mark.slow
def test_ten_images_and_the_rest_are_a_line_level_with_their_samples(browser, tmp_path):
    explore.write(tmp_path, "line", explored(rows=ROWS))
    page, _ = opened(browser, tmp_path / "explore.html", 1400)
    tops = page.eval_on_selector_all(
        "#wall div[data-category='0'] canvas", "all => all.map(c => Math.round(c.getBoundingClientRect().y))"
    )
    assert len(tops) == 20 and len(set(tops)) == 1
    more = box(page, "#wall div[data-category='0'] .members button:last-child")
    assert more["top"] < tops[0] + 35 and page.inner_text("#wall .members button:last-child").startswith("all ")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 400])
def test_the_maps_axes_can_be_read(width, browser, tmp_path):
    explore.write(tmp_path, "axes", explored(code_axes=("across", HOSTILE[0])))
    page, _ = opened(browser, tmp_path / "explore.html", width)
    assert page.locator("#map .axes span").all_inner_texts() == ["→ across", f"↑ {HOSTILE[0]}"]
    assert page.eval_on_selector("#map .axes", "e => parseFloat(getComputedStyle(e).fontSize)") >= 11
    assert page.locator("#map .chart > svg text").count() == 0


@pytest.mark.slow
def test_the_keyboard_skips_to_the_wall_and_goes_to_the_report(browser, tmp_path):
    explore.write(tmp_path, "skip", explored())
    report.write_html(tmp_path)
    page, _ = opened(browser, tmp_path / "explore.html")
    assert box(page, ".skip")["right"] < 0
    page.keyboard.press("Tab")
    assert box(page, ".skip")["left"] >= 0 and page.inner_text(".skip") == "Skip to the classes"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#wall') !== null")
    page.click("text=To the report")
    assert page.url == f"file://{tmp_path}/report.html"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 400])
def test_a_narrow_window_shows_every_column_of_the_reports_metrics(width, browser, tmp_path):
    workdir.write_json(tmp_path / "results.json", RESULTS)
    report.write_html(tmp_path)
    page, _ = opened(browser, tmp_path / "report.html", width, ready="table")
    assert page.inner_text("thead th:last-child") == "test"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert max(page.eval_on_selector_all("td", "all => all.map(c => c.getBoundingClientRect().right)")) <= width


@pytest.mark.slow
@pytest.mark.parametrize("name", ["explore", "report"])
def test_a_page_is_printed_light_from_a_dark_system(name, browser, tmp_path):
    explore.write(tmp_path, "dark", explored())
    report.write_html(tmp_path)
    page, _ = opened(browser, tmp_path / f"{name}.html", ready="body")
    look = "() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(look)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(look) != light
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(look) == light
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


ABSENT = {
    "no labels": {"labels": np.full(60, -1)},
    "nothing but images": {"labels": np.full(60, -1), "categories": None, "probabilities": None, "codes": None},
    "no codes": {"codes": None},
    "one class": {"labels": np.zeros(60, int), "categories": np.zeros(60, int), "names": ("a",), "category_count": 1},
    "colour": {"images": RANDOM.randint(0, 256, (60, 64, 64, 3), dtype=np.uint8)},
    "hostile names": {"names": HOSTILE},
    "hostile files": {"files": np.array([HOSTILE[0]] * 60)},
    "named clusters": {"kind": "cluster", "cluster_classes": HOSTILE},
    "all alike": {"codes": np.zeros((60, 2))},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", ABSENT)
def test_what_there_is_not_is_left_out(case, browser, tmp_path):
    explore.write(tmp_path, HOSTILE[0], explored(**ABSENT[case]))
    page, told = opened(browser, tmp_path / "explore.html")
    assert page.inner_text("h1") == HOSTILE[0] and page.locator("img").count() == 0
    for part, there in (("#map", "codes"), ("#wall", "categories"), (".skip", "categories")):
        made = explored(**ABSENT[case])
        assert page.locator(part).is_visible() == (getattr(made, there) is not None)
    assert page.inner_text(".detail dd") == "0"
    if case == "hostile names":
        assert HOSTILE[0] in page.inner_text("#confusion")
    if case == "hostile files":
        assert HOSTILE[0] in page.inner_text(".detail")
        assert page.get_attribute("#wall button[data-number]", "title").startswith(HOSTILE[0])
    assert len(told) == 1


@pytest.mark.slow
def test_thousands_of_classes_have_no_table(browser, tmp_path):
    names = tuple(f"c{number}" for number in range(500))
    explore.write(tmp_path, "many", explored(names=names, category_count=500))
    page, _ = opened(browser, tmp_path / "explore.html")
    assert page.locator("#confusion table").count() == 0 and page.locator("#mistakes").is_visible()
    assert page.inner_text("#confusion p") == "6 of 60 images are wrong. There are too many classes for a table."


# of the networks of each method, to compile in seconds
SMALLER = {
    "autoencoder": [*SMALL, "--config.model.first_kernel=3"],
    "catgan": ["--config.catgan.blocks=(4,)", "--config.catgan.head=(4,)", "--config.catgan.generator_units=8",
               "--config.catgan.generator_features=4"],
    "infogan": ["--config.infogan.channels=(4, 4)", "--config.infogan.units=8", "--config.infogan.code_units=8",
                "--config.infogan.generator_units=8", "--config.infogan.generator_features=4"],
    "temporal_ensembling": ["--config.ensembling.blocks=(4,)", "--config.ensembling.head=(4,)"],
}  # fmt: skip
PLANES = ("digits_gaussian", "mnist_gaussian")  # have 2-D Gaussian codes
RUNNABLE = [name for name in RUNS if name != "base"]


def own(config, name, folder):
    """Flags that give an experiment random images of its data's shape and kinds, and no time to learn."""
    flags = [*SMALLER[config.method.name], "--config.train.steps=1", "--config.train.batch_size=8"]
    if config.data.name != "digits":
        shape, classes = SHAPES.get(name.split("_")[0], (28, 28, 1)), 5 if name == "norb" else 10
        flags += [f"--config.data.name={stand_in(folder, shape, classes)}", "--config.data.validation=10"]
        flags += [f"--config.data.labels={min(config.data.labels, classes)}"]
    return flags


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNABLE)
def test_every_experiments_pages_show_what_its_method_has_and_nothing_else(name, browser, tmp_path):
    config = importlib.import_module(f"experiments.{name}").get_config()
    folder = tmp_path / "run"
    assert command(name, folder, *own(config, name, tmp_path)) == 0
    method = pg.load(folder)._method
    page, told = opened(browser, folder / "explore.html")
    categories = method.code.categories or config.data.labels
    coded = bool(method.code.width or config.data.labels)
    assert page.locator("#map").is_visible() == coded
    assert page.locator("#wall").is_visible() == page.locator("#confusion").is_visible() == bool(categories)
    drawn = page.locator("#wall canvas[data-sheet=rows]").count()
    assert (drawn > 0) == bool(method.draw and method.code.categories)
    assert (page.locator(".detail canvas[data-sheet=plane]").count() > 0) == (name in PLANES)
    assert len(told) == 1
    page, told = opened(browser, folder / "report.html", ready="body", alone=False)
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    written = {path.stem for path in (folder / "samples").glob("*.png")}
    assert page.locator("img").count() == len(written)
    assert ("prior" in written) == bool(method.draw) and ("completions" in written) == method.completes
    assert all(url.startswith(f"file://{folder}/") for url in told)
