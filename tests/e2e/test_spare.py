"""Containers with a spare server and two gateways: `make e2e STORE=ha`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.compose import PREFIX, role_of
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.compose import Compose

pytestmark = pytest.mark.skipif(
    os.environ.get("E2E_STORE") != "ha", reason="there is a spare with E2E_STORE=ha only"
)

JOBS = 40
SERVERS = {"resonate", "resonate-spare"}


def active_server(compose: Compose) -> str:
    """Wait until one server is active and the other waits, and return the active one."""

    def found() -> str | None:
        roles = {
            name: role_of(PREFIX + name)
            for name in SERVERS
            if compose.containers()[name] == "running"
        }
        active = [name for name, role in roles.items() if role == "active"]
        return active[0] if len(roles) == 2 and len(active) == 1 else None

    return wait_until(found, what="an active server and a spare") or ""


def stored(compose: Compose, id: str) -> bool:
    """Return whether a begin was accepted."""
    try:
        return compose.begin(id, "foo", {}).status == 202
    except (OSError, ValueError):
        return False


@pytest.mark.parametrize("victim", ["active", "gateway", "postgres", "haproxy"])
def test_any_one_container_is_killed(compose: Compose, job: str, victim: str) -> None:
    """A begin is answered again within a moment, and all that was begun comes to its end."""
    active = active_server(compose)
    name = active if victim == "active" else victim
    ids = [f"{job}-{number}" for number in range(JOBS)]
    assert {compose.begin(id, "checkout", {"pace": 0.2}).status for id in ids} == {202}

    compose.kill(name)
    if victim in ("postgres", "haproxy"):  # of which there is one
        compose.start(name)
    began = time.monotonic()
    wait_until(lambda: stored(compose, f"{job}-after"), what="a begin")
    seconds = time.monotonic() - began

    assert {compose.outcome(id, 60)["status"] for id in ids} == {"resolved"}
    assert compose.outcome(f"{job}-after")["status"] == "resolved"
    assert seconds < 10
    if victim == "active":
        (other,) = SERVERS - {active}
        assert role_of(PREFIX + other) == "active"
    if victim == "postgres":
        assert {compose.inspect(server)["RestartCount"] for server in SERVERS} == {0}
    compose.start(name)
    active_server(compose)
