"""What every pod of every overlay keeps to, and what each kind of pod is made of."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from gateway.environment import gateway_settings
from gateway.settings import Deadlines
from tests.support.manifests import (
    CELL,
    FRONT,
    OVERLAYS,
    container,
    containers,
    environment,
    named,
    overlay,
    pod_of,
    workload_named,
    workloads,
)
from tests.support.processes import ROOT
from worker.settings import worker_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.manifests import Object

STARTUP, LIVENESS, READINESS = "startupProbe", "livenessProbe", "readinessProbe"
PROBES: Final = {
    "gateway": {STARTUP, LIVENESS, READINESS},
    "worker": {STARTUP, LIVENESS, READINESS},
    "resonate": {STARTUP, LIVENESS, READINESS},
    # It sleeps once it is done: only its start holds the pod's readiness up.
    "store-indexes": {STARTUP},
}
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
OURS: Final = {
    f"durable-http-{name}:{VERSION}" for name in ("gateway", "worker", "catalog", "server")
}
MARGIN_SECONDS: Final = 5
AGE: Final = re.compile(r"stat -c %Y (\S+)\) \)\) -le (\d+)$")


@pytest.fixture(params=(*OVERLAYS, CELL, FRONT))
def all_pods(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    """Return the objects of an overlay, or of the HAProxy before cells."""
    return overlay(request.param)


@pytest.fixture(params=(*OVERLAYS, CELL))
def found(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    """Return the objects of an overlay."""
    return overlay(request.param)


def test_pods_are_restricted(all_pods: tuple[Object, ...]) -> None:
    """Each pod keeps to the `restricted` standard, which its namespace enforces."""
    labels = named(all_pods, "Namespace", "durable-http")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in workloads(all_pods):
        context = pod_of(workload)["securityContext"]
        assert context["runAsNonRoot"]
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in containers(all_pods):
        assert each.spec["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_pods_know_nothing_of_the_cluster(all_pods: tuple[Object, ...]) -> None:
    """No pod gets variables of Services, such as RESONATE_PORT, or a token of the cluster's API."""
    for workload in workloads(all_pods):
        assert pod_of(workload)["enableServiceLinks"] is False
        assert pod_of(workload)["automountServiceAccountToken"] is False


def test_containers_have_bounds(all_pods: tuple[Object, ...]) -> None:
    """Each container asks for CPU and memory, has a limit of memory, and a /tmp with a limit."""
    volumes = {
        (workload["metadata"]["name"], volume["name"]): volume
        for workload in workloads(all_pods)
        for volume in pod_of(workload)["volumes"]
    }
    for each in containers(all_pods):
        assert each.spec["resources"]["requests"].keys() == {"cpu", "memory"}
        assert each.spec["resources"]["limits"].keys() == {"memory"}
        (tmp,) = (m["name"] for m in each.spec["volumeMounts"] if m["mountPath"] == "/tmp")
        assert volumes[each.pod, tmp]["emptyDir"]["sizeLimit"]


def test_containers_are_probed(found: tuple[Object, ...]) -> None:
    """Each container that runs on has its probes, and none that it should not have."""
    probes = {
        each.name: {key for key in each.spec if key.endswith("Probe")}
        for each in containers(found)
        if each.runs_on
    }

    assert probes == PROBES


def test_ports_have_what_is_probed(all_pods: tuple[Object, ...]) -> None:
    """Probes and Services name ports that their containers have."""
    ports: dict[str, set[str]] = {}
    for each in containers(all_pods):
        own = {port["name"] for port in each.spec.get("ports", ())}
        ports.setdefault(each.pod, set()).update(own)
        for key, probe in each.spec.items():
            if key.endswith("Probe"):
                at = probe.get("httpGet") or probe.get("tcpSocket")
                assert at is None or at["port"] in own
    for service in (each["spec"] for each in all_pods if each["kind"] == "Service"):
        (name,) = service["selector"].values()
        assert {port["targetPort"] for port in service["ports"]} <= ports[name]


def test_images_are_pinned(found: tuple[Object, ...]) -> None:
    """Our images have the project's version, the others those of the containers."""
    compose = "".join(
        (ROOT / name).read_text() for name in ("compose.yaml", "compose.postgres.yaml")
    )
    theirs = set(re.findall(r"image: ([\w/]+:[\w.]+)$", compose, re.MULTILINE))
    used = {each.spec["image"] for each in containers(found)}

    assert used <= OURS | theirs
    assert {"durable-http-gateway", "durable-http-worker", "durable-http-catalog"} <= {
        image.partition(":")[0] for image in used
    }


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_there_is_one_server(name: str) -> None:
    """Without a guard there is one server, and no second one while the first may still run."""
    server = named(overlay(name), "StatefulSet", "resonate")

    assert server["spec"]["replicas"] == 1
    # Otherwise a rollout whose pod is never ready would not be undone by the next one.
    assert server["spec"]["podManagementPolicy"] == "Parallel"
    assert not [each for each in overlay(name) if each["kind"] == "PodDisruptionBudget"
                and "resonate" in str(each)]  # fmt: skip


def test_a_spare_may_wait() -> None:
    """Of two servers the one that waits is not restarted, is sent nothing, and holds nothing up."""
    server = named(overlay("ha"), "StatefulSet", "resonate")
    main = container(overlay("ha"), "resonate")

    assert server["spec"]["replicas"] == 2
    assert server["spec"]["podManagementPolicy"] == "Parallel"
    assert server["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert main["command"][:3] == ["python", "-m", "deploy.store.guard"]
    assert {key for probe in (STARTUP, LIVENESS) for key in main[probe]} & {
        "httpGet",
        "tcpSocket",
    } == set()
    assert main[READINESS]["tcpSocket"] == {"port": "store"}


def test_settings_are_taken(found: tuple[Object, ...], tmp_path: Path) -> None:
    """Gateways and workers take every setting that they are given, and it is one of theirs."""
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef")
    given: dict[str, dict[str, str]] = {}
    for name in ("gateway", "worker"):
        given[name] = environment(found, name, "0123456789abcdef")
        given[name] |= {"PRESENCE_SECRET_FILE": str(secret), "WEBHOOK_SECRET": ""}

    gateway = gateway_settings(given["gateway"], terminal=False)
    worker = worker_settings(given["worker"], terminal=False)

    assert gateway.tokens == ("0123456789abcdef",)
    assert worker.gateways[0][1] == gateway.presence.port == 5002
    assert worker.metrics.port == container(found, "worker")["ports"][0]["containerPort"]
    ports = {port["containerPort"] for port in container(found, "gateway")["ports"]}
    assert ports == {gateway.port, gateway.presence.port}
    rows = (ROOT / "docs" / "settings.md").read_text()
    for names in given.values():
        assert names.keys() - set(re.findall(r"`([A-Z_]+)`", rows)) == set()


def test_gateways_are_told_apart(found: tuple[Object, ...]) -> None:
    """Each gateway's logs and traces have the name of its pod."""
    assert environment(found, "gateway")["GATEWAY_NAME"] == "gateway-pod"


def test_a_stop_has_its_time(found: tuple[Object, ...]) -> None:
    """A pod is killed after what it does at its end: a worker's drain, a gateway's requests."""
    worker = pod_of(workload_named(found, "worker"))
    drain = float(environment(found, "worker")["WORKER_DRAIN_SECONDS"])
    assert worker["terminationGracePeriodSeconds"] >= drain + MARGIN_SECONDS

    gateway = pod_of(workload_named(found, "gateway"))
    command = container(found, "gateway")["lifecycle"]["preStop"]["exec"]["command"]
    drain = float(command[1]) + Deadlines().shutdown
    assert gateway["terminationGracePeriodSeconds"] >= drain + MARGIN_SECONDS


def test_memory_has_a_margin(found: tuple[Object, ...]) -> None:
    """A worker that grows is replaced in order before it would be killed."""
    limit = container(found, "worker")["resources"]["limits"]["memory"]

    assert (
        int(environment(found, "worker")["WORKER_MEMORY_MIB"]) < int(limit.removesuffix("Mi")) - 50
    )


def test_secrets_are_in_secrets(found: tuple[Object, ...]) -> None:
    """No secret is a flag or a plain value."""
    assert not [each for each in found if each["kind"] == "Secret"]
    for each in containers(found):
        assert "password" not in str([each.spec.get("command"), each.spec.get("args")]).lower()
        for variable in each.spec.get("env", ()):
            if re.search("PASSWORD|SECRET$|TOKENS", variable["name"]):
                assert variable.keys() == {"name", "valueFrom"}
                assert variable["valueFrom"]["secretKeyRef"]["key"]


def ages() -> set[str]:
    """Return the probes that look at the age of a file."""
    found: set[str] = set()
    for name in OVERLAYS:
        for each in containers(overlay(name)):
            probes = (probe for key, probe in each.spec.items() if key.endswith("Probe"))
            commands = (probe.get("exec", {}).get("command", [""])[-1] for probe in probes)
            found.update(command for command in commands if AGE.search(command))
    return found


def fresh(script: str, file: Path) -> bool:
    """Return whether a probe finds the file young enough."""
    script = AGE.sub(rf"stat -c %Y {file}) )) -le \2", script)
    return subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


def test_ages_are_told(tmp_path: Path) -> None:
    """A probe of a file's age fails while there is no file, and when it is too old."""
    file = tmp_path / "alive"
    assert len(ages()) == 5
    for script in ages():
        (_, most), = AGE.findall(script)  # fmt: skip
        file.unlink(missing_ok=True)
        assert not fresh(script, file)
        file.touch()
        assert fresh(script, file)
        old = file.stat().st_mtime - int(most) - 2
        os.utime(file, (old, old))
        assert not fresh(script, file)


def test_files_are_mounted_where_they_are_read(found: tuple[Object, ...]) -> None:
    """Each ConfigMap that a pod mounts or reads is there, with the files that commands name."""
    maps = {e["metadata"]["name"]: e for e in found if e["kind"] == "ConfigMap"}
    for workload in workloads(found):
        for volume in pod_of(workload)["volumes"]:
            assert "configMap" not in volume or volume["configMap"]["name"] in maps
    server: Any = named(found, "ConfigMap", "resonate")["data"]["resonate.yaml"]
    assert yaml.safe_load(server)["api"]["subsystems"]["grpc"]["enabled"] is False
    mentioned = re.findall(r"/store/([\w.]+)", str(container(found, "store-indexes")["command"]))
    assert set(mentioned) <= named(found, "ConfigMap", "store-indexes")["data"].keys()
    assert mentioned
