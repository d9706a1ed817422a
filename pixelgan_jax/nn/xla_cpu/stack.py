"""Signals that arrive in the middle of a convolution, on CPU."""

import faulthandler
import os
import sys
import threading
from contextlib import suppress


def shield() -> None:
    """Gives the main thread, which signals go to, another stack for their handlers; in other threads does nothing.

    With AVX-512 XLA:CPU's convolutions spend most of their time in machine code (oneDNN's, as it seems) that lets the
    stack pointer point into a buffer on the heap. What handles a signal there writes below it, over memory of others:
    one run in five that was told to stop saved nothing and ended with glibc's "corrupted size vs. prev_size". Python's
    handlers take the alternative stack where there is one (SA_ONSTACK), and of the standard library faulthandler makes
    it.
    """
    if faulthandler.is_enabled() or threading.current_thread() is not threading.main_thread():
        return
    told = None
    with suppress(AttributeError, OSError, ValueError):  # none, or no file: a daemon's, a window's, one that is closed
        told = sys.stderr.fileno()
    # the file is kept as long as the process
    faulthandler.enable(os.open(os.devnull, os.O_WRONLY) if told is None else told, all_threads=False)
