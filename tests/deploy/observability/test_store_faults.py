"""A real Prometheus watches two servers behind HAProxy: each fault raises its own alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from shared.resonate.cursors import HIGHEST
from tests.support.cell.guards import needs_haproxy, needs_postgres, safe_server
from tests.support.faults.proxy import Proxy, proxy_to
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cell.guards import SafeServer
    from tests.support.stack import Stack

pytestmark = [needs_prometheus, needs_postgres, needs_haproxy]


class Watched(NamedTuple):
    """A service with two servers, and a Prometheus that watches it.

    HAProxy reaches the gateway by the proxy, Prometheus without it.
    """

    server: SafeServer
    stack: Stack
    proxy: Proxy
    watching: Prometheus

    def use_up(self, part: float) -> None:
        """Have PostgreSQL go on from this part of its numbers."""
        store = self.server.postgres
        sequence = store.rows("SELECT pg_get_serial_sequence('promises', 'sort_id')")[0][0]
        store.run(f"SELECT setval('{sequence}', {int(part * HIGHEST)})")


@pytest.fixture(name="watched", scope="module")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Yield a service and its Prometheus, in which no alert fires at first."""
    directory, port = tmp_path_factory.mktemp("watched"), free_port()
    with (
        proxy_to(port) as proxy,
        safe_server(directory, gateway=proxy.port) as server,
        running_stack(
            directory, workers=1, server=server, gateway={"GATEWAY_PORT": str(port)}
        ) as stack,
    ):
        wait_until(lambda: server.passes_to("gateway-1"), what="the gateway behind HAProxy")
        jobs = {
            "gateways": [f"127.0.0.1:{port}"],
            "resonate": [f"127.0.0.1:{guard.metrics_port}" for guard in server.guards],
            "balancer": [f"127.0.0.1:{server.own_port}"],
        }
        with prometheus(directory / "prometheus", jobs) as watching:
            watching.calm()
            yield Watched(server, stack, proxy, watching)


def test_the_spare_is_away(watched: Watched) -> None:
    """A spare that has ended is missed before it is needed."""
    server = watched.server
    (spare,) = (guard for guard in server.guards if guard is not server.active())

    with watched.watching.raised("NoSpareServer"):
        spare.kill()
    server.complete()
    watched.watching.ends("NoSpareServer")


def test_gateways_pass_no_check(watched: Watched) -> None:
    """Gateways that HAProxy does not take for ready serve no client, though they answer."""
    with watched.watching.raised("BalancerWithoutGateways"):
        watched.proxy.harm("GET", "/readyz", "refuse-503", 1000)
    watched.proxy.heal()
    watched.watching.ends("BalancerWithoutGateways")


def test_the_balancer_is_away(watched: Watched) -> None:
    """It takes the way to the server with it, of which there is an alert as well."""
    balancer = watched.server.child
    assert balancer is not None

    with watched.watching.raised("BalancerDown", "ServerAway"):
        balancer.kill()
        balancer.wait()
    watched.server.balance()
    watched.watching.ends("BalancerDown")
    watched.watching.ends("ServerAway")


def test_the_numbers_are_used_up(watched: Watched) -> None:
    """There is a warning at a half, an alarm at four fifths, and then no begin is stored."""
    stack, watching = watched.stack, watched.watching
    assert stack.begin("first").status == 202
    used = "durable_http_gateway_promise_numbers_used_ratio"
    wait_until(lambda: watching.labels(f"{used} > 0", "job"), what="the first number")

    with watching.raised("PromiseNumbersHalfUsed"):
        watched.use_up(0.6)
        assert stack.begin("second").status == 202
    with watching.raised("PromiseNumbersNearlyUsed"):
        watched.use_up(0.9)
        assert stack.begin("third").status == 202

    watched.use_up(1)
    assert stack.begin("last").status == 503
