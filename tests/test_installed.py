"""The package as pip installs it, away from its checkout: experiments can be imported, own files lie anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN = """
from experiments import base

def get_config():
    config = base.get_config()
    config.prior.name = "none"
    config.data.labels = 0
    config.model.update(channels=2, layers=0)
    config.train.update(steps=1, batch_size=8)
    return config
"""


@pytest.mark.slow
def test_an_experiment_of_ones_own_runs_from_anywhere(tmp_path):
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", f"--target={place}"]
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    subprocess.run([*pip, str(source)], check=True)
    assert {path.name for path in place.iterdir()} >= {"pixelgan_jax", "experiments"}
    assert (place / "pixelgan_jax/report/report.html.jinja").exists()
    (tmp_path / "own.py").write_text(OWN)
    environment = os.environ | {"PYTHONPATH": str(place), "JAX_PLATFORMS": "cpu"}
    told = [sys.executable, "-m", "pixelgan_jax.main", "--config", "own.py", "--workdir", "run"]
    done = subprocess.run(told, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/report.html").exists() and (tmp_path / "run/explore.html").exists()
