"""What a run was made with: versions, devices and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import jax


def _git(*arguments: str) -> str | None:
    """What git says in this package's folder; None where it fails, takes longer than 5 seconds or is not there."""
    # Variables such as GIT_DIR, set inside a hook, would point git at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            # `git status` may not take the lock that the user's own git is waiting for.
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()


def _git_commit() -> str | None:
    # An installed package may lie inside a checkout of something else, which then does not know this file.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit, changes = _git("rev-parse", "--verify", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if commit and changes else commit


def device_and_versions() -> dict[str, Any]:
    """The `versions`, `device` and `git_commit` of results.json.

    The commit ends in "-dirty" when a tracked file was changed; it is None outside a checkout and without git.
    """
    return {
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "count": jax.device_count(),
            "processes": jax.process_count(),
        },
        "git_commit": _git_commit(),
    }
