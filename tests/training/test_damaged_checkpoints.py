"""The short form of tests/faults/checkpoints.py: damage is noticed, and costs no more than the steps since the save."""

import errno
import json
import os
import resource
import shutil

import pytest
import tensorstore

import pixelgan_jax as pg
from pixelgan_jax import cli
from pixelgan_jax.config import to_dict
from pixelgan_jax.errors import InputError
from pixelgan_jax.training.checkpoint import Checkpoints, checksums
from tests import brief
from tests.command_line import DIGITS, contents
from tests.faults import checkpoints as faults

# tensorstore's threads report to an event loop that is closed by then, after a read that fails
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(workdir, model, the last state's checksums, its log) of a run whose newest checkpoint is that of step 4."""
    folder = tmp_path_factory.mktemp("damaged") / "whole"
    return folder, *faults.make_run(folder)


# the other damages of files are test_checkpoint's, which goes through every file
@pytest.mark.parametrize("damage", ["all zeros", "second half zeros", "a pipe instead"])
def test_a_run_with_a_damaged_file_ends_where_it_would_have(whole, damage):
    largest = max(faults.files(whole[0]), key=lambda name: (whole[0] / "checkpoints" / "4" / name).stat().st_size)
    assert faults.go_on(whole[0], faults.FILE_DAMAGE[damage], largest, *whole[1:]) == "skipped"


@pytest.mark.parametrize("damage", ["a link to elsewhere instead", "a file instead", "an older step's content"])
def test_a_run_with_something_else_in_the_checkpoints_place_ends_where_it_would_have(whole, damage):
    assert faults.go_on(whole[0], faults.FOLDER_DAMAGE[damage], "", *whole[1:]) == "skipped"


@pytest.mark.parametrize("damage", faults.FOLDER_DAMAGE)
def test_nothing_that_stands_in_a_checkpoints_place_stops_the_one_before(whole, tmp_path, capsys, damage):
    shutil.copytree(whole[0], tmp_path / "run")
    faults.FOLDER_DAMAGE[damage](tmp_path / "run" / "checkpoints" / "4")
    with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
        state, _ = checkpoints.newest_good(brief.target(whole[1]))
    said = capsys.readouterr().out
    assert (int(state.step), said.count("checkpoint 4 skipped: "), said.count("\n")) in [(4, 0, 0), (2, 1, 1)]
    assert int(state.step) == 2 or damage in (
        *("extra files", "an error of the wrong type"),
        *(f"state/_sharding {what}" for what in ("nested 100,000 deep", "a list", "a number", "NaN")),
    )


@pytest.mark.parametrize("damage", ["a file instead", "an empty folder instead", "meta/metadata nested 100,000 deep"])
def test_with_no_good_checkpoint_nothing_is_started_over(whole, damage):
    assert faults.refuse(whole[0], faults.FOLDER_DAMAGE[damage], "", whole[1]) == "refused"


@pytest.mark.parametrize("mode", cli.modes.MODES)
def test_the_command_line_refuses_with_status_2_and_changes_nothing(tmp_path, capsys, mode):
    (tmp_path / "checkpoints" / "7").mkdir(parents=True)
    (tmp_path / "checkpoints" / "3").write_text("in the way")
    before = contents(tmp_path)
    assert cli.run_command(["--config", DIGITS, f"--workdir={tmp_path}", f"--mode={mode}"]) == 2
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["checkpoint 7 skipped", "checkpoint 3 skipped"]
    place = tmp_path / "checkpoints"
    assert err == f"error: {place}: none of the checkpoints [3, 7] can be restored; move them away to start over\n"
    assert contents(tmp_path) == before and (place / "7").is_dir()


def test_a_checkpoint_that_claims_a_gigantic_model_is_refused_before_any_memory_is_taken(whole, tmp_path, capsys):
    shutil.copytree(whole[0], tmp_path / "run")
    claimed = to_dict(whole[1].config)
    claimed["model"] |= {"channels": 65536, "layers": 3, "kernel": 99}
    for step in ("2", "4"):
        faults.described(config=claimed)(tmp_path / "run" / "checkpoints" / step)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"none of the checkpoints \[2, 4\] can be restored"):
        pg.load(tmp_path / "run")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert capsys.readouterr().out.startswith("checkpoint 4 skipped: claims arrays of 1,020,552,961,5")


def test_a_checkpoint_that_is_a_link_is_not_deleted_when_its_time_has_come(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "2").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "checkpoints" / "2").symlink_to(tmp_path / "elsewhere")
    before = contents(tmp_path / "elsewhere")
    state, _ = brief.train(tmp_path / "run", brief.plain(train={"checkpoint_every": 1}))
    assert checksums(state) == whole[2]
    with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
        assert checkpoints.steps() == [2, 4, 5, 6]
    assert contents(tmp_path / "elsewhere") == before


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.EMFILE, "of the test"), errno.EMFILE),
        (ValueError(f"of tensorstore [os_error_code='{errno.ESTALE}']"), errno.ESTALE),
        (RuntimeError("RESOURCE_EXHAUSTED: of a GPU"), errno.ENOMEM),
        (MemoryError(), errno.ENOMEM),
    ],
)
def test_a_checkpoint_is_not_given_up_for_what_it_cannot_help(whole, tmp_path, monkeypatch, error, number):
    shutil.copytree(whole[0], tmp_path / "run")
    before = contents(tmp_path / "run" / "checkpoints")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(Checkpoints, "restore", fails)
    with pytest.raises(OSError) as caught, Checkpoints(tmp_path / "run") as checkpoints:
        checkpoints.newest_good(brief.target(whole[1]))
    assert (caught.value.errno, caught.value.filename) == (number, str(checkpoints.folder / "4"))
    assert contents(tmp_path / "run" / "checkpoints") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_skipped(whole, tmp_path, capsys):
    shutil.copytree(whole[0], tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "4"
    newest.chmod(0)
    try:
        with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
            state, _ = checkpoints.newest_good(brief.target(whole[1]))
    finally:
        newest.chmod(0o755)
    assert int(state.step) == 2
    assert capsys.readouterr().out.startswith("checkpoint 4 skipped: ")


def test_an_array_stored_in_gigantic_chunks_is_refused_before_any_memory_is_taken(whole, tmp_path, capsys):
    """Tensorstore unpacks a chunk whole, and packed zeros take a millionth of their size."""
    shutil.copytree(whole[0], tmp_path / "run")
    place = tmp_path / "run" / "checkpoints" / "4" / "state"
    stored = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{place}/"}).result()
    name = next(key for key in stored.list().result() if key.endswith(b"kernel/.zarray"))
    described = json.loads(bytes(stored[name]))
    stored[name] = json.dumps(described | {"chunks": [1000 for _ in described["chunks"]]}).encode()
    with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
        state, _ = checkpoints.newest_good(brief.target(whole[1]))
    assert int(state.step) == 2
    assert capsys.readouterr().out.startswith("checkpoint 4 skipped: claims arrays of 4,000,000,0")
