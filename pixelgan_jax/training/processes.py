"""Several processes train as one. JAX brings them together and ends all when one is gone; what is added here is that
they were told the same, and that what ends a process in its own words is not drowned in JAX's."""

import json
import os
import sys
import time
import traceback
import zlib
from contextlib import suppress
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather

from pixelgan_jax.errors import InputError, one_line

FLAGS = ("coordinator_address", "num_processes", "process_id")
JOIN = 120  # seconds that all processes have to join
HEARTBEAT = 20  # seconds after which JAX takes a process that fell silent for dead, and aborts the others
REPORTS = 24 * 3600  # seconds that the others wait at the end for process 0, which writes the reports
GRACE = 3.0  # seconds in which the others may end by themselves before process 0: JAX aborts those who lose it


class Member(NamedTuple):
    """One of `num_processes` processes, number `process_id` from 0 on; process 0 listens at HOST:PORT."""

    coordinator_address: str
    num_processes: int
    process_id: int


def member(flags: dict[str, str]) -> Member | None:
    """Which process the flags say this is; None where they say nothing. Raises InputError naming the flag."""
    if not any(name in flags for name in FLAGS):
        return None
    count = _number("num_processes", flags.get("num_processes", "2"))
    for name in FLAGS if count != 1 else ():
        if name not in flags:
            raise InputError(f"--{name}: missing; must be given with {' and '.join(f'--{n}' for n in FLAGS)}")
    address, index = (
        flags.get("coordinator_address", "localhost:1"),
        _number("process_id", flags.get("process_id", "0")),
    )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not port.isascii() or not 0 < int(port[:9]) < 2**16:
        raise InputError(f"--coordinator_address {address}: must be HOST:PORT, process 0's host and a free port of it")
    if not 0 < count <= 2**16:
        raise InputError(f"--num_processes {count}: must be from 1 to {2**16}")
    if index >= count:
        raise InputError(f"--process_id {index}: must be from 0 to {count - 1}, one less than --num_processes")
    return Member(address, count, index)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise InputError(f"--{name} {text}: must be a whole number")
    return int(text)


def join(this: Member | None, described: dict[str, Any]) -> None:
    """Returns when all processes are there and JAX has all their devices.

    Where `this` is None JAX is asked for the others, which it knows under SLURM, Open MPI, Kubernetes and on Cloud TPU.
    described: what all have to be told alike, by its name. Raises InputError, in all of them, where they were not, and
    where JAX cannot tell which processes there are. JAX aborts a process that waits for longer than JOIN.
    """
    if this and this.num_processes == 1:
        return
    # JAX's own handler of SIGTERM would replace ours
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            **(this._asdict() if this else {}),
            initialization_timeout=JOIN,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=REPORTS,
        )
    except ValueError:  # JAX knows of no others
        if this:
            raise
        return
    except RuntimeError as error:  # a port that is taken, a cluster that does not say who is in it
        where = f"--coordinator_address {this.coordinator_address}" if this else "cluster"
        raise InputError(f"{where}: {error}; --num_processes=1 trains in this process alone") from None
    _compare({"--num_processes": this and this.num_processes} | described)


def _compare(described: dict[str, Any]) -> None:
    """Raises InputError, alike in all processes, naming the first thing that process 0 and another were not told alike.
    Whoever was told of another method's fields differs in the experiment."""
    for told in ({"--config": list(described)}, described):
        sums = np.array([zlib.crc32(json.dumps(value).encode()) for value in told.values()], np.uint32)
        everywhere = process_allgather(sums)
        differs = np.argwhere((everywhere != everywhere[0]).T)  # [.., (what, process)], the first thing first
        if differs.size:
            name, number = list(told)[differs[0][0]], differs[0][1]
            raise InputError(f"{name}: differs between process 0 and process {number}; must be the same")


def leave() -> None:
    """Returns when all processes have done their work; process 0 alone has reports to write."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def end(status: int) -> None:
    """Where there are others, ends this process, which has said why; JAX then ends the others."""
    if not jax.distributed.is_initialized():
        return
    if jax.process_index() == 0:
        time.sleep(GRACE)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # nothing that would wait for the others


def fail(error: Exception) -> None:
    """Where there are others, ends this process for an error that has no message of its own; one of JAX's runtime is
    taken for the echo of another process's end."""
    if not jax.distributed.is_initialized():
        return
    if isinstance(error, jax.errors.JaxRuntimeError):
        reason = one_line(str(error))
        print(f"stopped: another process is gone ({reason}); run the same commands to go on", file=sys.stderr)
    else:
        traceback.print_exception(error)
    end(1)
