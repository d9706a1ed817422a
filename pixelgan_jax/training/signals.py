"""Ctrl-C, SIGTERM and their kin: the first is the program's to answer, a second one ends the process at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Ctrl-C and `kill`; a terminal that is closed, and what batch systems send before they take a machine away
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """Signal `number` ended the run; like Ctrl-C itself, nothing but the command line is to catch it."""

    def __init__(self, number: int, done: str):
        super().__init__(f"{signal.Signals(number).name}: {done}")
        self.number = number


@contextmanager
def handled_by(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls `handle` with the number of the first signal of STOPPING that arrives inside; a second one ends the
    process.

    A SIGHUP that was ignored before, as under nohup, stays so. The handlers of before are back in place afterwards. In
    a thread, where Python lets none be set, signals are left to the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, frame) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_DFL)
        handle(number)

    previous = {number: signal.getsignal(number) for number in STOPPING}
    if previous.get(hang_up := getattr(signal, "SIGHUP", None)) is signal.SIG_IGN:
        del previous[hang_up]
    try:
        for number in previous:
            signal.signal(number, first)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """A first signal of STOPPING is answered, as it would be before and after, when this is left: what Ctrl-C raises in
    a call-back of another library would be taken for a failure of the library's own. A second one ends the process."""
    arrived: list[int] = []
    try:
        with handled_by(arrived.append):
            yield
    finally:
        if arrived:
            signal.raise_signal(arrived[0])
