"""Who reaches whom, as the NetworkPolicies say it."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.manifests import OVERLAYS, overlay, pod_of, workloads
from tests.support.policies import Peer, reaches

INTERNET: Final = Peer(address="203.0.113.7")
PRIVATE: Final = Peer(address="10.2.3.4")
CLOUD_METADATA: Final = Peer(address="169.254.169.254")
MONITORING: Final = Peer("prometheus", "monitoring")
STRANGER: Final = Peer("stranger", "another")
NAMES: Final = Peer("coredns", "kube-system")
GATEWAY, WORKER, SERVER = Peer("gateway"), Peer("worker"), Peer("resonate")
PORTS: Final = {GATEWAY: {5001, 5002}, WORKER: {9464}, SERVER: {8001, 8002, 9090}}

REACHED: Final = {
    (INTERNET, GATEWAY, 5001),
    (STRANGER, GATEWAY, 5001),
    (MONITORING, GATEWAY, 5001),
    (MONITORING, WORKER, 9464),
    (MONITORING, SERVER, 9090),
    (WORKER, GATEWAY, 5002),
    *((who, SERVER, port) for who in (GATEWAY, WORKER) for port in (8001, 8002)),
}
"""All that is reached of our pods."""


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_gateways_are_reached(name: str) -> None:
    """Clients reach gateways at their port; all else is reached by those alone who need it."""
    sources = (INTERNET, PRIVATE, STRANGER, MONITORING, GATEWAY, WORKER, SERVER)
    found = {
        (source, target, port)
        for source in sources
        for target, ports in PORTS.items()
        for port in ports
        if reaches(overlay(name), source, target, port)
    }

    assert found == REACHED | {(PRIVATE, GATEWAY, 5001)}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_ports_are_those_of_the_pods(name: str) -> None:
    """The policies know each port that a container has, and each pod."""
    ports = {
        Peer(workload["metadata"]["name"]): {
            port["containerPort"]
            for container in pod_of(workload)["containers"]
            for port in container.get("ports", ())
        }
        for workload in workloads(overlay(name))
    }

    assert ports == PORTS


@pytest.mark.parametrize("name", OVERLAYS)
def test_pods_call_what_they_need(name: str) -> None:
    """Names for all; the internet for workers, but no private network; the database for servers."""
    for pod in PORTS:
        assert reaches(overlay(name), pod, NAMES, 53)
    assert [pod for pod in PORTS if reaches(overlay(name), pod, INTERNET, 443)] == [WORKER]
    for target in (PRIVATE, CLOUD_METADATA, STRANGER):
        assert not [pod for pod in PORTS if reaches(overlay(name), pod, target, 443)]
    with_database = [] if name == "sqlite" else [SERVER]
    assert [pod for pod in PORTS if reaches(overlay(name), pod, PRIVATE, 5432)] == with_database
