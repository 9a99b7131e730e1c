"""The wheel of `durable_http`, built and installed as its users install it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT


def build_wheel(directory: Path) -> Path:
    """Build the wheel and return its path."""
    _uv("build", "--wheel", "--out-dir", str(directory))
    (wheel,) = directory.glob("*.whl")
    return wheel


def install(wheel: Path, directory: Path, *packages: str) -> Path:
    """Install the wheel and packages in a new environment; return its Python.

    They have the versions of the lock file: a test must not fail because of a release.
    """
    _uv("venv", "--python", sys.executable, str(directory))
    constraints = directory / "constraints.txt"
    _uv("export", "--locked", "--no-hashes", "--output-file", str(constraints))
    python = directory / "bin" / "python"
    _uv("pip", "install", "--python", str(python), "-c", str(constraints), str(wheel), *packages)
    return python


def run(python: Path, *arguments: str, cwd: Path) -> str:
    """Run a Python, which must succeed, and return its output; nothing of ours is on its path."""
    done = subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _uv(*arguments: str) -> None:
    # `make` installs uv beside the environment in which the tests run.
    beside = Path(sys.prefix).resolve().parent / ".tools" / "bin" / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    assert uv, "uv is missing; make sync installs it"
    done = subprocess.run(
        [uv, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}: {done.stderr}"
