"""Several processes: which each is, how they meet, and two real ones that train, of which one is killed."""

import contextlib
import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.errors import InputError
from pixelgan_jax.training import processes, rendezvous
from pixelgan_jax.training.rendezvous import Member
from tests.faults import kill
from tests.faults import processes as faults

FLAGS = {"coordinator_address": "there:1234", "num_processes": "4", "process_id": "3"}
HUNG = 300  # seconds after which a test has failed, on whatever machine


def test_flags_say_which_process_this_is():
    assert processes.member({}) is None
    assert processes.member(FLAGS) == Member("there", 1234, 4, 3)
    assert processes.member(FLAGS | {"coordinator_address": "[::1]:80"}).coordinator_address == "[::1]:80"
    assert processes.member(FLAGS | {"num_processes": "1", "process_id": "0"}) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"process_id": None}, "--process_id: missing; must be given with --coordinator_address and --num_processes"),
        ({"coordinator_address": "there"}, "--coordinator_address there: must be HOST:PORT, "),
        ({"coordinator_address": ":80"}, "--coordinator_address :80: must be HOST:PORT, "),
        ({"coordinator_address": "there:70000"}, "--coordinator_address there:70000: must be HOST:PORT, "),
        ({"num_processes": "two"}, "--num_processes two: must be a whole number"),
        ({"num_processes": "0"}, "--num_processes 0: must be from 1 to 65536"),
        ({"process_id": "4"}, "--process_id 4: must be from 0 to 3, one less than --num_processes"),
        ({"process_id": "-1"}, "--process_id -1: must be a whole number"),
    ],
)
def test_flags_that_do_not_fit_are_refused(capsys, changed, message):
    flags = {name: value for name, value in (FLAGS | changed).items() if value is not None}
    with pytest.raises(InputError) as caught:
        processes.member(flags)
    assert str(caught.value).startswith(message)
    told = [f"--{name}={value}" for name, value in flags.items()]
    assert cli.run_command(["--config", str(kill.ROOT / "experiments" / "digits.py"), *told]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


@pytest.fixture
def server(monkeypatch):
    """What process 0 listens with: bound to a port that the system chose, and handed over."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(rendezvous, "_listen", lambda member: listening)
        monkeypatch.setattr(rendezvous, "HELLO_TIMEOUT", 60.0)  # for whoever has joined but has no processor to say so
        yield listening


def at(server, count, index):
    return Member("127.0.0.1", server.getsockname()[1], count, index)


def connected(server, *lines):
    """A client of the server that has said these lines."""
    client = socket.create_connection(server.getsockname())
    for line in lines:
        client.sendall(line + b"\n")
    return client


def hello(index, count=3, described=None):
    message = {"process_id": index, "num_processes": count, "described": {} if described is None else described}
    return json.dumps(message).encode()


def outcome(part, *arguments):
    """The ids that a process is connected to in the end, or why it is not."""
    try:
        connections = part(*arguments)
    except InputError as error:
        return str(error)
    for connection in connections.values():
        rendezvous.close(connection)
    return sorted(connections)


@pytest.fixture
def heard(monkeypatch):
    """A semaphore with one count for each process that process 0 has heard of."""
    count, refusal = threading.Semaphore(0), rendezvous._refusal

    def counted(*arguments):
        answer = refusal(*arguments)
        count.release()
        return answer

    monkeypatch.setattr(rendezvous, "_refusal", counted)
    return count


@pytest.fixture
def meet(server, heard, monkeypatch):
    """A function: what each of `count` processes comes to, process 0 and then (count, index, described) of the others,
    which join in this order. Process 0's time is up once all of them have."""
    accept, everybody = rendezvous._accept, threading.Event()

    def until_everybody(server, seconds):
        while not everybody.is_set():
            if (client := accept(server, 0.02)) is not None:
                return client
        return None

    def run(*others, count=3, stranger=None):
        monkeypatch.setattr(rendezvous, "_accept", until_everybody)
        everybody.clear()
        with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
            if stranger is not None:
                stack.enter_context(connected(server, stranger))
            ends = [pool.submit(outcome, rendezvous.gather, at(server, count, 0), {"a": 1})]
            for told, index, what in others:
                ends.append(pool.submit(outcome, rendezvous.join, at(server, told, index), what))
                assert heard.acquire(timeout=HUNG)
            everybody.set()
            return [end.result() for end in ends]

    return run


def test_all_that_join_meet(meet):
    assert meet((3, 2, {"a": 1}), (3, 1, {"a": 1})) == [[1, 2], [0], [0]]


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", json.dumps({"process_id": []}).encode()])
def test_a_stranger_is_passed_over(meet, line):
    assert meet((2, 1, {"a": 1}), count=2, stranger=line) == [[1], [0]]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([(3, 1, {"a": 1}), (4, 2, {"a": 1})], "--num_processes: 3 at process 0, 4 at process 2; must be the same"),
        ([(4, 1, {}), (4, 2, {}), (4, 3, {})], "--num_processes: 3 at process 0, 4 at process 1; must be the same"),
        (
            [(3, 1, {"a": 1}), (3, 1, {"a": 1}), (3, 2, {})],
            "--process_id 1: two processes have it; must be different in each",
        ),
        ([(3, 2, {"a": 2}), (3, 1, {"a": 1})], "a: differs between process 0 and process 2; must be the same"),
        (
            [(3, 2, {"a": 1}), (3, 2, {"a": 1}), (3, 1, {})],
            "--process_id 2: two processes have it; must be different in each",
        ),
        ([(3, 2, {"a": 1}), (3, 1, {"a": 2})], "a: differs between process 0 and process 1; must be the same"),
        ([(3, 2, {"a": 1}), (3, 1, {"a": 1, "b": 0})], "b: differs between process 0 and process 1; must be the same"),
        ([(3, 2, {"a": 1})], "--num_processes 3: process 1 did not come within 120 s"),
        ([(3, 2, {"a": 2})], "a: differs between process 0 and process 2; must be the same"),  # though 1 never comes
    ],
)
def test_all_that_joined_are_told_who_does_not_belong_here(meet, others, message):
    assert meet(*others) == [message] * (1 + len(others))


def test_who_does_not_come_is_waited_for_so_long(server, monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN_TIMEOUT", 0.4)
    assert outcome(rendezvous.gather, at(server, 3, 0), {}) == (
        "--num_processes 3: processes 1, 2 did not come within 0 s"
    )


def test_who_does_not_belong_ends_the_wait_for_the_others(server, monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN_TIMEOUT", HUNG)
    with connected(server, hello(2, described={"a": 2})) as client:  # said before process 0 listens
        monkeypatch.setattr(rendezvous, "HELLO_TIMEOUT", 1.0)
        said = outcome(rendezvous.gather, at(server, 3, 0), {"a": 1})
        assert said == "a: differs between process 0 and process 2; must be the same"
        assert json.loads(client.makefile().readline()) == {"refused": said}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_process_that_was_started_again_takes_its_own_place(server, heard, order):
    with ThreadPoolExecutor() as pool:
        ends = {0: pool.submit(outcome, rendezvous.gather, at(server, 3, 0), {})}
        with connected(server, hello(1)):
            assert heard.acquire(timeout=HUNG)
        for number in order:
            ends[number] = pool.submit(outcome, rendezvous.join, at(server, 3, number), {})
            assert heard.acquire(timeout=HUNG)
        assert {number: end.result() for number, end in ends.items()} == {0: [1, 2], 1: [0], 2: [0]}


def clock(monkeypatch, *times):
    """Has the rendezvous see these times, the last of them for ever."""
    left = list(times)
    seen = SimpleNamespace(monotonic=lambda: left.pop(0) if len(left) > 1 else left[0], sleep=time.sleep)
    monkeypatch.setattr(rendezvous, "time", seen)


def test_a_coordinator_that_comes_late_has_the_whole_time_to_gather_the_others(server, monkeypatch):
    late = rendezvous.JOIN_TIMEOUT - 0.2
    clock(monkeypatch, 0.0, late)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(outcome, rendezvous.join, at(server, 3, 1), {})
        client, _ = server.accept()
        with client, client.makefile() as lines:
            assert json.loads(lines.readline())["process_id"] == 1
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):  # it waits for more than the 0.2 s that were left
                client.recv(1)
            client.sendall(b'{"welcome": true}\n')
            assert waiting.result() == [0]


def test_a_coordinator_that_is_not_there_is_waited_for_and_named(monkeypatch):
    port = faults.reserved_port()  # where nobody listens
    clock(monkeypatch, 0.0, 0.0, rendezvous.JOIN_TIMEOUT)
    with pytest.raises(InputError, match=f"--coordinator_address 127.0.0.1:{port}: Connection refused; must be proc"):
        rendezvous.join(Member("127.0.0.1", port, 2, 1), {})


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 400 Bad Request\n"])
def test_somebody_else_at_the_coordinators_address_is_not_taken_for_it(server, monkeypatch, line):
    clock(monkeypatch, 0.0, 0.0, rendezvous.JOIN_TIMEOUT)
    with ThreadPoolExecutor() as pool:
        ended = pool.submit(outcome, rendezvous.join, at(server, 2, 1), {})
        client, _ = server.accept()
        with client, client.makefile() as lines:
            lines.readline()
            client.sendall(line)
            client.shutdown(socket.SHUT_WR)
            said = "does not answer as process 0; must be process 0's, which was waited for 120 s"
            assert ended.result().endswith(said)


def test_a_port_is_listened_on_where_it_is_free():
    port = faults.reserved_port()
    this = Member("127.0.0.1", port, 2, 0)
    with rendezvous._listen(this) as listening, socket.create_connection(("127.0.0.1", port)):
        client = rendezvous._accept(listening, HUNG)
        client.close()
        with pytest.raises(InputError, match=f"--coordinator_address 127.0.0.1:{port}: .*in use; must be process 0's "):
            rendezvous.gather(this, {})


def test_jax_is_asked_for_the_others_on_cloud_tpu_alone(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **given: asked.append(given))
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    processes.join(None, {})
    assert not asked  # here
    monkeypatch.setattr(processes, "find_spec", lambda name: name == "libtpu")
    (tmp_path / "accel0").touch()
    assert processes._on_cloud_tpu(tmp_path) and not processes._on_cloud_tpu(tmp_path / "none")
    monkeypatch.setattr(processes, "_on_cloud_tpu", lambda: True)
    processes.join(None, {})
    assert asked == [{"heartbeat_timeout_seconds": processes.HEARTBEAT}]


FAILING = """
import os, pathlib, sys, time
from pixelgan_jax import cli
from pixelgan_jax.commands import replicates
from pixelgan_jax.training import processes

failed = pathlib.Path({failed!r})
first = sys.argv[-1] == "--process_id=0"

def execute(*_):
    if first:
        failed.touch()
        raise OSError("AllGather failed")
    while not failed.exists():
        time.sleep(0.01)
    if {dies}:
        os._exit(9)
    time.sleep({hung})

replicates.execute = execute
processes.NOTICE = {hung} if {dies} else 0
processes.GRACE = {hung} if first else 0
sys.exit(cli.run_command(sys.argv[1:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="collectives of processes on one CPU")
@pytest.mark.parametrize(
    ("dies", "statuses", "message"),
    [(True, [1, 9], "stopped: process 1 is gone; run the same commands to go on"), (False, [1, 1], "AllGather failed")],
)
def test_an_error_of_the_system_is_anothers_end_where_that_is_behind_it(tmp_path, dies, statuses, message):
    program = FAILING.format(failed=str(tmp_path / "failed"), dies=dies, hung=HUNG)
    (status, _, err), (other_status, _, other_err) = faults.ended(faults.start(tmp_path / "run", 2, program=program))
    assert [status, other_status] == statuses
    assert err.strip().endswith(message) and "Traceback" not in err
    assert dies or other_err.strip() == err.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="collectives of processes on one CPU")
def test_two_processes_make_the_steps_of_one_end_together_and_go_on_as_one(tmp_path, capsys):
    """The one is this process, which has eight devices."""
    brief = [*kill.BRIEF, "--config.optim.schedule=constant", "--config.train.evaluate_every=100"]
    err = faults.check_kill(tmp_path, 2, 1, *brief)
    assert "Traceback" not in err
    killed, alone = tmp_path / "killed_2_1", tmp_path / "alone"
    newest = kill.newest(killed)
    capsys.readouterr()
    told = [*brief, f"--config.train.steps={newest + 3}"]
    for folder in (killed, alone):
        assert cli.run_command([*told, f"--workdir={folder}"]) == 0
    assert f"resumed from step {newest}\n" in capsys.readouterr().out
    ours, theirs = faults.losses(killed), faults.losses(alone)
    assert ours.keys() == theirs.keys() and max(ours) == newest + 3
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-3)
