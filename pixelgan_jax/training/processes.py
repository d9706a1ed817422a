"""Several processes train as one: all start together, and all end when one does.

The connections over which they found each other stay open, so that what ends one process is told to all; a process
that is killed is noticed by the end of its connection.
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
from pixelgan_jax.training.rendezvous import Connection, Member

FLAGS = ("coordinator_address", "num_processes", "process_id")
HEARTBEAT = 60  # seconds after which JAX takes a host that fell silent for dead
NOTICE = 6.0  # seconds in which the others notice that a process has ended
GRACE = 3.0  # seconds that a process has to end by itself once another has said why it does

_connections: dict[int, Connection] = {}  # to other processes, by process id
_left: set[int] = set()  # ids of those whose connection has ended
_ending = threading.Lock()  # held by the thread that ends this process


def member(flags: dict[str, str]) -> Member | None:
    """Which process the flags say this is; None where there is no other. Raises InputError naming the flag."""
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
    return Member(host.strip("[]"), int(port), count, index) if count > 1 else None


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"--{name} {text}: must be a whole number")
    return int(text)


def join(this: Member | None, described: dict[str, Any]) -> None:
    """Returns when all processes are there, were told the same, and JAX has all their devices.

    described: what has to be the same, by its name. Raises InputError in every process that came where one does not
    come, or differs. Where `this` is None there is one process, except on Cloud TPU, where JAX itself knows the others.
    """
    if this is None:
        if _on_cloud_tpu():
            with suppress(ValueError):  # JAX knows of no others
                jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT)
        return
    _connections.update((rendezvous.join if this.process_id else rendezvous.gather)(this, described))
    for number in _connections:
        threading.Thread(target=_watch, args=(number,), daemon=True).start()
    # JAX's own handler of SIGTERM would replace ours
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        this.coordinator_address,
        this.num_processes,
        this.process_id,
        initialization_timeout=int(rendezvous.JOIN_TIMEOUT),
        heartbeat_timeout_seconds=HEARTBEAT,
    )


def _on_cloud_tpu(devices: Path = Path("/dev")) -> bool:
    chips = [*devices.glob("accel*"), *devices.glob("vfio/[0-9]*")]
    return bool(chips) and find_spec("libtpu") is not None and os.environ.get("JAX_PLATFORMS", "tpu") != "cpu"


def leave() -> None:
    """Returns when all processes have done their work; process 0 alone has reports to write."""
    if _connections:
        # not left to JAX's shutdown, which stops all threads while it waits
        is_first = 0 not in _connections
        if not is_first:
            _send_all({"bye": True})
        while len(_left) < len(_connections):
            time.sleep(0.01)
        if is_first:
            _send_all({"bye": True})
        jax.distributed.shutdown()
        _connections.clear()


def end(status: int, message: str) -> None:
    """Where there are others, ends this process and tells them why; they end with the same line and status."""
    if _connections:
        _ending.acquire()  # for good; where the watch has it, this process is as good as ended
        _exit({"status": status, "message": message, "wait": True})


def await_notice() -> None:
    """Where there are others, waits after an error: the end of one may be its cause, which the watch takes a moment to
    notice; it then ends this process."""
    if _connections:
        time.sleep(NOTICE)


def fail(error: Exception) -> None:
    """Where there are others, ends this process for an error that has no message of its own."""
    await_notice()
    if _connections:
        traceback.print_exception(error)
        end(1, f"error: {type(error).__name__}: {error}")


def _watch(number: int) -> None:
    """Ends this process when process `number` ends before it has left."""
    message = rendezvous.receive(_connections[number]) or {}
    if "bye" in message:
        _left.add(number)
    elif type(message.get("status")) is int:  # it ends, and its connection with it
        threading.Thread(target=_follow, args=(message,), daemon=True).start()
        while rendezvous.receive(_connections[number]) is not None:
            pass
        _left.add(number)
    else:
        _left.add(number)
        gone = f"stopped: process {number} is gone; run the same commands to go on"
        _follow({"status": 1, "message": gone, "wait": False})


def _follow(message: dict[str, Any]) -> None:
    """Ends this process as another has ended, unless it is about to end by itself."""
    if message.get("wait"):  # the main thread may be about to end for the same reason
        _send_all(message)
        time.sleep(GRACE)
    if _ending.acquire(blocking=False):
        print(f"\n{one_line(str(message.get('message')))}", file=sys.stderr, flush=True)  # below the progress bar
        _exit(message)


def _exit(message: dict[str, Any]) -> None:
    """Tells the others why, and ends this process with the message's status."""
    _send_all(message)
    deadline = time.monotonic() + 2 * GRACE
    # JAX aborts a process that loses process 0, whatever it is about to say
    while 0 not in _connections and len(_left) < len(_connections) and time.monotonic() < deadline:
        time.sleep(0.01)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(message["status"])  # nothing that would wait for the others


def _send_all(message: dict[str, Any]) -> None:
    for connection in _connections.values():
        rendezvous.send(connection, message)
