"""Several processes as one: each knows its place, all start together, and all end when one does.

The connections of the roll call stay open, so that what ends one process is told to all, a kill included.
"""

import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax

from pixelgan_jax.errors import InputError, one_line
from pixelgan_jax.training import rendezvous
from pixelgan_jax.training.rendezvous import Peer, Place

FLAGS = ("coordinator_address", "num_processes", "process_id")
HEARTBEAT = 60  # seconds after which JAX takes a host that fell silent for dead
GRACE = 3.0  # seconds that a process has to end by itself once another has said why it does

_peers: dict[int, Peer] = {}  # those this process is connected with
_left: set[int] = set()  # of the peers, those whose connection has ended
_ending = threading.Lock()  # held by the thread that ends this process


def place(flags: dict[str, str]) -> Place | None:
    """What the flags say; None where they ask for one process alone. Raises InputError naming the flag."""
    if not any(name in flags for name in FLAGS):
        return None
    for name in FLAGS:
        if name not in flags:
            raise InputError(f"--{name}: missing; must be given with {' and '.join(f'--{n}' for n in FLAGS)}")
    address, (count, index) = flags[FLAGS[0]], (_number(name, flags[name]) for name in FLAGS[1:])
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not port.isascii() or not 0 < int(port[:9]) < 2**16:
        raise InputError(f"--coordinator_address {address}: must be HOST:PORT, process 0's host and a free port of it")
    if not 0 < count <= 2**16:
        raise InputError(f"--num_processes {count}: must be from 1 to {2**16}")
    if index >= count:
        raise InputError(f"--process_id {index}: must be from 0 to {count - 1}, one less than --num_processes")
    return Place(host.strip("[]"), int(port), count, index) if count > 1 else None


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"--{name} {text}: must be a whole number")
    return int(text)


def join(where: Place | None, described: dict[str, Any]) -> None:
    """Returns when all processes are there, were told the same, and JAX has all their devices.

    described: what has to be the same, by its name. Raises InputError in every process that came where one does not
    come, or differs. Without a place there is one process, except on Cloud TPU, where JAX itself knows the others.
    """
    if where is None:
        if _on_cloud_tpu():
            with suppress(ValueError):  # JAX knows of no others
                jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT)
        return
    _peers.update((rendezvous.answer if where.index else rendezvous.call)(where, described))
    for number in _peers:
        threading.Thread(target=_watch, args=(number,), daemon=True).start()
    # JAX's own handler of SIGTERM would replace ours
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        where.address,
        where.count,
        where.index,
        initialization_timeout=int(rendezvous.JOIN),
        heartbeat_timeout_seconds=HEARTBEAT,
    )


def _on_cloud_tpu(devices: Path = Path("/dev")) -> bool:
    chips = [*devices.glob("accel*"), *devices.glob("vfio/[0-9]*")]
    return bool(chips) and find_spec("libtpu") is not None and os.environ.get("JAX_PLATFORMS", "tpu") != "cpu"


def leave() -> None:
    """Returns when all processes have done their work; process 0 alone has reports to write."""
    if _peers:
        # not left to JAX's shutdown, which stops all threads while it waits
        first = 0 not in _peers
        if not first:
            _tell({"bye": True})
        while len(_left) < len(_peers):
            time.sleep(0.01)
        if first:
            _tell({"bye": True})
        jax.distributed.shutdown()
        _peers.clear()


def end(status: int, message: str) -> None:
    """Where there are others, tells them why this process ends, and ends it; they end with the same line and status."""
    if _peers:
        _ending.acquire()  # for good; where the watch has it, this process is as good as ended
        _finish({"status": status, "message": message, "wait": True})


def await_watch() -> None:
    """Where there are others, waits after an error: another's end may be behind it, which the watch takes a moment to
    find out; it then ends this process."""
    if _peers:
        time.sleep(2 * GRACE)


def fail(error: Exception) -> None:
    """Where there are others, ends this process for an error that has no message of its own."""
    await_watch()
    if _peers:
        traceback.print_exception(error)
        end(1, f"error: {type(error).__name__}: {error}")


def _watch(number: int) -> None:
    """Ends this process when the other process `number` ends before it has left."""
    letter = rendezvous.receive(_peers[number]) or {}
    if "bye" in letter:
        _left.add(number)
        return
    if type(letter.get("status")) is not int:
        gone = f"stopped: process {number} is gone; run the same commands to go on"
        letter = {"status": 1, "message": gone, "wait": False}
    if letter.get("wait"):  # the main thread may be about to end for the same reason
        _tell(letter)
        time.sleep(GRACE)
    _left.add(number)
    if _ending.acquire(blocking=False):
        print(f"\n{one_line(str(letter.get('message')))}", file=sys.stderr, flush=True)  # below the progress bar
        _finish(letter)


def _finish(letter: dict[str, Any]) -> None:
    _tell(letter)
    limit = time.monotonic() + 2 * GRACE
    # JAX aborts a process that loses process 0, whatever it is about to say
    while 0 not in _peers and len(_left) < len(_peers) and time.monotonic() < limit:
        time.sleep(0.01)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(letter["status"])  # nothing that would wait for the others


def _tell(letter: Any) -> None:
    for peer in _peers.values():
        rendezvous.send(peer, letter)
