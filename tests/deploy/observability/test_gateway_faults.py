"""A real Prometheus watches real gateways: each fault raises its own alert and no other."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.support.faults.proxy import Proxy, proxy_to
from tests.support.ports import free_port, neighbouring_ports
from tests.support.processes import call, wait_until
from tests.support.prometheus import Prometheus, needs_prometheus, prometheus
from tests.support.several_processes import numbered
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

pytestmark = needs_prometheus

KIB: Final = 1024
AT_ONCE: Final = 8
"""Begins that are made at the same time: more than a twentieth of all."""


class Watched(NamedTuple):
    """A service with three gateways, and a Prometheus that watches it.

    `proxied` is the URL of the one that meets the server by the proxy.
    """

    stack: Stack
    proxied: str
    proxy: Proxy
    watching: Prometheus

    def begin_at_once(self, job: str) -> set[int]:
        """Make begins at the proxied gateway at the same time; return the statuses of answers."""

        def begin(number: int) -> int:
            return call(f"{self.proxied}/begin?id={job}-{number}", "POST", {}).status

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return set(threads.map(begin, range(AT_ONCE)))


@pytest.fixture(name="watched", scope="module")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Yield a service and its Prometheus, in which no alert fires at first."""
    directory = tmp_path_factory.mktemp("watched")
    with (
        running_stack(directory, workers=0) as stack,
        proxy_to(stack.server.store_port) as proxy,
    ):
        proxied = stack.add_gateway(
            "proxied", RESONATE_PORT_STORE=str(proxy.port), GATEWAY_BODY_BUDGET=str(KIB * KIB)
        )
        several = stack.add_gateway(
            "several", GATEWAY_PROCESSES="2", GATEWAY_PRESENCE_PORT=str(neighbouring_ports())
        )
        port = str(free_port())
        stack.add_worker("worker", WORKER_METRICS_PORT=port).started("metrics served")
        jobs = {
            "gateways": [url.removeprefix("http://") for url in (stack.url, proxied, several)],
            "workers": [f"127.0.0.1:{port}"],
        }
        # A gateway of which a process is frozen answers a scrape after a second.
        with prometheus(directory / "prometheus", jobs, seconds=2) as watching:
            watching.calm()
            yield Watched(stack, proxied, proxy, watching)


def test_begins_that_are_slow(watched: Watched, job: str) -> None:
    """The server takes its time for begins."""
    with watched.watching.raised("BeginsSlow"):
        watched.proxy.harm("POST", "/promises", "slow", 1000)
        assert watched.begin_at_once(job) == {202}
        watched.proxy.heal()


def test_begins_that_cannot_be_stored(watched: Watched, job: str) -> None:
    """The server answers everything but begins."""
    with watched.watching.raised("BeginsFail"):
        watched.proxy.harm("POST", "/promises", "refuse-503", 1000)
        assert watched.begin_at_once(job) == {503}
        watched.proxy.heal()


def test_bodies_without_room(watched: Watched, job: str) -> None:
    """Of clients that send large bodies without an end one has all the room; others are refused."""
    host, _, port = watched.proxied.removeprefix("http://").partition(":")
    head = (
        f"POST /begin?id={job} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {1000 * KIB}\r\n\r\n"
    )

    with watched.watching.raised("BeginsRefused"), ExitStack() as clients:
        for _ in range(AT_ONCE):
            client = clients.enter_context(socket.create_connection((host, int(port))))
            with suppress(ConnectionError):  # it was refused before it has sent all of this
                client.sendall(head.encode() + b"x" * 700 * KIB)
        refused = f'durable_http_gateway_begins_total{{outcome="refused"}} >= {AT_ONCE - 1}'
        wait_until(lambda: watched.watching.labels(refused, "job"), what="refusals")


def test_a_value_that_is_lost(watched: Watched, job: str) -> None:
    """A gateway fails to answer a begin again, since the store has lost the result."""
    stack, given = watched.stack, {"pad": "x" * 40 * KIB}

    with watched.watching.raised("GatewayErrors"):
        stack.begin(job, body=given)
        with stack.store() as store:
            wait_until(lambda: not store.promises.get(job).pending, what="its end")
        with closing(sqlite3.connect(stack.server.database)) as database, database:
            database.execute("DELETE FROM promises WHERE id LIKE ?", (f"={job}=%",))
        assert stack.begin(job, body=given).status == 500


def test_a_process_of_a_gateway_is_frozen(watched: Watched) -> None:
    """The other process answers for it, to who has a connection to that one."""
    watching = watched.watching
    scraped = 'increase(durable_http_gateway_requests_total{route="/metrics",process!=""}[6s]) > 0'
    wait_until(lambda: len(watching.labels(scraped, "process")) == 1, what="the one that answers")
    (answering,) = watching.labels(scraped, "process")
    others = numbered(watched.stack.gateways["several"]).items()
    (frozen,) = (pid for number, pid in others if number != answering)

    try:
        with watching.raised("GatewayProcessDown"):
            os.kill(frozen, signal.SIGSTOP)
    finally:
        os.kill(frozen, signal.SIGCONT)
    watching.ends("GatewayProcessDown")


def test_the_server_is_away(watched: Watched) -> None:
    """Without the server one alert fires, and ends when it is back."""
    with watched.watching.raised("ServerAway"):
        watched.stack.server.kill()
    watched.stack.server.start()
    watched.watching.ends("ServerAway")


def test_a_gateway_is_down(watched: Watched) -> None:
    """A killed gateway raises one alert."""
    with watched.watching.raised("GatewayDown"):
        watched.stack.gateways["proxied"].kill()
