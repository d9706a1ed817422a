"""Several processes: where each belongs, the roll call, and two real ones that train, of which one is killed."""

import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import jax
import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.errors import InputError
from pixelgan_jax.training import processes, rendezvous
from pixelgan_jax.training.rendezvous import Place
from tests.faults import kill
from tests.faults import processes as faults

FLAGS = {"coordinator_address": "there:1234", "num_processes": "4", "process_id": "3"}


def test_flags_say_the_place_of_a_process():
    assert processes.place({}) is None
    assert processes.place(FLAGS) == Place("there", 1234, 4, 3)
    assert processes.place(FLAGS | {"coordinator_address": "[::1]:80"}).address == "[::1]:80"
    assert processes.place(FLAGS | {"num_processes": "1", "process_id": "0"}) is None


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
def test_flags_that_say_no_place_are_refused(capsys, changed, message):
    flags = {name: value for name, value in (FLAGS | changed).items() if value is not None}
    with pytest.raises(InputError) as caught:
        processes.place(flags)
    assert str(caught.value).startswith(message)
    told = [f"--{name}={value}" for name, value in flags.items()]
    assert cli.run_command(["--config", str(kill.ROOT / "experiments" / "digits.py"), *told]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


@pytest.fixture(autouse=True)
def in_seconds(monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN", 20.0)
    monkeypatch.setattr(rendezvous, "HELLO", 4.0)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN", 3.0)
    monkeypatch.setattr(rendezvous, "HELLO", 1.0)


def connected(visitor, port):
    """Connects once somebody listens."""
    for _ in range(200):
        with suppress(ConnectionRefusedError):
            return visitor.connect(("127.0.0.1", port))
        time.sleep(0.05)
    raise AssertionError("nobody listens")


def gather(*others, count=3, stranger=b""):
    """What each end of a roll call of `count` comes to: process 0, then (count, index, described) of the others."""
    port, heard, objection = faults.free_port(), threading.Semaphore(0), rendezvous._objection

    def counted(*arguments):
        heard.release()
        return objection(*arguments)

    def one(call, *arguments):
        try:
            peers = call(*arguments)
            for peer in peers.values():
                rendezvous.close(peer)
            return sorted(peers)
        except InputError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool, socket.socket() as visitor:
        patch.setattr(rendezvous, "_objection", counted)
        ends = [pool.submit(one, rendezvous.call, Place("127.0.0.1", port, count, 0), {"a": 1})]
        connected(visitor, port)  # process 0 is there
        if stranger:
            visitor.sendall(stranger)
        else:
            visitor.close()
        for told, index, what in others:
            ends.append(pool.submit(one, rendezvous.answer, Place("127.0.0.1", port, told, index), what))
            assert heard.acquire(timeout=60)  # they come in this order
        return [end.result() for end in ends]


def test_all_that_are_called_meet():
    assert gather((3, 2, {"a": 1}), (3, 1, {"a": 1})) == [[1, 2], [0], [0]]
    assert gather((2, 1, {"a": 1}), count=2, stranger=b"GET / HTTP/1.1\r\n\r\n") == [[1], [0]]
    assert gather((2, 1, {"a": 1}), count=2, stranger=json.dumps({"index": []}).encode() + b"\n") == [[1], [0]]


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
    ],
)
def test_all_that_came_are_told_who_does_not_belong_here(others, message):
    assert gather(*others) == [message] * (1 + len(others))


def test_who_is_missing_and_who_is_late_is_said(hurried):
    missing = "--num_processes 3: process 1 did not come within 3 s"
    assert gather((3, 2, {"a": 1})) == [missing] * 2
    differs = "a: differs between process 0 and process 2; must be the same"
    assert gather((3, 2, {"a": 2})) == [differs] * 2  # though process 1 never comes


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_process_that_was_started_again_takes_its_own_place(order):
    port, hello = faults.free_port(), json.dumps({"index": 1, "count": 3, "described": {}}).encode() + b"\n"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(rendezvous.call, Place("127.0.0.1", port, 3, 0), {})
        with socket.socket() as before:
            connected(before, port)
            before.sendall(hello)
            time.sleep(0.5)  # said before it ends
        others = []
        for number in order:
            time.sleep(0.5)  # so that they come in this order
            others.append(pool.submit(rendezvous.answer, Place("127.0.0.1", port, 3, number), {}))
        met = [first.result(), *(other.result() for other in others)]
    assert [sorted(peers) for peers in met] == [[1, 2], [0], [0]]
    for peer in (peer for peers in met for peer in peers.values()):
        rendezvous.close(peer)


def test_a_coordinator_that_comes_late_has_the_whole_time_to_gather_the_others(monkeypatch):
    monkeypatch.setattr(rendezvous, "JOIN", 6.0)
    port = faults.free_port()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rendezvous.answer, Place("127.0.0.1", port, 3, 1), {})
        time.sleep(3.0)
        first = pool.submit(rendezvous.call, Place("127.0.0.1", port, 3, 0), {})
        time.sleep(3.5)  # more than 6 s after the first
        last = pool.submit(rendezvous.answer, Place("127.0.0.1", port, 3, 2), {})
        met = [each.result() for each in (first, waiting, last)]
    assert [sorted(peers) for peers in met] == [[1, 2], [0], [0]]
    for peer in (peer for peers in met for peer in peers.values()):
        rendezvous.close(peer)


def test_a_coordinator_that_is_not_there_is_waited_for_and_named(hurried):
    port = faults.free_port()
    with pytest.raises(InputError, match=f"--coordinator_address 127.0.0.1:{port}: Connection refused; must be proc"):
        rendezvous.answer(Place("127.0.0.1", port, 2, 1), {})
    with socket.create_server(("127.0.0.1", port)):  # somebody else
        with pytest.raises(InputError, match="does not answer as process 0; must be process 0's, which was waited for"):
            rendezvous.answer(Place("127.0.0.1", port, 2, 1), {})
        with pytest.raises(InputError, match=f"--coordinator_address 127.0.0.1:{port}: .*in use; must be process 0's "):
            rendezvous.call(Place("127.0.0.1", port, 2, 0), {})


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
import os, sys, time
from pixelgan_jax import cli
from pixelgan_jax.commands import replicates

def execute(*_):
    if sys.argv[-1] == "--process_id=0":
        raise OSError("AllGather failed")
    time.sleep({seconds})
    os._exit(9)

replicates.execute = execute
sys.exit(cli.run_command(sys.argv[1:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="collectives of processes on one CPU")
@pytest.mark.parametrize(
    ("seconds", "statuses", "message"),
    [(1, [1, 9], "stopped: process 1 is gone; run the same commands to go on"), (600, [1, 1], "AllGather failed")],
)
def test_an_error_of_the_system_is_anothers_end_where_that_is_behind_it(tmp_path, seconds, statuses, message):
    started = faults.start(tmp_path / "run", 2, program=("-c", FAILING.format(seconds=seconds)))
    (status, _, err), (other_status, _, other_err) = faults.ended(started)
    assert [status, other_status] == statuses
    assert err.strip().endswith(message) and "Traceback" not in err
    assert other_status == 9 or other_err.strip() == err.strip()


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
