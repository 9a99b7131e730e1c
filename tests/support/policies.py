"""Who reaches whom by the NetworkPolicies of some namespaces, by a reading of our own."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.manifests import Object

NAME: Final = "app.kubernetes.io/name"
NAMESPACE: Final = "kubernetes.io/metadata.name"


class Peer(NamedTuple):
    """One end of a connection: a pod by its name and namespace, or an address outside."""

    pod: str = ""
    namespace: str = "durable-http"
    address: str = ""


def reaches(found: Sequence[Object], source: Peer, target: Peer, port: int) -> bool:
    """Return whether a connection is let out and let in."""
    out = _allows(found, "Egress", source, target, port)
    return out and _allows(found, "Ingress", target, source, port)


def _allows(found: Sequence[Object], way: str, pod: Peer, other: Peer, port: int) -> bool:
    """Return whether the policies for a pod let it have this connection, `Ingress` or `Egress`.

    A pod of a namespace that is not among these objects has all.
    """
    namespaces = _namespaces(found)
    if pod.namespace not in namespaces or pod.address:
        return True
    for policy in _policies(found, pod, way):
        for rule in policy.get(way.lower(), ()):
            peers = rule.get("from" if way == "Ingress" else "to")
            ports = {each["port"] for each in rule.get("ports", [{"port": port}])}
            if port in ports and (
                peers is None or any(_is_peer(each, other, pod, namespaces) for each in peers)
            ):
                return True
    return False


def _namespaces(found: Sequence[Object]) -> dict[str, dict[str, str]]:
    """Return the labels of each namespace."""
    own = (each["metadata"] for each in found if each["kind"] == "Namespace")
    return {each["name"]: each.get("labels", {}) for each in own}


def _policies(found: Sequence[Object], pod: Peer, way: str) -> Iterator[Object]:
    """Yield the policies that a pod has for a way; there is one at least."""
    policies = [
        each["spec"]
        for each in found
        if each["kind"] == "NetworkPolicy"
        and each["metadata"]["namespace"] == pod.namespace
        and way in each["spec"]["policyTypes"]
        and _selects(each["spec"]["podSelector"], {NAME: pod.pod})
    ]
    assert policies
    yield from policies


def _is_peer(rule: Object, peer: Peer, pod: Peer, namespaces: dict[str, dict[str, str]]) -> bool:
    """Return whether an entry of `from` or `to`, of a policy for a pod, is this peer."""
    if block := rule.get("ipBlock"):
        address = ip_address(peer.address or "192.0.2.1")
        network = ip_network(block["cidr"])
        excepted = any(address in ip_network(each) for each in block.get("except", ()))
        return bool(peer.address) and address in network and not excepted
    if peer.address:
        return False
    if selector := rule.get("namespaceSelector"):
        labels = {**namespaces.get(peer.namespace, {}), NAMESPACE: peer.namespace}
        if not _selects(selector, labels):
            return False
    elif peer.namespace != pod.namespace:
        return False
    return _selects(rule.get("podSelector", {}), {NAME: peer.pod})


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a selector of labels selects these."""
    wanted = dict(selector.get("matchLabels", {}))
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return wanted.items() <= labels.items()
