"""The manifests of deploy/kubernetes as objects, and what is asked of their pods."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tools.kubernetes.manifests import FOLDER, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OVERLAYS: Final = ("sqlite", "postgres", "ha")
CELL: Final = "cells/a"
"""A cell of the example of two."""
FRONT: Final = "cells/front"
"""HAProxy before these."""
PODS: Final = frozenset({"Deployment", "StatefulSet"})

type Object = dict[str, Any]

TOP: Final = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [deploy/kubernetes/overlays/{overlay}]
components: [{components}]
"""
"""An overlay of a user with components."""

OPERATORS: Final = (
    "deploy/kubernetes/components/observability",
    "deploy/kubernetes/components/autoscaling",
)
BALANCER: Final = "deploy/kubernetes/components/balancer"
AS_CELL: Final = ("deploy/kubernetes/components/cell", "deploy/kubernetes/overlays/cells/map")


@cache
def overlay(name: str) -> tuple[Object, ...]:
    """Return the objects of one of our overlays, which must not be changed."""
    return objects(FOLDER / "overlays" / name)


def objects(folder: Path) -> tuple[Object, ...]:
    """Return the objects of a folder with a kustomization."""
    return tuple(yaml.safe_load_all(render(folder)))


def with_components(
    folder: Path,
    overlay: str = "sqlite",
    namespace: str = "durable-http",
    components: Sequence[str] = OPERATORS,
) -> tuple[Object, ...]:
    """Return the objects of an overlay with components, which is written into a new folder."""
    text = TOP.format(overlay=overlay, namespace=namespace, components=", ".join(components))
    (folder / "kustomization.yaml").write_text(reachable(text, folder))
    return objects(folder)


def reachable(text: str, folder: Path) -> str:
    """Return a kustomization whose paths, `deploy/kubernetes/…`, lead from the folder to ours."""
    return text.replace("deploy/kubernetes", str(FOLDER.relative_to(folder, walk_up=True)))


def named(found: Sequence[Object], kind: str, name: str) -> Object:
    """Return the one object with this kind and name."""
    (it,) = (
        each for each in found if each["kind"] == kind and each["metadata"]["name"].startswith(name)
    )
    return it


class Container(NamedTuple):
    """A container where it stands: `pod` is the name of its Deployment or StatefulSet."""

    pod: str
    name: str
    spec: Object
    runs_on: bool
    """Whether it is to run as long as its pod."""


def workloads(found: Sequence[Object]) -> Iterator[Object]:
    """Yield what makes pods."""
    return (each for each in found if each["kind"] in PODS)


def workload_named(found: Sequence[Object], name: str) -> Object:
    """Return the one Deployment or StatefulSet with this name."""
    (it,) = (each for each in workloads(found) if each["metadata"]["name"] == name)
    return it


def pod_of(workload: Object) -> Object:
    """Return the pod of a workload."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def containers(found: Sequence[Object]) -> Iterator[Container]:
    """Yield every container."""
    for workload in workloads(found):
        name, pod = workload["metadata"]["name"], pod_of(workload)
        for each in pod.get("initContainers", ()):
            yield Container(name, each["name"], each, runs_on=False)
        for each in pod["containers"]:
            yield Container(name, each["name"], each, runs_on=True)


def container(found: Sequence[Object], name: str) -> Object:
    """Return the one container with this name."""
    (it,) = (each.spec for each in containers(found) if each.name == name)
    return it


def environment(found: Sequence[Object], name: str, secret: str = "") -> dict[str, str]:
    """Return the environment of a container; what is in a Secret has the value `secret`.

    The pod has the name of the container, with `-pod`.
    """
    settings = named(found, "ConfigMap", "settings")
    own: dict[str, str] = settings["data"]
    fields = {
        "metadata.namespace": settings["metadata"]["namespace"],
        "metadata.name": f"{name}-pod",
    }
    spec = container(found, name)
    values = {}
    for each in spec.get("env", ()):
        field = each.get("valueFrom", {}).get("fieldRef")
        values[each["name"]] = fields[field["fieldPath"]] if field else each.get("value", secret)
    return {**(own if spec.get("envFrom") else {}), **values}
