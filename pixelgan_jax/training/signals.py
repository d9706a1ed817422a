"""Ctrl-C and SIGTERM: the first is the program's to answer, a second one ends the process at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """Signal `number` ended the run; like Ctrl-C itself, nothing but the command line is to catch it."""

    def __init__(self, number: int, done: str):
        super().__init__(f"{signal.Signals(number).name}: {done}")
        self.number = number


@contextmanager
def handled_by(handle: Callable[[int], None]) -> Iterator[None]:
    """Calls `handle` with the number of the first Ctrl-C or SIGTERM that arrives inside; a second one ends the process.

    The handlers of before are back in place afterwards.
    """

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
