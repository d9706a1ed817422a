"""Several processes: which each is, how JAX is asked for the others, and real ones of which one ends."""

import signal
import sys
import time

import jax
import numpy as np
import pytest

from pixelgan_jax import cli
from pixelgan_jax.errors import InputError
from pixelgan_jax.training import processes
from pixelgan_jax.training.processes import Member
from tests.faults import kill
from tests.faults import processes as faults

FLAGS = {"coordinator_address": "there:1234", "num_processes": "4", "process_id": "3"}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="collectives of processes on one CPU")


def test_flags_say_which_process_this_is():
    assert processes.member({}) is None
    assert processes.member(FLAGS) == Member("there:1234", 4, 3)
    for address in ("[::1]:80", "::1:80"):
        assert processes.member(FLAGS | {"coordinator_address": address}).coordinator_address == "[::1]:80"
    assert processes.member({"num_processes": "1"}).num_processes == 1


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


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "OMPI_COMM_WORLD_SIZE": "1"}, False),
        ({"SLURM_NTASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"KUBERNETES_SERVICE_HOST": "there"}, False),
        ({"KUBERNETES_SERVICE_HOST": "there", "JOB_COMPLETION_INDEX": "0"}, True),
    ],
)
def test_only_one_of_several_processes_was_launched(monkeypatch, tmp_path, variables, expected):
    for name in ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert processes.launched(tmp_path) is expected


def test_a_process_beside_tpu_chips_may_have_been_launched(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(processes, "find_spec", lambda name: name == "libtpu")
    assert not processes.launched(tmp_path)
    (tmp_path / "accel0").touch()
    assert processes.launched(tmp_path)


@pytest.fixture
def initialize(monkeypatch):
    """A function that has JAX answer so, and gives what it is asked. This process was launched as one of several."""

    def answers(error=None):
        asked = []

        def initialized(**given):
            asked.append(given)
            if error:
                raise error

        monkeypatch.setattr(jax.distributed, "initialize", initialized)
        return asked

    monkeypatch.setattr(processes, "launched", lambda: True)
    preemption = jax.config.jax_enable_preemption_service
    yield answers
    jax.config.update("jax_enable_preemption_service", preemption)


def test_a_process_trains_alone_where_jax_knows_of_no_others(initialize):
    asked = initialize(ValueError("coordinator_address should be defined."))
    processes.join(None, {})
    assert len(asked) == 1 and not asked[0].keys() & set(processes.FLAGS)
    with pytest.raises(InputError, match="--coordinator_address there:1234: .* should be defined"):  # but was told of
        processes.join(Member("there:1234", 4, 3), {})
    assert asked[1].items() >= Member("there:1234", 4, 3)._asdict().items()
    initialize()
    processes.join(None, {})  # one host of Cloud TPU
    assert not processes._joined.is_set()


@pytest.mark.parametrize("this", [None, processes.member({"num_processes": "1"})])
def test_a_process_that_is_the_only_one_asks_nobody(initialize, monkeypatch, this):
    asked = initialize(AssertionError)
    if this is None:
        monkeypatch.setattr(processes, "launched", lambda: False)
    processes.join(this, {})
    assert not asked


@pytest.mark.parametrize("error", [RuntimeError("403 - Forbidden"), KeyError("403 - Forbidden"), ValueError("403 - F")])
def test_a_cluster_that_does_not_say_who_is_in_it_is_refused(initialize, error):
    initialize(error)
    with pytest.raises(InputError, match="cluster: .*403 - F.*; --num_processes=1 trains in this process alone"):
        processes.join(None, {})


@pytest.mark.parametrize("mode", ["table", "figure", "predict", "export"])
def test_processes_of_these_modes_never_join(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(processes, "join", lambda *_: pytest.fail("joined"))
    told = [
        "--config",
        str(kill.ROOT / "experiments" / "digits.py"),
        "--mode",
        mode,
        "--workdir",
        str(tmp_path / "run"),
    ]
    told += ["--input", str(tmp_path / "none")] * (mode == "predict")
    assert cli.run_command(told) == 2  # there is no plan, and no model


@linux
@pytest.mark.slow
def test_processes_that_slurm_started_find_each_other_and_compare_what_they_were_told(tmp_path):
    folder = tmp_path / "run"
    results = faults.ended(faults.start(folder, 2, each={1: ["--config.train.seed=5"]}, slurm=True))
    for status, _, err in results:
        assert status == 2 and not folder.exists()
        assert "error: config.train.seed: differs between process 0 and process 1; must be the same" in err.splitlines()


def test_errors_of_collectives_are_the_echo_of_anothers_end(monkeypatch):
    gone = [jax.errors.JaxRuntimeError("INTERNAL"), OSError(5, "UNKNOWN: Gloo AllGather failed", "checkpoints")]
    own = [jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: memory"), OSError(28, "No space left", "checkpoints")]
    assert not any(map(processes.echoes, gone))  # alone
    monkeypatch.setattr(processes._joined, "is_set", lambda: True)
    assert all(map(processes.echoes, gone)) and not any(map(processes.echoes, own))


PROGRAM = """
import sys, time
import jax
from jax.experimental import multihost_utils
from pixelgan_jax import cli
from pixelgan_jax.commands import replicates

def execute(*_):
    if sys.argv[-1] == "--process_id={ends}":
        {statement}
    while True:
        multihost_utils.process_allgather(jax.numpy.zeros(1))

replicates.execute = execute
sys.exit(cli.run_command(sys.argv[1:]))
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("ends", "statement", "status", "message"),
    [
        (1, "raise OSError(28, 'No space left on device', 'here')", 1, "error: here: No space left on device"),
        (1, "sys.stderr = open('/dev/full', 'w'); raise KeyError('a bug that nobody hears of')", 1, ""),
        (0, "raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: memory')", 1, "RESOURCE_EXHAUSTED: memory"),
    ],
)
def test_what_ends_one_process_is_said_by_it_and_ends_the_others(tmp_path, ends, statement, status, message):
    started = faults.start(tmp_path / "run", 2, program=PROGRAM.format(ends=ends, statement=statement))
    results = faults.ended(started)
    own, _, err = results[ends]
    assert own == status and err.strip().endswith(message)
    other, _, other_err = results[1 - ends]
    assert faults.ended_with_another(other, other_err)


@linux
@pytest.mark.slow
def test_a_process_that_waits_for_the_reports_hears_a_signal(tmp_path):
    statement = "print('done', flush=True); return"
    started = faults.start(tmp_path / "run", 2, program=PROGRAM.format(ends=1, statement=statement))
    assert any(line == "done\n" for line in started[1].stdout)
    time.sleep(1.0)  # it may be about to wait: the signal ends it then as well
    started[1].send_signal(signal.SIGTERM)
    (other, _, other_err), (status, _, err) = faults.ended(started)
    assert status == 143 and err.strip() == "SIGTERM: stopped; run the same command to go on"
    assert faults.ended_with_another(other, other_err)


@linux
@pytest.mark.slow
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
