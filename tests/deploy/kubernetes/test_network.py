"""Who reaches whom, as the NetworkPolicies say it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.support.manifests import OVERLAYS, overlay, pod_of, workloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.manifests import Object

NAME: Final = "app.kubernetes.io/name"
NAMESPACE: Final = "kubernetes.io/metadata.name"
HERE: Final = "durable-http"


class Peer(NamedTuple):
    """One end of a connection: a pod by its name and namespace, or an address outside."""

    pod: str = ""
    namespace: str = HERE
    address: str = ""


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


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a selector of labels selects these."""
    wanted = dict(selector.get("matchLabels", {}))
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return wanted.items() <= labels.items()


def is_peer(rule: Object, peer: Peer) -> bool:
    """Return whether an entry of `from` or `to` is this peer."""
    if block := rule.get("ipBlock"):
        address = ip_address(peer.address or "192.0.2.1")
        network = ip_network(block["cidr"])
        excepted = any(address in ip_network(each) for each in block.get("except", ()))
        return bool(peer.address) and address in network and not excepted
    if peer.address:
        return False
    if namespaces := rule.get("namespaceSelector"):
        return selects(namespaces, {NAMESPACE: peer.namespace}) and "podSelector" not in rule
    return peer.namespace == HERE and selects(rule["podSelector"], {NAME: peer.pod})


def allows(name: str, way: str, pod: Peer, other: Peer, port: int) -> bool:
    """Return whether the policies for a pod let it have this connection, `Ingress` or `Egress`."""
    if pod.address or pod.namespace != HERE:
        return True
    for policy in policies(name, pod, way):
        for rule in policy.get(way.lower(), ()):
            peers = rule.get("from" if way == "Ingress" else "to")
            ports = {each["port"] for each in rule.get("ports", [{"port": port}])}
            if port in ports and (peers is None or any(is_peer(each, other) for each in peers)):
                return True
    return False


def policies(name: str, pod: Peer, way: str) -> Iterator[Object]:
    """Yield the policies that a pod has for a way; there is one at least."""
    found = [
        each["spec"]
        for each in overlay(name)
        if each["kind"] == "NetworkPolicy"
        and way in each["spec"]["policyTypes"]
        and selects(each["spec"]["podSelector"], {NAME: pod.pod})
    ]
    assert found
    yield from found


def reaches(name: str, source: Peer, target: Peer, port: int) -> bool:
    """Return whether a connection is let out and let in."""
    out = allows(name, "Egress", source, target, port)
    return out and allows(name, "Ingress", target, source, port)


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_gateways_are_reached(name: str) -> None:
    """Clients reach gateways at their port; all else is reached by those alone who need it."""
    sources = (INTERNET, PRIVATE, STRANGER, MONITORING, GATEWAY, WORKER, SERVER)
    found = {
        (source, target, port)
        for source in sources
        for target, ports in PORTS.items()
        for port in ports
        if reaches(name, source, target, port)
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
        assert reaches(name, pod, NAMES, 53)
    assert [pod for pod in PORTS if reaches(name, pod, INTERNET, 443)] == [WORKER]
    for target in (PRIVATE, CLOUD_METADATA, STRANGER):
        assert not [pod for pod in PORTS if reaches(name, pod, target, 443)]
    with_database = [] if name == "sqlite" else [SERVER]
    assert [pod for pod in PORTS if reaches(name, pod, PRIVATE, 5432)] == with_database
