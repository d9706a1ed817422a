"""python -m tests.faults.processes: real processes on this machine that train one small run together.

Two and four of them make the losses that one makes; a run goes from four to two to one with no step lost or done twice;
when one is killed, told to stop, or told something else than the others, all end, in the time promised.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pixelgan_jax.training import logs
from tests import quick
from tests.faults import kill

# every phase of a step, every step logged
FLAGS = [*kill.FLAGS, "--config.model.layers=0", "--config.train.steps=20", "--config.optim.schedule=constant"]
FLAGS += ["--config.train.evaluate_every=100"]
LOSSES = ("reconstruction_nats", "discriminator_loss", "generator_loss", "supervised_loss")
ENOUGH = 400.0  # seconds that anything may take on a busy machine, where nothing is promised
GONE = 30.0  # seconds in which the others end when one is killed, as docs/reliability.md says; on an idle machine
BY_JAX = "JAX distributed service detected fatal errors"


def reserved_port() -> int:
    """A port that nobody else is given until this process ends, and that SO_REUSEADDR lets others listen on."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    reserved.detach()  # stays open, though nobody holds it
    return port


def start(
    folder: Path,
    count: int,
    *flags: str,
    each: dict[int, list[str]] | None = None,
    program: str | None = None,
    slurm: bool = False,
) -> list[subprocess.Popen]:
    """`count` processes that train in `folder`; `each`: flags of one of them alone, by its number; `program`: a text in
    place of the command; `slurm`: they are told of each other by what SLURM's srun sets, in place of flags."""
    environment = quick.environment(folder.parent / "compiled") | {"OMP_NUM_THREADS": "1"}
    environment["XLA_FLAGS"] = quick.XLA_FLAGS  # one device each, whatever the tests use
    port, made = reserved_port(), []
    run = ["-c", program] if program else ["-m", "pixelgan_jax.main"]
    for i in range(count):
        told = [sys.executable, *run, *FLAGS, f"--workdir={folder}", *flags]
        if not slurm:
            told += [f"--coordinator_address=127.0.0.1:{port}", f"--num_processes={count}", f"--process_id={i}"]
        told += (each or {}).get(i, [])
        own = environment | ({"SLURM_PROCID": str(i), **_srun(count, port)} if slurm else {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        made.append(subprocess.Popen(told, cwd=kill.ROOT, env=own, **pipes))
    return made


def _srun(count: int, port: int) -> dict[str, str]:
    """What JAX reads of srun's environment, of one host with `count` tasks."""
    job = {"SLURM_JOB_ID": "1", "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_NUM_NODES": "1", "SLURM_LOCALID": "0"}
    return job | {"SLURM_NTASKS": str(count), "JAX_COORDINATOR_PORT": str(port)}


def ended(processes: list[subprocess.Popen], within: float = ENOUGH) -> list[tuple[int, str, str]]:
    """(status, stdout, stderr) of each, in their order; AssertionError where one has not ended by then."""
    limit, results = time.monotonic() + within, []
    try:
        for process in processes:
            out, err = process.communicate(timeout=max(limit - time.monotonic(), 0.1))
            results.append((process.returncode, out, err))
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"not ended within {within:.0f} seconds") from error
    finally:
        for process in processes:
            process.kill()  # nothing, where it has ended
    return results


def done(folder: Path, count: int, *flags: str) -> str:
    """Runs `count` processes to their end; what the first printed. The others print nothing of their own."""
    (status, out, err), *others = ended(start(folder, count, *flags))
    assert status == 0, err
    for status, own, err in others:
        assert (status, "step" in own + err) == (0, False), own + err
    return out


def await_step(folder: Path, step: int, processes: list[subprocess.Popen]) -> None:
    """Returns when a checkpoint of that step or a later one is there."""
    limit = time.monotonic() + ENOUGH
    while kill.newest(folder) < step:
        assert time.monotonic() < limit and not any(p.poll() for p in processes), ended(processes, 1.0)
        time.sleep(0.05)


def losses(folder: Path) -> dict[int, np.ndarray]:
    """The losses by step. AssertionError where a step is missing, or there twice."""
    rows = logs.read(folder)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1)), [row["step"] for row in rows]
    return {row["step"]: np.array([row[name] for name in LOSSES if name in row]) for row in rows}


def compare(folder: Path, alone: Path) -> str:
    """Both runs made the same 20 steps: the first to 1e-5, the last to 1e-3."""
    ours, theirs = losses(folder), losses(alone)
    assert ours.keys() == theirs.keys() and max(ours) == 20, (ours.keys(), theirs.keys())
    worst = {step: float(np.max(np.abs(ours[step] / theirs[step] - 1.0))) for step in (1, 20)}
    assert worst[1] < 1e-5 and worst[20] < 1e-3, worst
    return f"losses differ from one process's by {worst[1]:.1e} at step 1, {worst[20]:.1e} at step 20"


def check_same(place: Path) -> None:
    done(place / "one", 1)
    for count in (2, 4):
        done(place / str(count), count)
        print(f"{count} processes: {compare(place / str(count), place / 'one')}", flush=True)
    before = json.loads((place / "4" / "results.json").read_text())
    done(place / "4", 1, "--mode=evaluate")
    after = json.loads((place / "4" / "results.json").read_text())
    assert (before["device"]["processes"], after["device"]["processes"]) == (4, 1)
    for name, value in before["test"].items():
        np.testing.assert_allclose(after["test"][name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    print("one process evaluates what four have trained to the same results", flush=True)


def check_resume(place: Path) -> None:
    folder, resumed = place / "fewer", []
    for count, steps in ((4, 8), (2, 14), (1, 20)):
        out = done(folder, count, f"--config.train.steps={steps}")
        resumed += re.findall(r"resumed from step (\d+)", out)
        assert max(losses(folder)) == steps
    assert resumed == ["8", "14"], resumed
    print(f"from 4 to 2 to 1 process: every step once; {compare(folder, place / 'one')}", flush=True)


def ended_with_another(status: int, err: str) -> bool:
    """Whether a process ended because another was gone: by our line where a collective of its own failed first, and
    else by JAX, which aborts it."""
    said = "stopped: another process is gone" in err and "run the same commands to go on" in err
    return (status == 1 and said and "Traceback" not in err) or (status == -signal.SIGABRT and BY_JAX in err)


def check_kill(place: Path, count: int, victim: int, *flags: str, within: float = ENOUGH) -> str:
    """Kills one of the processes at work; what the first of the others said. They end within so many seconds."""
    folder = place / f"killed_{count}_{victim}"
    processes = start(folder, count, "--config.train.steps=100000", *flags)
    await_step(folder, 5, processes)
    processes[victim].kill()
    killed = time.monotonic()
    results = ended(processes, within)
    seconds = time.monotonic() - killed
    for i, (status, _, err) in enumerate(results):
        if i != victim:
            assert ended_with_another(status, err), (status, err)
    print(f"process {victim} of {count} killed: the others ended after {seconds:.1f} s", flush=True)
    return results[victim == 0][2]


def check_stop(place: Path) -> None:
    folder = place / "stopped"
    processes = start(folder, 2, "--config.train.steps=100000")
    await_step(folder, 5, processes)
    processes[1].send_signal(signal.SIGTERM)
    results = ended(processes)
    steps = {re.search(r"SIGTERM: saved at step (\d+); run the same command to go on", err)[1] for _, _, err in results}
    assert [status for status, _, _ in results] == [143, 143] and len(steps) == 1, results
    assert kill.newest(folder) == int(steps.pop())
    print(f"SIGTERM to one of 2: both saved at step {kill.newest(folder)}", flush=True)


def check_refusals(place: Path) -> None:
    """One line, the same for all, status 2, nothing on disk."""
    folder = place / "refused"
    cases = {
        "--num_processes: differs between process 0 and process 1; must be the same": ([], {1: ["--num_processes=3"]}),
        "--config: differs between process 0 and process 1; must be the same": (
            [],
            {1: [f"--config={kill.ROOT}/experiments/digits_clusters.py"]},
        ),
        "config.train.seed: differs between process 0 and process 1; must be the same": (
            [],
            {1: ["--config.train.seed=5"]},
        ),
        "config.train.batch_size: 15 is not allowed: must be a multiple of the 2 devices": (
            ["--config.train.batch_size=15"],
            {},
        ),
    }
    for message, (flags, each) in cases.items():
        for status, _, err in ended(start(folder, 2, *flags, each=each)):
            assert status == 2 and f"error: {message}" in err.splitlines(), (message, err)
            assert "Traceback" not in err and not folder.exists()
        print(f"refused: {message}", flush=True)
    begun = time.monotonic()
    first, second = start(folder, 2)
    first.kill()  # before it listens
    ((status, _, err),) = ended([second])
    first.communicate()
    assert status == -signal.SIGABRT and "DEADLINE_EXCEEDED" in err and not folder.exists(), (status, err)
    print(f"unreachable: JAX aborts after {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        check_same(place)
        check_resume(place)
        for count, victim in ((2, 1), (2, 0), (4, 2)):
            check_kill(place, count, victim, within=GONE)
        check_stop(place)
        check_refusals(place)
