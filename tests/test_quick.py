"""Slow tests begin until they are told not to."""

import time

import pytest

from tests import quick


@pytest.mark.parametrize(("left", "over"), [(None, False), (60, False), (-1, True)])
def test_when_it_is_too_late_for_slow_tests(monkeypatch, left, over):
    monkeypatch.delenv(quick.UNTIL, raising=False)
    if left is not None:
        monkeypatch.setenv(quick.UNTIL, str(time.time() + left))
    assert quick.is_over() is over
