"""Real processes. Ctrl-C and SIGTERM: saves, says so, and the same command ends as if it had never been stopped; and a
full disk."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pixelgan_jax import cli
from pixelgan_jax.training import logs, signals
from pixelgan_jax.training.checkpoint import Checkpoints
from tests import quick
from tests.command_line import DIGITS, ROOT, SMALL

HUNG = 300  # seconds after which a test has failed, on whatever machine
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def command(folder, steps):
    every = ["--config.train.log_every=1", "--config.train.checkpoint_every=10", "--config.optim.schedule=constant"]
    flags = ["--config", DIGITS, *SMALL, *every, f"--config.train.steps={steps}", f"--workdir={folder}"]
    return [sys.executable, "-m", "pixelgan_jax.main", *flags]


def start(folder, steps):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = quick.environment(folder.parent / "programs") | {"XLA_FLAGS": quick.XLA_FLAGS}
    return subprocess.Popen(command(folder, steps), cwd=ROOT, env=environment, **pipes)


def ended(process):
    """(status, stdout, last line of stderr after the progress bar)"""
    out, err = process.communicate(timeout=HUNG)
    assert "Traceback" not in err, err
    return process.returncode, out, err.splitlines()[-1]


def interrupt(folder, number, past):
    """Starts the command, sends the signal once a step past `past` is saved; the step it stopped at.

    That is the step under way: the signal arrives while the process stands still, so that its log tells how far it is.
    """
    process = start(folder, 10**6)
    deadline = time.monotonic() + HUNG
    try:
        while not any(int(path.name) > past for path in (folder / "checkpoints").glob("*[0-9]")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        logged = logs.read(folder)[-1]["step"]
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        status, out, said = ended(process)
    finally:
        process.kill()  # nothing, where it has ended
    assert status == 128 + number, said
    step = int(said.removeprefix(f"{number.name}: saved at step ").removesuffix("; run the same command to go on"))
    assert logged <= step <= logged + 1
    assert logs.read(folder)[-1]["step"] == step
    assert (f"resumed from step {past}\n" in out) == (past > 0)
    assert (folder / "checkpoints" / str(step)).is_dir()
    return step


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that was stopped by SIGTERM, then by Ctrl-C, and one that was not, of as many steps."""
    folder = tmp_path_factory.mktemp("signals")
    stopped, whole = folder / "stopped", folder / "whole"
    step = interrupt(stopped, signal.SIGTERM, 0)
    step = interrupt(stopped, signal.SIGINT, step)
    processes = [start(stopped, step + 5), start(whole, step + 5)]
    results = [ended(process) for process in processes]
    assert [status for status, _, _ in results] == [0, 0], results
    outs = [out for _, out, _ in results]
    assert f"resumed from step {step}\n" in outs[0]
    assert "resumed" not in outs[1]
    return stopped, whole


@pytest.mark.slow
def test_every_bit_of_the_last_checkpoint_is_the_same(runs):
    saved = []
    for folder in runs:
        with Checkpoints(folder, read_only=True) as checkpoints:
            step = checkpoints.steps()[-1]
            saved.append((step, checkpoints.meta(step)[1]))
    assert saved[0] == saved[1]


@pytest.mark.slow
def test_the_logs_are_the_same_but_for_the_speed(runs):
    rows = [[{k: v for k, v in row.items() if k != "images_per_second"} for row in logs.read(f)] for f in runs]
    assert [row["step"] for row in rows[1]] == list(range(1, len(rows[1]) + 1))
    assert rows[0] == rows[1]


@pytest.mark.slow
def test_a_daemon_needs_neither_output(tmp_path):
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command(tmp_path / "run", 2)]
    environment = quick.environment(tmp_path / "programs") | {"XLA_FLAGS": quick.XLA_FLAGS}
    assert subprocess.run(closed, cwd=ROOT, env=environment, timeout=HUNG).returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_the_loop_ends_the_command_without_a_traceback(capsys, tmp_path, number):
    (tmp_path / "mine.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    before = signal.getsignal(number)
    status = cli.run_command([f"--config={tmp_path / 'mine.py'}"])
    out, err = capsys.readouterr()
    assert (status, out) == (128 + number, "")
    assert err == f"{number.name}: stopped; run the same command to go on\n"
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_the_process_at_once():
    numbers, got = (signal.SIGINT, signal.SIGTERM), []
    before = [signal.getsignal(number) for number in numbers]
    with signals.handled_by(got.append):
        os.kill(os.getpid(), signal.SIGTERM)
        assert got == [signal.SIGTERM]
        assert [signal.getsignal(number) for number in numbers] == [signal.SIG_DFL] * 2  # the system's: no more Python
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_signal_that_is_deferred_is_answered_afterwards_and_a_second_one_ends_the_process():
    got, numbers = [], (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with signals.handled_by(got.append):
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            assert got == [] and signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert got == [signal.SIGTERM]
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_closed_terminal_and_a_batch_systems_notice_are_answered_too(number):
    before, got = signal.signal(number, signal.SIG_DFL), []  # which under nohup ignores the first
    try:
        with signals.handled_by(got.append):
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert got == [number]


def test_a_hang_up_that_nohup_ignores_stays_ignored():
    before, got = signal.signal(signal.SIGHUP, signal.SIG_IGN), []
    try:
        with signals.handled_by(got.append):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert got == []


def test_a_thread_leaves_signals_to_the_main_one():
    before, inside = signal.getsignal(signal.SIGTERM), []

    def run():
        with signals.handled_by(inside.append):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_command_without_a_traceback(tmp_path, number):
    """JAX is one here whose import does not end."""
    (tmp_path / "jax.py").write_text(f"import time\nprint('importing', flush=True)\ntime.sleep({HUNG})\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    told = [sys.executable, "-m", "pixelgan_jax.main", "--help"]
    process = subprocess.Popen(told, cwd=ROOT, env=environment, **pipes)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=HUNG) == ("", "")
    assert process.returncode == 128 + number


def test_a_full_disk_is_one_line_that_names_the_folder_and_status_1(tmp_path):
    limited = ["sh", "-c", 'ulimit -f 8 && exec "$@"', "sh", *command(tmp_path / "run", 1)]
    done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, timeout=HUNG)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path / 'run' / 'checkpoints'}: File too large"
    assert not list((tmp_path / "run" / "checkpoints").glob("*[0-9]"))
