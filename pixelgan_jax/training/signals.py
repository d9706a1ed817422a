"""Ctrl-C and SIGTERM: a run saves before it ends."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """Signal `number` ended the run; like Ctrl-C itself, nothing but the command line is to catch it."""

    def __init__(self, number: int, done: str):
        super().__init__(f"{signal.Signals(number).name}: {done}")
        self.number = number


@contextmanager
def signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls `handle` with the number of the first Ctrl-C or SIGTERM; a second one ends the process at once."""

    def first(number: int, frame) -> None:
        for each in previous:
            signal.signal(each, signal.SIG_DFL)
        handle(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in previous:
            signal.signal(number, first)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
