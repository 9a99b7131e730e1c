"""Which workers gateways see, and what they have taken for deaths."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

ESTABLISHED: Final = "01"
"""A state of /proc/net/tcp."""

MISTAKE: Final = "worker was taken for dead and lives"


def connections(port: int) -> int:
    """Return how many connections a port of this host has."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED for row in rows)


def _has(port: int, count: int) -> bool:
    return connections(port) == count


def wait_until_seen(stack: Stack) -> None:
    """Wait until every worker that runs has a connection to every gateway that runs."""
    workers = sum(worker.running() for worker in stack.workers.values())
    for name, gateway in stack.gateways.items():
        port = int(gateway.environment["GATEWAY_PRESENCE_PORT"])
        if gateway.running():
            wait_until(partial(_has, port, workers), what=f"the workers at {name}")


def noticed(stack: Stack, event: str) -> list[dict[str, Any]]:
    """Return an event of the logs of all gateways."""
    return [found for gateway in stack.gateways.values() for found in gateway.events(event)]


def deaths(stack: Stack) -> list[str]:
    """Return the workers that gateways have taken for dead."""
    return [event["worker"] for event in noticed(stack, "worker died")]


def mistakes(stack: Stack) -> list[str]:
    """Return the workers that gateways have taken for dead by mistake, as far as they know."""
    return [event["worker"] for event in noticed(stack, MISTAKE)]
