"""Several processes train as one. JAX brings them together and ends all when one is gone; what is added here is that
they were told the same, and that what ends a process in its own words is not drowned in JAX's."""

import json
import os
import sys
import threading
import time
import traceback
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental.multihost_utils import process_allgather

from pixelgan_jax.errors import InputError, one_line

FLAGS = ("coordinator_address", "num_processes", "process_id")
JOIN = 120  # seconds that all processes have to join
HEARTBEAT = 20  # seconds after which JAX takes a process that fell silent for dead, and aborts the others
REPORTS = 24 * 3600  # seconds that the others wait at the end for process 0, which writes the reports
GRACE = 5.0  # seconds in which the others may end by themselves before process 0: JAX aborts those who lose it

_joined = threading.Event()  # set where there are others


class Member(NamedTuple):
    """One of `num_processes` processes, number `process_id` from 0 on; process 0 listens at HOST:PORT."""

    coordinator_address: str
    num_processes: int
    process_id: int


def member(flags: dict[str, str]) -> Member | None:
    """Which process the flags say this is; None where they say nothing. Raises InputError naming the flag."""
    if not any(name in flags for name in FLAGS):
        return None
    if flags.get("num_processes") == "1":
        return Member("", 1, 0)
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
    return Member(f"[{host}]:{port}" if ":" in host and host[0] != "[" else address, count, index)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"--{name} {text}: must be a whole number")
    return int(text)


def launched(devices: Path = Path("/dev")) -> bool:
    """Whether one of the launchers that JAX knows, or Cloud TPU, may have started this process as one of several.

    JAX alone would also gather a single one: it would take one of its GPUs, and under SLURM the port of its neighbour.
    """
    several = any(os.environ.get(name, "1") != "1" for name in ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"))
    chips = [*devices.glob("accel*"), *devices.glob("vfio/[0-9]*")]
    on_tpu = bool(chips) and find_spec("libtpu") is not None and os.environ.get("JAX_PLATFORMS", "tpu") != "cpu"
    return several or "JOB_COMPLETION_INDEX" in os.environ or on_tpu  # the second is set by Kubernetes' indexed jobs


def join(this: Member | None, described: dict[str, Any]) -> None:
    """Returns when all processes are there and JAX has all their devices.

    Where `this` is None and the process was launched, JAX is asked for the others. described: what all have to be told
    alike, by its name. Raises InputError, in all of them, where they were not, and where JAX cannot tell which
    processes there are. JAX aborts a process that waits for longer than JOIN.
    """
    alone = this.num_processes == 1 if this else not launched()
    if alone:
        return
    # JAX's own handler of SIGTERM would replace ours
    jax.config.update("jax_enable_preemption_service", False)
    told = this._asdict() if this else {}
    try:
        jax.distributed.initialize(**told, initialization_timeout=JOIN, heartbeat_timeout_seconds=HEARTBEAT)
    except Exception as error:  # of whatever kind: a bad variable, Kubernetes' answer, a name that is no host's
        if not this and "coordinator_address should be defined" in str(error):
            return  # JAX knows of no others: a batch script itself, and not its step
        source = f"--coordinator_address {this.coordinator_address}" if this else "cluster"
        raise InputError(f"{source}: {error}; --num_processes=1 trains in this process alone") from error
    _joined.set()
    if jax.process_count() == 1:
        _joined.clear()
        return
    _compare({"--num_processes": this and this.num_processes} | described)


def _compare(described: dict[str, Any]) -> None:
    """Raises InputError, alike in all processes, naming the first thing that process 0 and another were not told alike.
    Whoever was told of another method's fields differs in the experiment."""
    for told in ({"--config": list(described)}, described):
        everywhere = process_allgather(np.array([zlib.crc32(json.dumps(x).encode()) for x in told.values()], np.uint32))
        differs = np.argwhere((everywhere != everywhere[0]).T)  # [.., (what, process)], the first thing first
        if differs.size:
            name, number = list(told)[differs[0][0]], differs[0][1]
            raise InputError(f"{name}: differs between process 0 and process {number}; must be the same")


def leave() -> None:
    """Returns when all processes have done their work; process 0 alone has reports to write."""
    if not _joined.is_set():
        return
    everybody = {"processes": set(range(jax.process_count())), "timeout": REPORTS}
    # in a thread, so that this one hears signals; JAX's own shutdown would wait for five minutes at most
    waiting = threading.Thread(
        target=ocp.multihost.sync_global_processes, args=("left",), kwargs=everybody, daemon=True
    )
    waiting.start()
    while waiting.is_alive():
        waiting.join(0.2)
    _joined.clear()
    jax.distributed.shutdown()


def end(status: int) -> None:
    """Where there are others, ends this process, which has said why; JAX then ends the others."""
    if not _joined.is_set():
        return
    try:
        if jax.process_index() == 0:
            time.sleep(GRACE)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)  # whatever happens, nothing that would wait for the others


def fail(error: BaseException) -> None:
    """Where there are others, ends this process for an error that has no message of its own."""
    if not _joined.is_set():
        return
    try:
        if echoes(error):
            reason = f"another process is gone or too slow ({one_line(str(error))})"
            print(f"stopped: {reason}; run the same commands to go on", file=sys.stderr)
        else:
            traceback.print_exception(error)
    finally:
        end(1)


def echoes(error: BaseException) -> bool:
    """Whether an error is taken for the echo of another process's end: one of JAX's runtime, but for want of memory, or
    one that names the collectives of processes on CPU, as whoever saves a checkpoint then meets it."""
    text = str(error)
    of_runtime = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in text
    return _joined.is_set() and (of_runtime or "Gloo" in text)
