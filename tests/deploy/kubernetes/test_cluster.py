"""A real API server takes the manifests, and lets their pods into a restricted namespace."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.api_server import api_server
from tests.support.manifests import (
    OVERLAYS,
    objects,
    overlay,
    with_components,
    workload_named,
    workloads,
)
from tests.support.processes import ROOT
from tools.cells import slot_map

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.api_server import ApiServer
    from tests.support.manifests import Object

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
"""The first time both programs are built."""

CONFIGURATION: Final = """
apiVersion: v1
kind: Config
clusters:
  - {{name: it, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}
users: [{{name: it, user: {{token: {token}}}}}]
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
current-context: it
"""
"""How kubectl reaches the API server."""

ASK: Final = """\
import json, subprocess, sys
from gateway.cells.hash_slots import SlotMap
cell = sys.argv[1].split(".")[2]
command = ["kubectl", "get", "configmap", "cells", "--namespace", cell, "--output", "json"]
found = json.loads(subprocess.check_output(command))["data"]["cells.json"]
slots = SlotMap.parse(found.encode())
print(json.dumps({"cell": cell, "generation": slots.generation, "digest": slots.digest}))
"""
"""Answers for a gateway, which has the map of its namespace: no node runs one."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server."""
    with api_server(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module", params=(*OVERLAYS, "cells"))
def applied(
    request: pytest.FixtureRequest,
    server: ApiServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Object, ...]:
    """Apply an overlay with all components, in a namespace with its name; return its objects.

    The example of cells has namespaces of its own.
    """
    name = request.param
    found = overlay(name)
    if name in OVERLAYS:
        folder = tmp_path_factory.mktemp("overlay")
        found = with_components(folder, overlay=name, namespace=name)
    # Namespaces are the first of them, as kustomize puts them in order.
    for each in found:
        answer = server.apply(each)
        assert answer.status == 201, answer.body["message"]
    for each in found:
        if each["kind"] == "Namespace":
            account = {"name": "default", "namespace": each["metadata"]["name"]}
            made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}
            assert server.create(made).status == 201
    return found


def pod(workload: Object) -> Object:
    """Return a pod as the controller of a workload would create it."""
    template = copy.deepcopy(workload["spec"]["template"])
    namespace = workload["metadata"]["namespace"]
    template["metadata"] |= {"generateName": "tried-", "namespace": namespace}
    for each in workload["spec"].get("volumeClaimTemplates", ()):
        name = each["metadata"]["name"]
        volume = {"name": name, "persistentVolumeClaim": {"claimName": name}}
        template["spec"]["volumes"].append(volume)
    return {"apiVersion": "v1", "kind": "Pod", **template}


def test_it_is_taken_again(server: ApiServer, applied: tuple[Object, ...]) -> None:
    """Applying the same once more changes nothing."""
    for each in applied:
        path = f"{server.path(each)}/{each['metadata']['name']}"
        before = server.call(path).body["metadata"]["resourceVersion"]
        answer = server.apply(each)
        assert answer.status == 200
        assert answer.body["metadata"]["resourceVersion"] == before


def test_pods_are_let_in(server: ApiServer, applied: tuple[Object, ...]) -> None:
    """The namespace, which enforces `restricted`, takes each pod without a warning."""
    for workload in workloads(applied):
        answer = server.create(pod(workload))
        assert answer.status == 201, answer.body["message"]
        assert "Warning" not in answer.headers


def test_other_pods_are_not(server: ApiServer, applied: tuple[Object, ...]) -> None:
    """A pod without one of the restrictions is refused there, and so is a field with a typo."""
    worker = next(each for each in workloads(applied) if each["metadata"]["name"] == "worker")
    broken = pod(worker)
    del broken["spec"]["securityContext"]["seccompProfile"]
    answer = server.create(broken)
    assert answer.status == 403
    assert "violates PodSecurity" in answer.body["message"]

    typo = copy.deepcopy(worker)
    typo["spec"]["template"]["spec"]["enableServiceLink"] = False
    answer = server.apply(typo, dry=True)
    assert answer.status >= 400
    assert "enableServiceLink: field not declared" in answer.body["message"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_a_move_publishes_the_map(server: ApiServer, tmp_path: Path) -> None:
    """The map of each cell is applied, and nothing else; its pods are told to look at once."""
    cells = _copied(tmp_path)
    for each in objects(cells):
        server.apply(each)
    for namespace in ("moved-a", "moved-b"):
        account = {"name": "default", "namespace": namespace}
        server.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        found = [e for e in objects(cells) if e["metadata"].get("namespace") == namespace]
        # For a difference that a move is not to apply.
        workload_named(found, "worker")["spec"]["replicas"] = 7
        server.apply(workload_named(found, "worker"))
        answer = server.create(pod(workload_named(found, "gateway")))
        assert answer.status == 201, answer.body["message"]

    done = _move(server, tmp_path, cells)

    assert done.returncode == 0, done.stderr
    content = (cells / "map" / "cells.json").read_text()
    moved = slot_map.read(cells / "map" / "cells.json")
    assert (moved.generation, moved.slots[8].cell) == (3, "moved-b")
    assert "\n8 moved-b\n" in (cells / "front" / "slots.map").read_text()
    for namespace in ("moved-a", "moved-b"):
        path = f"/api/v1/namespaces/{namespace}"
        assert server.call(f"{path}/configmaps/cells").body["data"] == {"cells.json": content}
        (tried,) = server.call(f"{path}/pods").body["items"]
        assert tried["metadata"]["annotations"]["durable-http/map"]
        worker = server.call(f"/apis/apps/v1/namespaces/{namespace}/deployments/worker").body
        assert worker["spec"]["replicas"] == 7


def _copied(folder: Path) -> Path:
    """Return a copy of the example of cells, in namespaces of its own."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    cells = folder / "deploy" / "kubernetes" / "overlays" / "cells"
    for path in cells.rglob("*.*"):
        if path.is_file():
            text = path.read_text()
            for name in ("a", "b", "front"):
                text = text.replace(f"durable-http-{name}", f"moved-{name}")
            path.write_text(text)
    return cells


def _move(server: ApiServer, folder: Path, cells: Path) -> subprocess.CompletedProcess[str]:
    """Move a hash slot, as docs/cells.md says it, with another answer of the gateways."""
    (folder / "configuration").write_text(
        CONFIGURATION.format(port=server.port, token=server.token)
    )
    (folder / "ask.py").write_text(ASK)
    publish = cells.parents[1] / "move" / "publish.sh"
    return subprocess.run(
        [
            *(sys.executable, "-m", "tools.cells", "move", "--slot", "8", "--to", "moved-b"),
            *("--map", str(cells / "map" / "cells.json")),
            *("--slots-file", str(cells / "front" / "slots.map")),
            *("--haproxy-file", str(cells / "front" / "haproxy.cfg")),
            *("--ask", f"{sys.executable} {folder / 'ask.py'}", "--publish", f"{publish} {cells}"),
        ],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(folder / "configuration"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
