"""Cells: what makes an overlay one, and HAProxy before them."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import yaml

from tests.support.manifests import (
    AS_CELL,
    BALANCER,
    OPERATORS,
    OVERLAYS,
    container,
    containers,
    environment,
    named,
    overlay,
    pod_of,
    with_components,
    workload_named,
    workloads,
)
from tests.support.operators import OPERATORS as KINDS
from tests.support.policies import Peer, reaches
from tests.support.processes import ROOT
from tools.cells import slot_map
from tools.cells.haproxy import configuration, slots_file
from tools.kubernetes.manifests import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cells.hash_slots import SlotMap
    from tests.support.manifests import Object

EXAMPLE: Final = FOLDER / "overlays" / "cells"
NAMESPACES: Final = ("durable-http-a", "durable-http-b")
FRONT: Final = "durable-http-front"
MARGIN_SECONDS: Final = 5

INTERNET: Final = Peer(address="203.0.113.7")
STRANGER: Final = Peer("gateway", "another")
MONITORING: Final = Peer("prometheus", "monitoring")
HAPROXY: Final = Peer("haproxy", FRONT)
GATEWAYS: Final = tuple(Peer("gateway", namespace) for namespace in NAMESPACES)
OTHERS: Final = tuple(Peer(pod, n) for n in NAMESPACES for pod in ("worker", "resonate"))
PORTS: Final = (5001, 5002, 8001, 8002, 8404, 9090, 9464)


def of(namespace: str) -> tuple[Object, ...]:
    """Return the objects of a namespace of the example."""
    return tuple(e for e in overlay("cells") if e["metadata"].get("namespace") == namespace)


def the_map() -> SlotMap:
    """Return the example's map."""
    return slot_map.read(EXAMPLE / "map" / "cells.json")


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_map_names_each_gateway(namespace: str) -> None:
    """The pods of a cell's StatefulSet are the gateways in the map, by names that last."""
    gateway = workload_named(of(namespace), "gateway")
    spec = gateway["spec"]
    service = named(of(namespace), "Service", spec["serviceName"])["spec"]

    assert gateway["kind"] == "StatefulSet"
    # HAProxy asks for names as they are: it knows no search domain.
    domain = f"{spec['serviceName']}.{namespace}.svc.cluster.local:5001"
    pods = [f"http://gateway-{number}.{domain}" for number in range(spec["replicas"])]
    assert [*the_map().cells[namespace]] == pods
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"]
    assert service["selector"].items() <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_gateways_read_the_map(namespace: str) -> None:
    """Each has the folder of the map mounted, and the name of its cell; the map is one for all."""
    found = of(namespace)
    given = environment(found, "gateway")
    (mount,) = (m for m in container(found, "gateway")["volumeMounts"] if m["name"] == "cells")
    volumes = {each["name"]: each for each in pod_of(workload_named(found, "gateway"))["volumes"]}
    map_object = named(found, "ConfigMap", "cells")

    assert given["GATEWAY_CELL"] == namespace
    assert given["GATEWAY_CELLS"] == f"{mount['mountPath']}/cells.json"
    assert "subPath" not in mount
    # A name that changes with the content would start each gateway anew.
    assert volumes["cells"]["configMap"]["name"] == map_object["metadata"]["name"] == "cells"
    assert map_object["data"] == {"cells.json": slot_map.encoded(the_map()).decode()}
    assert map_object["metadata"]["labels"]["app.kubernetes.io/name"] == "cells"


@pytest.mark.parametrize("name", OVERLAYS)
def test_nothing_else_changes(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Each overlay can be a cell, with what is for operators, and keeps all other objects."""
    plain, cell = (
        by_name(with_components(tmp_path_factory.mktemp("overlay"), name, components=components))
        for components in (OPERATORS, (*OPERATORS, *AS_CELL))
    )
    before, after = plain.pop(("Deployment", "gateway")), cell.pop(("StatefulSet", "gateway"))
    namespace = cell["Namespace", "durable-http"]["metadata"]["labels"]

    assert namespace.pop("durable-http/service")
    assert cell.pop(("ConfigMap", "cells"))
    assert cell.pop(("NetworkPolicy", "gateway-cells"))
    assert cell == plain
    assert undone(after) == before


def by_name(found: tuple[Object, ...]) -> dict[tuple[str, str], Object]:
    """Return the objects by their kinds and names."""
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def undone(gateway: Object) -> Object:
    """Return the gateways as they are without cells: all that a cell may change is put back."""
    it = copy.deepcopy(gateway)
    it["kind"] = "Deployment"
    spec, pod = it["spec"], pod_of(it)
    for name in ("serviceName", "podManagementPolicy", "updateStrategy"):
        del spec[name]
    spec["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    for each in pod["topologySpreadConstraints"]:
        assert each["matchLabelKeys"] == ["controller-revision-hash"]
        each["matchLabelKeys"] = ["pod-template-hash"]
    (main,) = pod["containers"]
    main["env"] = [e for e in main["env"] if not e["name"].startswith("GATEWAY_CELL")]
    main["volumeMounts"] = [each for each in main["volumeMounts"] if each["name"] != "cells"]
    pod["volumes"] = [each for each in pod["volumes"] if each["name"] != "cells"]
    return it


def test_cells_reach_each_others_gateways() -> None:
    """Gateways and HAProxy reach the gateways of all cells; HAProxy is reached by clients."""
    found = overlay("cells")
    sources = (INTERNET, STRANGER, MONITORING, HAPROXY, *GATEWAYS, *OTHERS)
    links = {
        (source, target, port)
        for source in sources
        for target in (STRANGER, HAPROXY, *GATEWAYS, *OTHERS)
        for port in PORTS
        if source.namespace != target.namespace and reaches(found, source, target, port)
    }

    free = (INTERNET, STRANGER, MONITORING)
    assert links == {
        *((source, target, 5001) for source in (HAPROXY, *GATEWAYS) for target in GATEWAYS
          if source != target),
        *((source, target, 5001) for source in free for target in (HAPROXY, *GATEWAYS)),
        (MONITORING, HAPROXY, 8404),
        *((MONITORING, Peer("worker", namespace), 9464) for namespace in NAMESPACES),
        *((MONITORING, Peer("resonate", namespace), 9090) for namespace in NAMESPACES),
        # Of these no policy of ours says anything.
        *((source, STRANGER, port) for source in (INTERNET, MONITORING) for port in PORTS),
    }  # fmt: skip


def test_clients_can_be_kept_from_gateways() -> None:
    """Without the rule for everybody gateways are left to other cells and to HAProxy."""
    found = copy.deepcopy(overlay("cells"))
    for each in found:
        if (each["kind"], each["metadata"]["name"]) == ("NetworkPolicy", "gateway"):
            each["spec"]["ingress"].remove({"ports": [{"port": 5001}]})

    a, b = GATEWAYS
    sources = (INTERNET, STRANGER, MONITORING, HAPROXY, b, *OTHERS)
    assert [source for source in sources if reaches(found, source, a, 5001)] == [HAPROXY, b]


def test_haproxys_files_are_those_of_the_map() -> None:
    """What is mounted is what the tool makes of the map, and a change of it is a rollout."""
    mounted = named(of(FRONT), "ConfigMap", "haproxy")

    assert mounted["data"] == {
        "haproxy.cfg": configuration(the_map()),
        "slots.map": slots_file(the_map()),
    }, "python -m tools.cells haproxy --map …"
    (volume, _) = pod_of(workload_named(of(FRONT), "haproxy"))["volumes"]
    assert volume["configMap"]["name"] == mounted["metadata"]["name"] != "haproxy"
    (mount, _) = container(of(FRONT), "haproxy")["volumeMounts"]
    assert container(of(FRONT), "haproxy")["command"][-1] == f"{mount['mountPath']}/haproxy.cfg"
    (variable,) = container(of(FRONT), "haproxy")["env"]
    assert variable == {"name": "SLOTS_MAP", "value": f"{mount['mountPath']}/slots.map"}


def test_haproxy_is_that_of_the_containers() -> None:
    """It has the image of Compose, the ports of its configuration, and time for its end."""
    compose = yaml.safe_load((ROOT / "deploy" / "cells" / "compose.haproxy.yaml").read_text())
    spec, text = container(of(FRONT), "haproxy"), configuration(the_map())
    (hard_stop,) = re.findall(r"hard-stop-after (\d+)s", text)
    ports = {int(port) for port in re.findall(r'bind "\$\{\w+-:(\d+)\}"', text)}

    assert spec["image"] == compose["services"]["haproxy"]["image"]
    assert {port["containerPort"] for port in spec["ports"]} == ports
    wait = int(spec["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = pod_of(workload_named(of(FRONT), "haproxy"))["terminationGracePeriodSeconds"]
    assert grace >= wait + int(hard_stop) + MARGIN_SECONDS
    assert spec["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "own"}
    # At its limit of connections it answers no request, but is not restarted for that.
    assert spec["livenessProbe"]["tcpSocket"] == {"port": "own"}


def test_one_haproxy_is_always_there() -> None:
    """There are two, of which a rollout and an emptied node take none or one away."""
    spec = workload_named(of(FRONT), "haproxy")["spec"]
    budget = named(of(FRONT), "PodDisruptionBudget", "haproxy")["spec"]

    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["maxUnavailable"] == 1
    for selected in (budget["selector"]["matchLabels"], spec["selector"]["matchLabels"]):
        assert selected.items() <= spec["template"]["metadata"]["labels"].items()
    assert [each["metadata"]["name"] for each in workloads(of(FRONT))] == ["haproxy"]
    assert [each.name for each in containers(of(FRONT))] == ["haproxy"]


def test_haproxy_is_monitored(tmp_path: Path) -> None:
    """Each pod is asked for its metrics, as the job on which alerts rely."""
    found = with_components(tmp_path, "cells/front", FRONT, (BALANCER,))
    (added,) = (each for each in found if each["kind"] == "PodMonitor")
    (endpoint,) = added["spec"]["podMetricsEndpoints"]
    scrapes = yaml.safe_load((ROOT / "deploy/observability/prometheus.ha.yml").read_text())

    assert added["metadata"]["namespace"] == FRONT
    msgspec.convert(added["spec"], KINDS[added["apiVersion"], added["kind"]])
    labels = workload_named(found, "haproxy")["spec"]["template"]["metadata"]["labels"]
    assert added["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {each["name"]: each["containerPort"] for each in container(found, "haproxy")["ports"]}
    (own,) = re.findall(r"OWN_BIND-:(\d+)", configuration(the_map()))
    assert ports[endpoint["port"]] == int(own)
    assert reaches(found, MONITORING, HAPROXY, int(own))
    job = endpoint["relabelings"][0]["replacement"]
    assert job in {each["job_name"] for each in scrapes["scrape_configs"]}
