"""The scripts of this folder in a short form, compiled as users' are."""

import sys

import pytest

from tests.faults import kill, long_run

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(kill.signal, "SIGKILL"), reason="signals of POSIX")
def test_what_is_killed_and_restarted_ends_as_what_is_left_alone(tmp_path, capsys):
    tally = kill.kills(3, 1, tmp_path, kill.BRIEF)
    assert tally.total() == 3
    assert "has ended as the one left alone" in capsys.readouterr().out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_memory_files_and_threads_stay_flat(tmp_path):
    assert long_run.check(400, tmp_path, kill.BRIEF).startswith("400 steps, ")
