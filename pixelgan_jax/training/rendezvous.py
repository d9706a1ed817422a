"""Process 0 calls the roll on the coordinator's port, before JAX takes that port over.

JAX itself ends a process that does not find the others by SIGABRT, and does not notice that they were told something
else. The connections stay open. Letters that go over them are lines of JSON.
"""

import json
import socket
import time
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

from pixelgan_jax.errors import InputError

JOIN = 120.0  # seconds that all processes have to come
HELLO = 5.0  # seconds that whoever connects has to say who it is
LONGEST = 2**17  # bytes of a line


class Place(NamedTuple):
    """A process among the others: number `index` of `count`, which meet at `host`:`port`."""

    host: str
    port: int
    count: int
    index: int

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Peer(NamedTuple):
    """A connection, and the lines that come over it."""

    connection: socket.socket
    lines: BinaryIO


def send(peer: Peer, letter: dict[str, Any]) -> None:
    """Nothing where the other end is gone."""
    with suppress(OSError):
        peer.connection.sendall(json.dumps(letter).encode() + b"\n")


def receive(peer: Peer) -> dict[str, Any] | None:
    """The next letter; None where the connection has ended, took too long or carries no letter."""
    try:
        letter = json.loads(peer.lines.readline(LONGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return letter if isinstance(letter, dict) else None


def close(peer: Peer) -> None:
    peer.lines.close()
    peer.connection.close()


def _peer(connection: socket.socket, timeout: float) -> Peer:
    connection.settimeout(max(timeout, 0.001))
    return Peer(connection, connection.makefile("rb"))


def call(where: Place, described: dict[str, Any]) -> dict[int, Peer]:
    """Process 0: a connection to each of the others, by its number, once all have come.

    Raises InputError, which all that came are told, where one is missing after JOIN seconds or does not belong here:
    another number of processes, a number that is taken, or something else described. Who comes up to HELLO seconds
    after the first that does not belong is told as well. One that ended before all were there is waited for anew.
    """
    came: dict[int, Peer] = {}
    refused: list[Peer] = []
    error, limit = None, time.monotonic() + JOIN
    described = json.loads(json.dumps(described))  # as it arrives
    with _listen(where) as server:
        while error or len(came) < where.count - 1:
            server.settimeout(max(limit - time.monotonic(), 0.001))
            try:
                connection, _ = server.accept()
            except TimeoutError:
                if error is None:
                    error = f"--num_processes {where.count}: {_missing(where, came)} did not come within {JOIN:.0f} s"
                break
            peer = _peer(connection, min(limit - time.monotonic(), HELLO))
            hello = receive(peer)
            if hello is None or type(hello.get("index")) is not int:  # a stranger
                close(peer)
                continue
            number = hello["index"]
            for ended in [other for other in came if _ended(came[other])]:  # to be started again, and come again
                close(came.pop(ended))
            if reason := _objection(where, described, came, hello):
                refused.append(peer)
                if error is None:
                    error, limit = reason, min(limit, time.monotonic() + HELLO)
            else:
                came[number] = peer
    for peer in [*came.values(), *refused]:
        send(peer, {"refused": error} if error else {"welcome": True})
        if error:
            close(peer)
        else:
            peer.connection.settimeout(None)
    if error:
        raise InputError(error)
    return came


def _ended(peer: Peer) -> bool:
    """Whether a process that has said hello, and so has nothing more to say for now, is there no more."""
    peer.connection.setblocking(False)
    try:
        return peer.connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _missing(where: Place, came: dict[int, Peer]) -> str:
    missing = [str(number) for number in range(1, where.count) if number not in came]
    return f"process{'es' if len(missing) > 1 else ''} {', '.join(missing[:10])}{', …' if len(missing) > 10 else ''}"


def _listen(where: Place) -> socket.socket:
    try:
        family = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(("", where.port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise InputError(
            f"--coordinator_address {where.address}: {reason}; must be process 0's host and a free port of it"
        ) from None


def _objection(where: Place, described: dict[str, Any], came: dict[int, Peer], hello: dict[str, Any]) -> str | None:
    """Why the process that says hello does not belong here; None where it does."""
    number, count = hello["index"], hello.get("count")
    if count != where.count:
        return f"--num_processes: {where.count} at process 0, {count} at process {number}; must be the same"
    if number in came or not 0 < number < where.count:
        return f"--process_id {number}: two processes have it; must be different in each"
    if (name := _difference(described, hello.get("described"))) is not None:
        return f"{name}: differs between process 0 and process {number}; must be the same"
    return None


def _difference(one: dict[str, Any], other: Any) -> str | None:
    """The first name under which the two hold different things."""
    if not isinstance(other, dict):
        return "command line"
    return next((name for name in [*one, *other] if name not in one or other.get(name) != one[name]), None)


def answer(where: Place, described: dict[str, Any]) -> dict[int, Peer]:
    """The others: a connection to process 0, by its number, once all have come.

    Raises InputError where process 0 does not come within JOIN seconds, or refuses.
    """
    limit, reason = time.monotonic() + JOIN, "no answer"
    while (left := limit - time.monotonic()) > 0:
        try:
            connection = socket.create_connection((where.host, where.port), timeout=left)
        except OSError as error:  # process 0 may be yet to come
            reason = error.strerror or str(error)
            time.sleep(0.1)
            continue
        peer = _peer(connection, JOIN + HELLO)  # process 0 may have come just now, and waits for others
        send(peer, {"count": where.count, "index": where.index, "described": described})
        told = receive(peer) or {}
        if "welcome" in told:
            connection.settimeout(None)
            return {0: peer}
        close(peer)
        if "refused" in told:
            raise InputError(str(told["refused"]))
        reason = "whoever is there does not answer as process 0"
        time.sleep(0.1)
    raise InputError(
        f"--coordinator_address {where.address}: {reason}; must be process 0's, which was waited for {JOIN:.0f} s"
    )
