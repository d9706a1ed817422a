"""Real processes. Ctrl-C and SIGTERM: saves, says so, and the same command ends as if it had never been stopped; and a
full disk."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixelgan_jax import cli
from pixelgan_jax.training import logs, signals
from pixelgan_jax.training.checkpoint import Checkpoints
from tests.test_cli import DIGITS, ROOT, SMALL

STEPS = 250
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def command(folder):
    every = ["--config.train.log_every=7", "--config.train.evaluate_every=200", "--config.train.checkpoint_every=10"]
    flags = ["--config", DIGITS, *SMALL, *every, f"--config.train.steps={STEPS}", f"--workdir={folder}"]
    return [sys.executable, "-m", "pixelgan_jax.main", *flags]


def start(folder):
    return subprocess.Popen(command(folder), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """(status, stdout, last line of stderr after the progress bar)"""
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, err.splitlines()[-1]


def interrupt(folder, number, past):
    """Starts the command, sends the signal once a step past `past` is saved; the step it stopped at."""
    process = start(folder)
    deadline = time.monotonic() + 300
    while not any(int(path.name) > past for path in (folder / "checkpoints").glob("*[0-9]")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    sent = time.monotonic()
    status, out, said = ended(process)
    assert time.monotonic() - sent < 10  # as docs/reliability.md says
    assert status == 128 + number, said
    step = int(said.removeprefix(f"{number.name}: saved at step ").removesuffix("; run the same command to go on"))
    assert past < step < STEPS
    assert (f"resumed from step {past}\n" in out) == (past > 0)
    assert (folder / "checkpoints" / str(step)).is_dir()
    return step


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that was stopped by SIGTERM, then by Ctrl-C, and one that was not: (workdir, stdout of the last command)"""
    folder = tmp_path_factory.mktemp("signals")
    stopped, whole = folder / "stopped", folder / "whole"
    with ThreadPoolExecutor() as pool:  # the other core has nothing to do
        beside = pool.submit(lambda: ended(start(whole)))
        step = interrupt(stopped, signal.SIGTERM, 0)
        step = interrupt(stopped, signal.SIGINT, step)
        results = [ended(start(stopped)), beside.result()]
    assert [status for status, _, _ in results] == [0, 0], results
    outs = [out for _, out, _ in results]
    assert f"resumed from step {step}\n" in outs[0]
    assert "resumed" not in outs[1]
    return stopped, whole


def test_every_bit_of_the_last_checkpoint_is_the_same(runs):
    sums = []
    for folder in runs:
        with Checkpoints(folder, read_only=True) as checkpoints:
            _, saved = checkpoints.meta(STEPS)
        sums.append(saved)
    assert sums[0] == sums[1]


def test_the_logs_are_the_same_but_for_the_speed(runs):
    rows = [[{k: v for k, v in row.items() if k != "images_per_second"} for row in logs.read(f)] for f in runs]
    assert [row["step"] for row in rows[1]][:4] == [1, 7, 14, 21]
    assert rows[1][-1]["step"] == STEPS
    assert rows[0] == rows[1]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_imports_ends_the_command_without_a_traceback(number):
    told = [sys.executable, "-X", "importtime", "-m", "pixelgan_jax.main", "--help"]
    process = subprocess.Popen(told, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = iter(process.stderr.readline, "")
    assert any(line.split("|")[-1].strip() == "numpy" for line in lines)  # done; JAX is yet to come
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert "Traceback" not in err and "pixelgan_jax.api" not in err


def test_a_full_disk_is_one_line_that_names_the_folder_and_status_1(tmp_path):
    limited = ["sh", "-c", 'ulimit -f 8 && exec "$@"', "sh", *command(tmp_path / "run"), "--config.train.steps=1"]
    done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == f"error: {tmp_path / 'run' / 'checkpoints'}: File too large"
    assert not list((tmp_path / "run" / "checkpoints").glob("*[0-9]"))
