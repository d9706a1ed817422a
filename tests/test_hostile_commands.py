"""Properties of the command line, the experiments it reads, the workdirs it writes and the checkpoints it finds."""

import contextlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from experiments import base
from pixelgan_jax import cli
from pixelgan_jax.commands import replicates, run
from pixelgan_jax.config import Config, to_dict
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.report import page
from pixelgan_jax.training import logs, workdir
from pixelgan_jax.training.checkpoint import Checkpoints
from tests import brief
from tests.command_line import DIGITS
from tests.config.test_config import FIELDS, GROUPS
from tests.faults.checkpoints import described
from tests.hostile import JSON, TEXT, bounded, check_line, listing, table
from tests.report.test_report import RESULTS

# tensorstore's threads report to an event loop that is closed by then, after a read that fails
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OVERRIDES = st.tuples(
    st.sampled_from([*FIELDS, *GROUPS, "x.y", "train.x", "train.", ".", "train.__class__"]) | TEXT, TEXT
)


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What a first command imports is not charged to the test that happens to be first."""
    run.start(*cli.parse([f"--config={DIGITS}"])[:2], Path("none"))
    assert cli.run_command([f"--config={DIGITS}", "--config.data.name=none"]) == 2  # looked for in TFDS


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path, monkeypatch):
    """Commands are parsed and refused as ever, in an empty folder; what would be run is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replicates, "execute", lambda _, *told: run.start(*told))


def command(*arguments: str, claim: int = 1 << 20) -> int:
    """The status of a command line: 0, or 2 with one line on stderr that steers no terminal; nothing is written."""
    out, err, before = io.StringIO(), io.StringIO(), listing(Path())
    with bounded(claim), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.run_command(list(arguments))
    assert listing(Path()) == before
    if status:
        line = err.getvalue()
        assert status == 2 and out.getvalue() == "", (status, out.getvalue())
        assert line.startswith("error: ") and line.endswith("\n") and line[:-1].isprintable(), line
    else:
        assert err.getvalue() == ""
    return status


@given(overrides=st.lists(OVERRIDES, min_size=1, max_size=3), joined=st.booleans())
def test_any_override(overrides, joined):
    arguments = [f"--config.{name}={text}" for name, text in overrides]
    if not joined:
        arguments = [part for name, text in overrides for part in (f"--config.{name}", text)]
    command(f"--config={DIGITS}", *arguments)


@given(name=st.sampled_from(list(FIELDS)), value=st.integers() | st.floats() | st.tuples(st.integers()) | st.booleans())
@example(name="model.input_shear", value=2**53 + 1)
def test_any_value_of_a_field_is_taken_as_it_is_or_refused(name, value):
    if command(f"--config={DIGITS}", f"--config.{name}={value}") == 0:
        config = cli.parse([f"--config={DIGITS}", f"--config.{name}={value}"])[1]
        group, field = name.split(".")
        nearest = [float(value)] if type(value) is int else []  # that a field of floats can hold
        assert getattr(getattr(config, group), field) in (value, str(value), *nearest)


@given(st.lists(st.sampled_from([f"--config={DIGITS}", "--config", "--mode", "--mode=train", "--workdir"]) | TEXT))
def test_any_command_line(arguments):
    command(*arguments)


@given(content=st.binary(max_size=200) | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_an_experiment_of_any_bytes(content):
    Path("mine.py").write_bytes(content)
    assert command("--config=mine.py") == 2


PARTS = [
    *("raise ValueError('a\\nb')", "raise KeyboardInterrupt", "raise SystemExit(0)", "raise GeneratorExit", "1 / 0"),
    *("raise KeyError('get_config')", "raise MemoryError", "raise StopIteration", "raise BaseException", "assert 0"),
    *("import nosuch", "from . import x", "import sys; sys.path.clear()", "import sys; sys.path[:] = [3]"),
    *("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "raise OSError(28, 'full', 'x')", "\0"),
    *("def f(): f()\nf()", "x = " + "(" * 300 + ")" * 300, "x = " + "+".join("1" * 20_000), "# " + "x" * 10**5),
    *("def f(: pass", "'x' * 10**6"),
    *("import warnings; warnings.warn('w')", "raise UnicodeDecodeError('utf-8', b'x', 0, 1, '\\udcff')"),
]  # fmt: skip
RETURNED = [
    *("None", "3", "{}", "[]", "C()", "C({1: 2})", "C({'data': 3})", "C({(1, 2): {}})", "base", "base.get_config"),
    *("base.get_config().lock()", "base.get_config().copy_and_resolve_references()", "base.get_config().to_dict()"),
    *("made(x=3)", "made(**{'train': None})", "made(**{'train': 3})", "made(**{'train': {}})"),
    *("made(**{'train': made()})", "itself()", "Odd()", "1 / 0"),
    *("field('steps', 10**5000)", "field('steps', 2.5)", "field('steps', Odd())", "field('steps', float('nan'))"),
    *("field('steps', required_placeholder(int))", "field('steps', placeholder(int))", "field('steps', reference(3))"),
    *("field('steps', b'3')", "field('steps', base)", "field(Odd(), 3)", "field('a b\\nc', 3)", "field(3, 3)"),
    *("field('steps', 'x' * 10**6)", "field('steps', (1,) * 10**5)", "field('dtype', '\\ud800')"),
]  # fmt: skip
PROGRAM = """
from ml_collections import ConfigDict as C
from ml_collections.config_dict import FieldReference as reference, placeholder, required_placeholder
from experiments import base
class Odd:
    def __repr__(self): return 1 / 0
    def __eq__(self, other): return 1 / 0
    def __hash__(self): return 3
def made(**changes):
    config = base.get_config().unlock()
    for name, value in changes.items():
        with config.ignore_type(): config[name] = value
    return config
def field(name, value):
    config = base.get_config().unlock()
    with config.train.ignore_type(): config.train[name] = value
    return config
def itself():
    config = base.get_config().unlock()
    config.train.x = config
    return config
"""


@given(
    parts=st.lists(st.sampled_from(PARTS), max_size=2),
    returned=st.sampled_from(RETURNED),
    inside=st.booleans(),
    override=st.lists(OVERRIDES, max_size=1),
)
def test_an_experiment_that_does_anything(parts, returned, inside, override):
    lines = ["pass", *parts] if inside else []
    body = "\n".join(lines + [f"return {returned}"]).replace("\n", "\n    ")
    (Path("experiments")).mkdir(exist_ok=True)
    program = PROGRAM + ("" if inside else "\n".join(parts)) + f"\ndef get_config():\n    {body}\n"
    Path("mine.py").write_text(program, "utf-8", "surrogatepass")
    command("--config=mine.py", *(f"--config.{name}={text}" for name, text in override), claim=32 << 20)


@given(changes=st.dictionaries(st.sampled_from([*FIELDS, *GROUPS, "x", "train.x"]), JSON, min_size=1, max_size=3))
def test_a_config_of_any_values(changes):
    made = to_dict(from_dict(base.get_config()))
    for path, value in sorted(changes.items(), reverse=True):  # a group after its fields
        group, _, field = path.partition(".")
        if not field:
            made[group] = value
        elif isinstance(made.get(group), dict):
            made[group][field] = value
    with bounded(1 << 20):
        try:
            result = from_dict(made)
        except InputError as error:
            check_line(error)
            assert str(error).startswith("config.")
        else:
            assert isinstance(result, Config) and from_dict(to_dict(result)) == result


MADE = brief.plain()


@pytest.fixture(scope="module")
def state():
    return brief.target(MADE)(None).replace(step=np.int32(2))


def write_all(folder: Path, state) -> None:
    """What a run writes in its workdir."""
    workdir.prepare(folder)
    workdir.write_json(folder / "config.json", {"experiment": str(folder)})
    workdir.write_json(folder / "results.json", RESULTS | {"experiment": str(folder)})
    with Checkpoints(folder) as checkpoints, logs.Log(folder, 0) as log:
        checkpoints.save(state, brief.meta(MADE)._replace(experiment=str(folder)))
        log.scalars(1, {"reconstruction_nats": 1.0})
    page.write_html(folder)


PARTS_OF_PATHS = (
    st.sampled_from(["..", ".", "a", "link", "file", "-", "--x", "~", "%2e%2e", "x" * 300, "a\\a", "\udcff"]) | TEXT
)


@given(parts=st.lists(PARTS_OF_PATHS, max_size=4))
def test_a_workdir_of_any_name_is_where_everything_is_written(tmp_path_factory, state, parts):
    name = "/".join(parts).lstrip("/")
    assume(name and name.split("/").count("..") < 4)
    root = tmp_path_factory.mktemp("root", numbered=True)
    here = root / "1" / "2" / "3" / "4"
    (here / "target").mkdir(parents=True)
    (here / "link").symlink_to("target")
    (here / "file").write_text("mine")
    os.chdir(here)
    before = listing(root)
    try:
        write_all(Path(name), state)
    except InputError as error:
        assert listing(root) == before
        assert str(error).startswith(f"--workdir {Path(name)}: ") and str(error).endswith("; must be a writable folder")
        return
    after, place = listing(root), Path(os.path.realpath(here / name))
    assert {path: content for path, content in after.items() if path in before} == before
    outside = [path for path in after if path not in before and not path.is_relative_to(place)]
    assert not outside and place / "report.html" in after
    assert all(path.startswith(str(place)) for path in map(os.path.realpath, after.keys() - before.keys()))
    with Checkpoints(Path(name), read_only=True) as checkpoints:
        assert checkpoints.steps() == [2] and checkpoints.meta(2)[0].experiment == str(Path(name))


@given(
    changes=st.dictionaries(
        st.sampled_from([*brief.meta(MADE)._fields, "checksums", "selection_error"]), JSON, min_size=1
    )
)
def test_a_description_of_any_values_with_a_checksum_of_its_own(tmp_path_factory, state, changes):
    folder = tmp_path_factory.mktemp("described")
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(state, brief.meta(MADE))
    try:
        described(**changes)(folder / "checkpoints" / "2")
    except UnicodeEncodeError:
        return

    def reached(meta):
        raise InputError("taken for whole")

    said = io.StringIO()
    with Checkpoints(folder) as checkpoints, contextlib.redirect_stdout(said):
        with pytest.raises(InputError, match=r"taken for whole|none of the checkpoints \[2\] can be restored"):
            checkpoints.newest_good(reached)
        checkpoints.save(state.replace(step=np.int32(3)), brief.meta(MADE))
    assert said.getvalue().count("\n") <= 1 and said.getvalue().strip().isprintable()


@pytest.mark.parametrize("content", ["[" * 100_000, "{", '{"experiment": []}', "3", "\0"])
def test_a_workdir_that_says_nothing_of_itself_is_refused(tmp_path, monkeypatch, capsys, content):
    monkeypatch.undo()  # what is run is this time
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(content)
    before = listing(tmp_path)
    assert cli.run_command([f"--config={DIGITS}", "--workdir=."]) == 2
    assert listing(tmp_path) == before and capsys.readouterr().err.count("\n") == 1


def test_what_an_input_takes_is_held_against_it_and_the_interpreters_table_is_not():
    strings = [f"interned {number}" for number in range(400_000)]
    grew = 0
    for begin in range(0, len(strings), 10_000):
        with bounded(1 << 16):  # 2.3 MB, where the table takes 3.8 or 7.7
            for string in strings[begin : begin + 10_000]:
                sys.intern(string)
            grew += table() > 3 << 20
    assert grew
    with pytest.raises(AssertionError, match="took 7,"), bounded(1 << 20):
        bytes(7_000_000)
