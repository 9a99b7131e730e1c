"""The manifests as Kubernetes and the operators take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import yaml
from kubernetes_validate import utils

from tests.support.manifests import OVERLAYS, objects, overlay, reachable, with_components
from tests.support.operators import OPERATORS
from tests.support.processes import ROOT
from tools.kubernetes.manifests import ALERTS, RULE, prometheus_rule

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Object

MINORS: Final = sorted(
    {tuple(map(int, version.split(".")[:2])) for version in utils.all_versions()}
)[-2:]
"""The two newest versions of Kubernetes whose schemas there are."""


@pytest.mark.parametrize("minor", MINORS, ids=lambda minor: ".".join(map(str, minor)))
def test_kubernetes_takes_them(minor: tuple[int, int]) -> None:
    """Each object of an overlay fits its schema, and has no field that this does not know."""
    # The overlays have most of their objects in common.
    different = {str(each): each for name in (*OVERLAYS, "cells") for each in overlay(name)}
    for each in different.values():
        utils.validate(each, ".".join(map(str, minor)), strict=True)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """Return an overlay with all components."""
    return with_components(tmp_path_factory.mktemp("overlay"))


def test_operators_take_them(everything: tuple[Object, ...]) -> None:
    """What is for operators has the fields that their documentation has, and no others."""
    plain = {(each["apiVersion"], each["kind"]) for each in overlay("sqlite")}
    added = [e for e in everything if (e["apiVersion"], e["kind"]) not in plain]

    assert {(each["apiVersion"], each["kind"]) for each in added} == OPERATORS.keys()
    for each in added:
        assert each["metadata"]["namespace"] == "durable-http"
        msgspec.convert(each["spec"], OPERATORS[each["apiVersion"], each["kind"]])


def test_the_alerts_are_those_of_their_file() -> None:
    """The PrometheusRule has been made from the alerts as they are."""
    assert RULE.read_text() == prometheus_rule(), "python -m tools.kubernetes.manifests rules"
    assert yaml.safe_load(RULE.read_text())["spec"] == yaml.safe_load(ALERTS.read_text())


def test_monitors_find_their_jobs(everything: tuple[Object, ...]) -> None:
    """Each job has the name it has in Prometheus' own file, and asks ports that there are."""
    monitors = [each for each in everything if each["kind"].endswith("Monitor")]
    ports = {
        str(port["name"])
        for each in everything
        if each["kind"] in {"Service", "Deployment"}
        for port in (
            each["spec"].get("ports")
            or each["spec"]["template"]["spec"]["containers"][0].get("ports", ())
        )
    }
    jobs = set()
    for each in monitors:
        spec = each["spec"]
        (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
        jobs.add(endpoint["relabelings"][0]["replacement"])
        assert endpoint["port"] in ports

    scrapes = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())
    assert jobs == {each["job_name"] for each in scrapes["scrape_configs"]}


def test_workers_are_scaled(everything: tuple[Object, ...]) -> None:
    """KEDA sets the number of workers, by metrics that there are, and never to none."""
    (scaled,) = (each["spec"] for each in everything if each["kind"] == "ScaledObject")
    (worker,) = (
        each["spec"]
        for each in everything
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "worker"
    )
    page = (ROOT / "docs" / "metrics.md").read_text()

    assert scaled["minReplicaCount"] >= 1
    assert "replicas" not in worker
    queries = " ".join(trigger["metadata"]["query"] for trigger in scaled["triggers"])
    used = re.findall(r"\bdurable_\w+", queries)
    assert used
    counted = re.findall(r'\bdurable_\w+\{namespace="durable-http"\}', queries)
    assert len(counted) == len(used), "workers of other namespaces count as well"
    assert all(f"| `{name}` | gauge |" in page for name in used)


def test_the_pages_overlay_works(tmp_path: Path) -> None:
    """The kustomization of docs/kubernetes.md renders, with its images, settings and namespace."""
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    text = page.partition("```yaml\n# kustomization.yaml")[2].partition("```")[0]
    (tmp_path / "kustomization.yaml").write_text(
        reachable(text.replace("../durable-http/", ""), tmp_path)
    )

    found = objects(tmp_path)

    assert {each["metadata"].get("namespace", "orders") for each in found} == {"orders"}
    (scaled,) = (each["spec"] for each in found if each["kind"] == "ScaledObject")
    queries = " ".join(trigger["metadata"]["query"] for trigger in scaled["triggers"])
    assert set(re.findall(r'namespace="([^"]*)"', queries)) == {"orders"}
    images = {
        container["image"]
        for each in found
        if each["kind"] == "Deployment"
        for part in ("initContainers", "containers")
        for container in each["spec"]["template"]["spec"].get(part, ())
    }
    assert images
    assert all(image.startswith("registry.example/") for image in images)
    (settings,) = (e for e in found if e["metadata"]["name"].startswith("settings-"))
    assert settings["data"].items() > {"WORKER_CONCURRENCY": "32", "LOG_LEVEL": "info"}.items()
    threshold = int(scaled["triggers"][0]["metadata"]["threshold"])
    assert threshold == int(settings["data"]["WORKER_CONCURRENCY"]) * 3 / 4
