"""A real API server takes the manifests, and lets their pods into a restricted namespace."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from tests.support.api_server import api_server
from tests.support.manifests import OVERLAYS, named, with_components, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.api_server import ApiServer
    from tests.support.manifests import Object

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
"""The first time both programs are built."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server."""
    with api_server(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module", params=OVERLAYS)
def applied(
    request: pytest.FixtureRequest,
    server: ApiServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Object, ...]:
    """Apply an overlay with all components, in a namespace with its name; return its objects."""
    folder = tmp_path_factory.mktemp("overlay")
    found = with_components(folder, overlay=request.param, namespace=request.param)
    # The namespace is the first of them, as kustomize puts them in order.
    for each in found:
        answer = server.apply(each)
        assert answer.status == 201, answer.body["message"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount",
               "metadata": {"name": "default", "namespace": request.param}}  # fmt: skip
    assert server.create(account).status == 201
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
    broken = pod(named(applied, "Deployment", "worker"))
    del broken["spec"]["securityContext"]["seccompProfile"]
    answer = server.create(broken)
    assert answer.status == 403
    assert "violates PodSecurity" in answer.body["message"]

    typo = copy.deepcopy(named(applied, "Deployment", "worker"))
    typo["spec"]["template"]["spec"]["enableServiceLink"] = False
    answer = server.apply(typo, dry=True)
    assert answer.status >= 400
    assert "enableServiceLink: field not declared" in answer.body["message"]
