"""What Docker Compose makes of the files that turn containers into cells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any, Final

import pytest

from tests.support.processes import ROOT

SETTINGS: Final = {
    "COMPOSE_PROJECT_NAME": "durable-http-a",
    "STACK_PREFIX": "cell-a-",
    "GATEWAY_CELL": "a",
    "GATEWAY_HOST": "10.0.0.11",
    "CELLS_FOLDER": "/srv/cells",
}


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "compose", "version"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _has_compose(), reason="Docker Compose is not installed")


def services_of(*files: str, **settings: str) -> dict[str, dict[str, Any]]:
    """Return the containers as Compose starts them, with these settings alone."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    named = [part for file in files for part in ("--file", file)]
    rendered = subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, *named, "config", "--format", "json"],
        cwd=ROOT,
        env={**inherited, **SETTINGS, **settings},
        check=True,
        capture_output=True,
    ).stdout
    found: dict[str, dict[str, Any]] = json.loads(rendered)["services"]
    return found


def published(service: dict[str, Any]) -> list[str]:
    """Return where a container's ports are published, with its own port last."""
    return [f"{p['host_ip']}:{p['published']}:{p['target']}" for p in service.get("ports", [])]


def map_folder(service: dict[str, Any]) -> tuple[str, str, bool]:
    """Return from where and to where the map's folder is mounted, and whether to be read only."""
    binds = (mount for mount in service["volumes"] if mount["type"] == "bind")
    (found,) = ((mount["source"], mount["target"], mount["read_only"]) for mount in binds)
    return found


@pytest.mark.parametrize(
    ("files", "ports"),
    [
        (["deploy/cells/compose.cell.yaml"], {"gateway": "5001"}),
        (["compose.postgres.yaml", "deploy/cells/compose.cell.yaml"], {"gateway": "5001"}),
        (
            ["compose.ha.yaml", "deploy/cells/compose.cell.ha.yaml"],
            {"gateway": "5011", "gateway-2": "5012"},
        ),
    ],
)
def test_each_gateway_has_the_map_and_an_address(files: list[str], ports: dict[str, str]) -> None:
    """One without the map would take every id, and one that the map cannot name is not asked."""
    services = services_of("compose.yaml", *files)
    gateways = {name: services[name] for name in services if name.startswith("gateway")}

    assert {name: published(gateway) for name, gateway in gateways.items()} == {
        name: [f"10.0.0.11:{port}:5001"] for name, port in ports.items()
    }
    for gateway in gateways.values():
        environment = gateway["environment"]
        assert environment["GATEWAY_CELL"] == "a"
        assert environment["GATEWAY_CELLS"] == "/cells/cells.json"
        assert map_folder(gateway) == ("/srv/cells", "/cells", True)


def test_haproxy_is_open_to_clients_alone() -> None:
    """Its port for clients is where they say; the two others are this machine's."""
    (by_default,) = services_of("deploy/cells/compose.haproxy.yaml").values()
    (changed,) = services_of(
        "deploy/cells/compose.haproxy.yaml",
        CLIENTS_HOST="0.0.0.0",
        CLIENTS_PORT="80",
        ADMIN_PORT="9998",
        METRICS_HOST="10.0.0.5",
        METRICS_PORT="8405",
    ).values()

    assert published(by_default) == [
        "127.0.0.1:5001:5001",
        "127.0.0.1:9999:9999",
        "127.0.0.1:8404:8404",
    ]
    assert published(changed) == [
        "0.0.0.0:80:5001",
        "127.0.0.1:9998:9999",
        "10.0.0.5:8405:8404",
    ]
