"""The processes of a run find each other at the coordinator's port, before JAX takes that port over.

JAX itself aborts a process that does not find the others (SIGABRT), and does not notice that they were told
something else. The connections stay open afterwards; a message over one is a line of JSON.
"""

import json
import socket
import time
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

from pixelgan_jax.errors import InputError

JOIN_TIMEOUT = 120.0  # seconds that all processes have to join
HELLO_TIMEOUT = 5.0  # seconds that whoever connects has to say who it is
LONGEST_LINE = 2**17  # bytes


class Member(NamedTuple):
    """One of `num_processes` processes, number `process_id` from 0 on; process 0 listens at `host`:`port`."""

    host: str
    port: int
    num_processes: int
    process_id: int

    @property
    def coordinator_address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Connection(NamedTuple):
    """A connection to another process, and the lines that arrive over it."""

    socket: socket.socket
    lines: BinaryIO


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Does nothing where the other end is gone."""
    with suppress(OSError):
        connection.socket.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: Connection) -> dict[str, Any] | None:
    """The next message; None where the connection has ended, took too long or carries something else."""
    try:
        message = json.loads(connection.lines.readline(LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def close(connection: Connection) -> None:
    """Ends the connection."""
    connection.lines.close()
    connection.socket.close()


def _connection(connected: socket.socket, timeout: float) -> Connection:
    connected.settimeout(max(timeout, 0.001))
    return Connection(connected, connected.makefile("rb"))


def gather(member: Member, described: dict[str, Any]) -> dict[int, Connection]:
    """Process 0's part: a connection to each of the others, by process id, once all have joined.

    Raises InputError, which all that joined are told, where one is missing after JOIN_TIMEOUT or does not belong here:
    another number of processes, an id that is taken, or something else described. Who joins within HELLO_TIMEOUT after
    the first that does not belong is told as well. One that ended before all had joined may join again.
    """
    joined: dict[int, Connection] = {}
    refused: list[Connection] = []
    error, deadline = None, time.monotonic() + JOIN_TIMEOUT
    described = json.loads(json.dumps(described))  # as it arrives
    with _listen(member) as server:
        while error or len(joined) < member.num_processes - 1:
            connected = _accept(server, deadline - time.monotonic())
            if connected is None:
                error = error or _missing(member, joined)
                break
            connection = _connection(connected, min(deadline - time.monotonic(), HELLO_TIMEOUT))
            hello = receive(connection)
            if hello is None or type(hello.get("process_id")) is not int:  # a stranger
                close(connection)
                continue
            for ended in [other for other in joined if _ended(joined[other])]:  # to be started again, and join again
                close(joined.pop(ended))
            if reason := _refusal(member, described, joined, hello):
                refused.append(connection)
                if error is None:
                    error, deadline = reason, min(deadline, time.monotonic() + HELLO_TIMEOUT)
            else:
                joined[hello["process_id"]] = connection
    for connection in [*joined.values(), *refused]:
        send(connection, {"refused": error} if error else {"welcome": True})
        if error:
            close(connection)
        else:
            connection.socket.settimeout(None)
    if error:
        raise InputError(error)
    return joined


def _listen(member: Member) -> socket.socket:
    try:
        family = socket.getaddrinfo(member.host, member.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(("", member.port), family=family)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise InputError(
            f"--coordinator_address {member.coordinator_address}: {reason}; must be process 0's host and a free port of"
            " it"
        ) from None


def _accept(server: socket.socket, seconds: float) -> socket.socket | None:
    """The next that connects; None where nobody does within so many seconds."""
    server.settimeout(max(seconds, 0.001))
    try:
        return server.accept()[0]
    except TimeoutError:
        return None


def _ended(connection: Connection) -> bool:
    """Whether the process at the other end is gone, of one that has said hello and is not to say more for now."""
    connection.socket.setblocking(False)
    try:
        return connection.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _missing(member: Member, joined: dict[int, Connection]) -> str:
    ids = [str(number) for number in range(1, member.num_processes) if number not in joined]
    named = f"process{'es' if len(ids) > 1 else ''} {', '.join(ids[:10])}{', …' if len(ids) > 10 else ''}"
    return f"--num_processes {member.num_processes}: {named} did not come within {JOIN_TIMEOUT:.0f} s"


def _refusal(
    member: Member, described: dict[str, Any], joined: dict[int, Connection], hello: dict[str, Any]
) -> str | None:
    """Why the process that says hello does not belong here; None where it does."""
    number, count = hello["process_id"], hello.get("num_processes")
    if count != member.num_processes:
        return f"--num_processes: {member.num_processes} at process 0, {count} at process {number}; must be the same"
    if number in joined or not 0 < number < member.num_processes:
        return f"--process_id {number}: two processes have it; must be different in each"
    if (name := _difference(described, hello.get("described"))) is not None:
        return f"{name}: differs between process 0 and process {number}; must be the same"
    return None


def _difference(one: dict[str, Any], other: Any) -> str | None:
    """The first name under which the two hold different things."""
    if not isinstance(other, dict):
        return "command line"
    return next((name for name in [*one, *other] if name not in one or other.get(name) != one[name]), None)


def join(member: Member, described: dict[str, Any]) -> dict[int, Connection]:
    """The part of every other process: a connection to process 0, by its id, once all have joined.

    Raises InputError where process 0 is not there within JOIN_TIMEOUT, or refuses.
    """
    deadline, reason = time.monotonic() + JOIN_TIMEOUT, "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            connected = socket.create_connection((member.host, member.port), timeout=left)
        except OSError as error:  # process 0 may be yet to come
            reason = error.strerror or str(error)
            time.sleep(0.1)
            continue
        # process 0 may have come just now, and waits for others
        connection = _connection(connected, JOIN_TIMEOUT + HELLO_TIMEOUT)
        hello = {"num_processes": member.num_processes, "process_id": member.process_id, "described": described}
        send(connection, hello)
        answer = receive(connection) or {}
        if "welcome" in answer:
            connected.settimeout(None)
            return {0: connection}
        close(connection)
        if "refused" in answer:
            raise InputError(str(answer["refused"]))
        reason = "whoever is there does not answer as process 0"
        time.sleep(0.1)
    raise InputError(
        f"--coordinator_address {member.coordinator_address}: {reason}; must be process 0's, which was waited for"
        f" {JOIN_TIMEOUT:.0f} s"
    )
