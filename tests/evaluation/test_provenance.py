"""The commit is that of the package's own checkout, or none."""

import json
import platform
import shutil
import subprocess

import jax
import pytest

from pixelgan_jax.evaluation import provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def _git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, which holds the module as far as it can tell."""
    module = tmp_path / "package" / "provenance.py"
    module.parent.mkdir()
    module.write_text("one")
    monkeypatch.setattr(provenance, "__file__", str(module))
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def _commit():
    return provenance.device_and_versions()["git_commit"]


def test_versions_and_device_are_json():
    found = json.loads(json.dumps(provenance.device_and_versions()))
    assert list(found["versions"]) == ["python", "jax", "jaxlib", "flax", "optax"]
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["jax"] == jax.__version__
    assert found["device"] == {"kind": jax.devices()[0].device_kind, "count": jax.device_count(), "processes": 1}


@needs_git
def test_a_changed_file_makes_the_commit_dirty(checkout):
    head = _git(checkout, "rev-parse", "HEAD")
    assert _commit() == head and len(head) == 40
    (checkout / "untracked").touch()
    assert _commit() == head
    (checkout / "package" / "provenance.py").write_text("two")
    assert _commit() == f"{head}-dirty"


@needs_git
def test_a_checkout_of_something_else_has_no_say(checkout, monkeypatch):
    installed = checkout / "venv" / "provenance.py"
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr(provenance, "__file__", str(installed))
    assert _commit() is None


@needs_git
def test_variables_of_a_hook_are_not_followed(checkout, monkeypatch):
    head = _git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(checkout / "elsewhere"))
    assert _commit() == head


def test_without_git_or_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert _commit() is None
    monkeypatch.setenv("PATH", "")
    assert _commit() is None


@pytest.mark.parametrize("failure", [subprocess.TimeoutExpired("git", 5), PermissionError(13, "denied")])
def test_a_git_that_hangs_or_cannot_run_is_no_commit(monkeypatch, failure):
    def run(*_, **__):
        raise failure

    monkeypatch.setattr(subprocess, "run", run)
    assert _commit() is None
