"""What every test of hostile input asks: is it over in time, in little memory, and is the refusal one line?"""

import contextlib
import signal
import time
import tracemalloc
from pathlib import Path

from hypothesis import strategies as st

from pixelgan_jax.errors import InputError

SECONDS = 30  # of processor time, for a case of milliseconds
HUNG = 600  # seconds after which something waits for what does not come, whatever else the machine does
MARKUP = (
    "\"'></style></title></script><script>alert(1)</script><img src=x onerror=y><a href='javascript:z'>&lt;{{ 7*7 }}"
)

# what steers a terminal, a shell, a format, a page or a path, beside ordinary text
TEXT = st.text(max_size=20) | st.sampled_from(
    [
        *(
            "",
            " ",
            "\0",
            "\n",
            "a\nb",
            "\r",
            "\x1b[2J",
            "\u202e",
            "\ud800",
            "\udcff",
            "é",
            "\N{PILE OF POO}",
            "x" * 300,
        ),
        *("..", "../..", "/", "~", "-", "--", "--help", "--mode=train", "%s", "%2e%2e", "{x}", "$HOME", "`id`", "*"),
        *("nan", "inf", "-inf", "1e999", "-1", "0", "9" * 5000, "0x" + "f" * 5000, "1_0", "1j", "True", "None", "()"),
        *("(" * 500, "-" * 500 + "1", "1" + "+1j" * 500, "[1,", "'", '"', "b'a'", "f'{x}'", "{1: [2]}", "...", MARKUP),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


# the blocks that CPython's table of interned strings takes when it doubles, which any string may make it do: 2^n
# indices of 4 bytes, two thirds as many entries of two pointers, and a head
TABLES = {(4 << n) + (2 << n) // 3 * 16 + 32 for n in range(17, 24)}


def table() -> int:
    """Bytes of the table of interned strings, were it made anew since tracemalloc began."""
    return max(TABLES & {trace.size for trace in tracemalloc.take_snapshot().traces}, default=0)


@contextlib.contextmanager
def bounded(claim: int):
    """Fails where what is inside takes more than SECONDS of the processor, or more memory than four times `claim` bytes
    and 2 MiB, or waits for what does not come."""

    def late(*_):
        raise AssertionError(f"took longer than {SECONDS} s of the processor, or {HUNG} s")

    previous = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, HUNG)
    begun = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
        assert time.process_time() - begun < SECONDS  # where what is inside caught the signal
        most = 4 * claim + (2 << 20)
        assert peak < most or peak - table() < most, f"took {peak:,} bytes for a claim of {claim:,}"
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def check_line(error: InputError) -> None:
    """A refusal is one line; it may repeat what it refuses."""
    assert "\n" not in str(error) and 0 < len(str(error)) < 20_000, repr(str(error))


def listing(folder: Path) -> dict[Path, object]:
    """Every file and link below the folder, with its content or target."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_symlink():
            found[path] = path.readlink()
        elif path.is_file():
            found[path] = path.read_bytes()
    return found
