"""The balancer of a cell: what it keeps from the server's connections, and how it ends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.cell.guards import HAPROXY, needs_haproxy
from tests.support.ports import free_port
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = needs_haproxy

STOP_SECONDS: Final = 10
"""The `stop_grace_period` of compose.ha.yaml."""

RESERVED: Final = 1000
"""Connections for gateways, workers and their streams."""

UP: Final = 'haproxy_server_status{proxy="servers-store",server="server-1",state="UP"}'


class Endpoint:
    """Takes connections as the server's port does, and answers each byte with the same one."""

    def __init__(self) -> None:
        # Without room for connections that wait: one more is a packet that nobody answers.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self._listener.getsockname()[1]
        self._takes = threading.Event()
        self._takes.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while self._takes.wait():
                connection, _ = self._listener.accept()
                threading.Thread(target=_echo, args=[connection], daemon=True).start()

    @contextlib.contextmanager
    def unanswered(self) -> Iterator[None]:
        """Answer no new connection, as if its packets were lost, until the block ends."""
        self._takes.clear()
        with contextlib.ExitStack() as waiting:
            for _ in range(4):
                connection = waiting.enter_context(socket.socket())
                connection.settimeout(0)
                connection.connect_ex(("127.0.0.1", self.port))
            yield
            self._takes.set()


def _echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(100):
            connection.sendall(data)


class Balancer:
    """HAProxy with our configuration in front of one endpoint."""

    def __init__(self, directory: Path) -> None:
        self.endpoint, self.store_port, self.own_port = Endpoint(), free_port(), free_port()
        ports = dict.fromkeys(("GATEWAY_1", "GATEWAY_2", "SERVER_2_STORE", "SERVER_2_STREAMS"), 1)
        ports |= {"CLIENTS_BIND": free_port(), "STREAMS_BIND": free_port()}
        ports |= {"STORE_BIND": self.store_port, "OWN_BIND": self.own_port, "SERVER_1_STREAMS": 1}
        ports |= {"SERVER_1_STORE": self.endpoint.port}
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        with (directory / "haproxy.log").open("ab") as log:
            self.child = subprocess.Popen(
                ["haproxy", "-db", "-f", str(HAPROXY)],
                env={**os.environ, **addresses},
                stdout=log,
                stderr=log,
            )

    def number(self, metric: str) -> int:
        """Return the value of one of its metrics, -1 while it does not answer."""
        with contextlib.suppress(OSError):
            url = f"http://127.0.0.1:{self.own_port}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                (found,) = re.findall(
                    rf"^{re.escape(metric)} (\d+)", answer.read().decode(), re.MULTILINE
                )
                return int(found)
        return -1

    def session(self) -> socket.socket:
        """Return a connection to the server's port that has carried something."""
        connection = socket.create_connection(("127.0.0.1", self.store_port), timeout=5)
        assert carries(connection)
        return connection


def carries(connection: socket.socket) -> bool:
    """Return whether the other side answers."""
    connection.sendall(b"?")
    return connection.recv(1) == b"?"


@pytest.fixture(name="balancer")
def _balancer(tmp_path: Path) -> Iterator[Balancer]:
    balancer = Balancer(tmp_path)
    try:
        wait_until(lambda: balancer.number(UP) == 1, what="an active server")
        yield balancer
    finally:
        balancer.child.kill()
        balancer.child.wait()


def test_a_lost_packet_cuts_no_session(balancer: Balancer) -> None:
    """A check that had no answer in time is repeated before sessions are ended."""
    failed = 'haproxy_server_check_failures_total{proxy="servers-store",server="server-1"}'
    before = balancer.number(failed)
    with balancer.session() as session:
        with balancer.endpoint.unanswered():
            wait_until(lambda: balancer.number(failed) > before, what="a failed check")

        assert carries(session)
    assert balancer.number(UP) == 1


def test_clients_leave_room_for_workers(balancer: Balancer) -> None:
    """Clients cannot take all connections that HAProxy may have."""
    clients = balancer.number('haproxy_frontend_limit_sessions{proxy="clients"}')
    assert 0 < clients <= balancer.number("haproxy_process_max_connections") - RESERVED


def test_it_ends_while_the_server_is_connected(balancer: Balancer) -> None:
    """Sessions of workers, which never end by themselves, do not use up the time of a restart."""
    with balancer.session():
        began = time.monotonic()
        balancer.child.send_signal(signal.SIGUSR1)
        balancer.child.wait(STOP_SECONDS)

    assert time.monotonic() - began < STOP_SECONDS - 2
