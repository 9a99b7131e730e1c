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
PODS: Final = frozenset({"Deployment", "StatefulSet"})

type Object = dict[str, Any]

TOP: Final = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [deploy/kubernetes/overlays/{overlay}]
components: [deploy/kubernetes/components/observability, deploy/kubernetes/components/autoscaling]
"""
"""An overlay of a user with all components."""


@cache
def overlay(name: str) -> tuple[Object, ...]:
    """Return the objects of one of our overlays, which must not be changed."""
    return objects(FOLDER / "overlays" / name)


def objects(folder: Path) -> tuple[Object, ...]:
    """Return the objects of a folder with a kustomization."""
    return tuple(yaml.safe_load_all(render(folder)))


def with_components(
    folder: Path, overlay: str = "sqlite", namespace: str = "durable-http"
) -> tuple[Object, ...]:
    """Return the objects of an overlay with all components, which is written into a new folder."""
    text = TOP.format(overlay=overlay, namespace=namespace)
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
    """Return the environment of a container; what is in a Secret has the value `secret`."""
    settings: dict[str, str] = named(found, "ConfigMap", "settings")["data"]
    spec = container(found, name)
    return {
        **(settings if spec.get("envFrom") else {}),
        **{each["name"]: each.get("value", secret) for each in spec.get("env", ())},
    }
