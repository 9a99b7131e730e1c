"""Renders the manifests of deploy/kubernetes, and makes the one of them that is generated.

`python -m tools.kubernetes.manifests render NAME` prints an overlay, or any folder with a
kustomization; `… rules` makes the PrometheusRule of deploy/observability/alerts.yml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.kubernetes.programs import BuildError, program
from tools.server import ROOT, report

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = ROOT / "deploy" / "kubernetes"
ALERTS: Final = ROOT / "deploy" / "observability" / "alerts.yml"
RULE: Final = FOLDER / "components" / "observability" / "prometheus-rule.yaml"
BUILT: Final = ROOT / ".bin" / "kustomize"

RULE_HEAD: Final = """\
# Made from deploy/observability/alerts.yml by: python -m tools.kubernetes.manifests rules
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: durable-http
spec:
"""


class ManifestsError(Exception):
    """The manifests cannot be rendered; the message says why."""


def renderer(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command that renders a folder: of kustomize or kubectl, or one that is built now.

    Raises `ManifestsError`.
    """
    path = environment.get("PATH")
    if BUILT.is_file():
        return [str(BUILT), "build"]
    if (kustomize := shutil.which("kustomize", path=path)) is not None:
        return [kustomize, "build"]
    if (kubectl := shutil.which("kubectl", path=path)) is not None:
        return [kubectl, "kustomize"]
    try:
        return [str(program("kustomize", environment)), "build"]
    except BuildError as error:
        raise ManifestsError(str(error)) from error


def render(folder: Path) -> str:
    """Return the manifests of a folder as YAML documents. Raises `ManifestsError`."""
    done = subprocess.run(
        [*renderer(), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise ManifestsError(done.stderr)
    return done.stdout


def prometheus_rule() -> str:
    """Return the manifest with the alerts, as they are in their file."""
    _, groups, rest = ALERTS.read_text().partition("groups:\n")
    lines = (groups + rest).splitlines()
    return RULE_HEAD + "".join(f"  {line}".rstrip() + "\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Return 0 if it is done, 1 if not, 2 for wrong arguments."""
    try:
        match arguments:
            case ["render", name]:
                overlay = FOLDER / "overlays" / name
                print(render(overlay if overlay.is_dir() else Path(name)), end="")
            case ["rules"]:
                RULE.write_text(prometheus_rule())
            case _:
                report("usage: python -m tools.kubernetes.manifests render NAME | rules")
                return 2
    except ManifestsError as error:
        report(f"manifests: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
