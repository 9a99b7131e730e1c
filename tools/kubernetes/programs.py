"""Programs of Kubernetes that are built from the Go module proxy, each once, as `.bin/NAME`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.server import ROOT, ServerError, compilers, report

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES: Final = ROOT / "tools" / "kubernetes"
PROGRAMS: Final = {
    "kustomize": ("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    "etcd": ("api-server", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": ("api-server", "k8s.io/kubernetes/cmd/kube-apiserver"),
}
"""The folder with the go.mod of each program, and its package."""


class BuildError(Exception):
    """A program cannot be had; the message says what to do."""


def program(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return a program's path, and build it if it is not there. Raises `BuildError`."""
    built = ROOT / ".bin" / name
    if built.is_file():
        return built
    folder, package = PROGRAMS[name]
    report(f"building {name} from the Go module proxy; only now")
    try:
        variables = {**environment, **compilers(environment), "CGO_ENABLED": "0"}
    except ServerError as error:
        raise BuildError(str(error)) from error
    built.parent.mkdir(exist_ok=True)
    partial = built.with_suffix(".partial")
    command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(partial), package]
    done = subprocess.run(command, cwd=MODULES / folder, env=variables, check=False)
    if done.returncode != 0:
        raise BuildError(f"{name} could not be built, see above")
    # Renamed at the end, so that an interrupted build leaves no broken program behind.
    partial.rename(built)
    return built


def module_file(module: str, path: str) -> Path:
    """Return a file of a Go module, `PATH@VERSION`, from the proxy. Raises `BuildError`."""
    variables = {**os.environ, **compilers(os.environ)}
    command = ["go", "mod", "download", module]
    # Outside of every module, where nothing else is looked at.
    if subprocess.run(command, cwd="/", env=variables, check=False).returncode != 0:
        raise BuildError(f"{module} cannot be had, see above")
    cache = subprocess.run(
        ["go", "env", "GOMODCACHE"], env=variables, capture_output=True, text=True, check=True
    )
    return Path(cache.stdout.strip()) / module / path
