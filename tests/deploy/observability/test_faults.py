"""A real Prometheus watches a real service, and faults raise their alerts and no others."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus
from tests.support.server import free_port
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack

pytestmark = needs_prometheus

RAISE_SECONDS = 60.0


@contextlib.contextmanager
def watched(directory: Path) -> Iterator[tuple[Stack, Prometheus, dict[str, str]]]:
    """Run a service with two workers, a Prometheus that watches it, and no alert so far."""
    with running_stack(directory, workers=0) as stack:
        ports = {name: str(free_port()) for name in ("worker-1", "worker-2")}
        for name, port in ports.items():
            stack.add_worker(name, WORKER_METRICS_PORT=port).started("metrics served")
        jobs = {
            "gateways": [stack.url.removeprefix("http://")],
            "workers": [f"127.0.0.1:{port}" for port in ports.values()],
        }
        with prometheus(directory / "prometheus", jobs) as watching:
            stack.begin("watched", body={"a": 1})
            stack.outcome("watched")
            counted = 'durable_http_worker_executions_total{function="foo",state="resolved"} == 1'
            wait_until(lambda: watching.labels(counted, "job") == {"workers"}, what="the count")
            watching.calm()
            yield stack, watching, ports


def raises(watching: Prometheus, *alerts: str) -> None:
    """Wait until these alerts fire; no other may have fired at any time."""
    wait_until(lambda: watching.firing() >= {*alerts}, seconds=RAISE_SECONDS, what=str(alerts))
    assert watching.fired() == {*alerts}


def test_the_server_is_away(tmp_path: Path) -> None:
    """Without the server one alert fires, and ends when it is back."""
    with watched(tmp_path) as (stack, watching, _):
        stack.server.kill()
        raises(watching, "ServerAway")
        stack.server.start()
        wait_until(lambda: watching.firing() == set(), seconds=RAISE_SECONDS, what="peace")


def test_no_workers(tmp_path: Path) -> None:
    """Without workers one alert fires, and ends when one is back."""
    with watched(tmp_path) as (stack, watching, ports):
        for worker in stack.workers.values():
            worker.stop()
        raises(watching, "NoWorkers")
        stack.add_worker("worker-1", WORKER_METRICS_PORT=ports["worker-1"])
        wait_until(lambda: watching.firing() == set(), seconds=RAISE_SECONDS, what="peace")


def test_workers_are_killed_again_and_again(tmp_path: Path) -> None:
    """Three kills raise the alert about them; two do not, and others work on meanwhile."""
    with watched(tmp_path) as (stack, watching, ports):
        for kills in (1, 2, 3):
            stack.workers["worker-1"].kill()
            died = f"durable_http_gateway_workers_died_total == {kills}"
            wait_until(partial(watching.labels, died, "job"), what="a death")
            stack.add_worker("worker-1", WORKER_METRICS_PORT=ports["worker-1"])
            if kills < 3:
                wait_until(lambda: watching.labels("durable_http_gateway_workers == 2", "job"))
                assert watching.fired() == set()
        raises(watching, "WorkersLostOften")


def test_a_gateway_is_down(tmp_path: Path) -> None:
    """A killed gateway raises one alert."""
    with watched(tmp_path) as (stack, watching, _):
        stack.gateways["gateway"].kill()
        raises(watching, "GatewayDown")
