"""Properties of page.html: whatever results.json and metrics.jsonl hold, it is a page without markup of theirs."""

import html.parser
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelgan_jax.errors import InputError
from pixelgan_jax.report import page as report
from pixelgan_jax.report.curves import training_curves
from pixelgan_jax.training import logs
from tests.hostile import JSON, MARKUP, TEXT, bounded, check_line
from tests.report.test_report import RESULTS, SPLIT


class Page(html.parser.HTMLParser):
    """The elements with their attributes' names, the links, and the style sheets of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.links, self.styles, self.inside = set(), set(), [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.elements.add((tag, *sorted(name for name, _ in attrs)))
        self.links |= {value[:9] for name, value in attrs if name in ("src", "href", "content", "action")}

    def handle_comment(self, data):
        self.elements.add(("comment",))

    def handle_data(self, data):
        if self.inside == "style" and data.strip():
            self.styles.append(data)
        if self.lasttag == "style":
            self.inside = ""


def page(folder: Path, results, rows=b"", picture="prior") -> Page:
    (folder / "samples").mkdir(exist_ok=True)
    for old in (folder / "samples").iterdir():
        old.unlink()
    (folder / "samples" / f"{picture}.png").write_bytes(b"x")
    (folder / "metrics.jsonl").write_bytes(rows)
    (folder / "results.json").write_text(json.dumps(results))
    report.write_html(folder)
    return Page((folder / "report.html").read_text("utf-8"))


FULL = RESULTS | {
    "warnings": ["w"],
    "test_sd": {"error": 0.1, "unknown": 1.0},
    "replicates": [{"seed": 0, "test": SPLIT | {"unknown": 2.0}, "validation": SPLIT}] * 2,
}
ROW = b'{"step": 1, "reconstruction_nats": 43.0}\n'
POISON = st.tuples(
    TEXT, st.sampled_from([MARKUP, "javascript:x", "<!--", "]]>", "<svg/onload=x>", "</table>"]), TEXT
).map("".join)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The page of results in which nothing is wrong."""
    return page(tmp_path_factory.mktemp("plain"), FULL, ROW)


def poisoned(value, poison: str, draw):
    """The value with the poison for some of its texts, names and numbers."""
    if isinstance(value, dict):
        return {poison if draw(8) else name: poisoned(item, poison, draw) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, poison, draw) for item in value]
    return poison if draw(4 if isinstance(value, str) else 9) else value


def no_more_than(plain: Page, made: Page) -> None:
    assert made.elements <= plain.elements, made.elements - plain.elements
    assert made.links <= plain.links and made.styles == plain.styles


@given(
    poison=POISON, seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["prior", "mine", "&quot;'><b>", "<script>"])
)
def test_markup_anywhere_in_the_results_stays_text(tmp_path, plain, poison, seed, name):
    random = np.random.RandomState(seed)
    results = poisoned(FULL, poison, lambda one_in: random.randint(one_in) == 0)
    with bounded(1 << 20):
        try:
            no_more_than(plain, page(tmp_path, results, ROW, name))
        except InputError as error:
            check_line(error)


@given(results=st.dictionaries(st.sampled_from([*FULL]) | TEXT, JSON))
def test_results_of_any_values_make_a_page_or_are_refused(tmp_path, plain, results):
    with bounded(1 << 20):
        try:
            no_more_than(plain, page(tmp_path, results))
        except InputError as error:
            check_line(error)


@given(
    content=st.binary(max_size=200)
    | st.lists(JSON, max_size=5).map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
)
def test_results_of_any_bytes_make_a_page_or_are_refused(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    with bounded(1 << 20):
        try:
            report.write_html(tmp_path)
        except InputError as error:
            check_line(error)


ROWS = st.dictionaries(st.sampled_from(["step", "reconstruction_nats", "validation_error"]) | TEXT, JSON).map(
    json.dumps
)
LINES = ["[" * 100_000, '{"step": 1, "a": ' * 50_000, '{"step": 2}', '{"step": 1e9}', '{"step": -5}']


@given(rows=st.lists(ROWS | TEXT | st.sampled_from(LINES), max_size=5))
def test_a_log_of_any_rows_is_read_as_far_as_it_is_whole(tmp_path, plain, rows):
    content = ROW + "\n".join(rows).encode("utf-8", "surrogatepass")
    with bounded(4 << 20):
        no_more_than(plain, page(tmp_path, FULL, content))
        read = logs.read(tmp_path)
        assert read[0]["step"] == 1 and all(type(row["step"]) is int for row in read)
    with logs.Log(tmp_path, 1) as log:  # drops what is past step 1, and what is not whole
        log.scalars(2, {"reconstruction_nats": 1.0})
    assert logs.read(tmp_path)[-1] == {"step": 2, "reconstruction_nats": 1.0}


@pytest.mark.parametrize("value", ["1e300", "-1e300", "0", "1" + "0" * 300, "1e-320"])
def test_curves_are_drawn_of_any_numbers(tmp_path, value):
    rows = [f'{{"step": {step}, "reconstruction_nats": {value}, "x": {value}}}\n' for step in (-(2**63), 0, 2**63)]
    (tmp_path / "metrics.jsonl").write_text("".join(rows))
    assert len(logs.read(tmp_path)) == 3
    assert training_curves(logs.read(tmp_path)).startswith(b"\x89PNG")


@pytest.mark.parametrize("value", ['"text"', "[1]", "NaN", "Infinity", "true", "1" + "0" * 400, "1e309"])
def test_a_row_with_a_value_that_no_run_logs_ends_the_log(tmp_path, value):
    (tmp_path / "metrics.jsonl").write_bytes(ROW + f'{{"step": 2, "x": {value}}}\n'.encode() + ROW)
    assert len(logs.read(tmp_path)) == 1
