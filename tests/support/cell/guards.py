"""An active server and a spare on one PostgreSQL, as one address by our HAProxy's configuration."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from bench.stacks.stores import PostgresStore, postgres, postgres_programs
from tests.support.ports import free_port
from tests.support.processes import ROOT, Process, call, wait_until
from tests.support.server import Server, binary
from tools.server import CONFIG, ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PASSWORD: Final = "a-password"
ROLES: Final = ROOT / "deploy" / "store" / "roles.sql"
HAPROXY: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"

needs_postgres = pytest.mark.skipif(
    postgres_programs() is None, reason="PostgreSQL is not installed: apt-get install postgresql"
)
needs_haproxy = pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="HAProxy is not installed: apt-get install haproxy"
)


def prepare_roles(store: PostgresStore, administrator: str = "postgres") -> None:
    """Do what is done once for a new PostgreSQL."""
    address = {"PGHOST": "127.0.0.1", "PGPORT": str(store.port), "PGUSER": administrator}
    address["PGDATABASE"] = "postgres"
    subprocess.run(
        ["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={ROLES}"],
        env={**os.environ, **address, "RESONATE_PASSWORD": PASSWORD},
        check=True,
    )
    store.database = "resonate"


def address_of(store: PostgresStore) -> dict[str, str]:
    """Return the settings of a guard for this PostgreSQL."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(store.port),
        "PGPASSWORD": PASSWORD,
        "PGSSLMODE": "disable",
        "RESONATE_SERVER_BIN": str(binary()),
        **ENVIRONMENT,
    }


class Guard(Process):
    """A guard, and the ports of the server that it runs while it has the lock."""

    def __init__(
        self, name: str, directory: Path, environment: Mapping[str, str], *more: str
    ) -> None:
        self.store_port, self.message_port = free_port(), free_port()
        self.metrics_port = free_port()
        flags = (
            f"--config={CONFIG}",
            f"--api-http-addr=127.0.0.1:{self.store_port}",
            f"--aio-poll-addr=127.0.0.1:{self.message_port}",
            f"--metrics-addr=127.0.0.1:{self.metrics_port}",
            *more,
        )
        log = directory / f"{name}.log"
        super().__init__("deploy.store.guard", environment, log, arguments=flags)

    def serves(self) -> bool:
        """Return whether its server answers."""
        with contextlib.suppress(OSError):
            return call(f"http://127.0.0.1:{self.store_port}/ping").status == 200
        return False

    def is_up(self) -> bool:
        """Return whether Prometheus gets what it takes for an answer of a healthy server."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            has_samples = b"coroutines_total" in answer.read()
            return has_samples == bool(self.server())
        return False

    def server(self) -> int:
        """Return the process id of its server, 0 if there is none."""
        if not self.running():
            return 0
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def waits(self) -> bool:
        """Return whether it has said that it is the spare, and has no server."""
        said = self.log.read_text().rpartition("server started")[2]
        return self.running() and "waits as the spare" in said


class SafeServer(Server):
    """Two guards as one server; a balancer passes its ports to the one that is active."""

    def __init__(self, directory: Path, store: PostgresStore) -> None:
        super().__init__(directory)
        self.postgres = store
        self.gateways = {f"GATEWAY_{number}": free_port() for number in (1, 2)}
        """Ports of the gateways behind the balancer."""

        self.clients_port, self.own_port = free_port(), free_port()
        environment = address_of(store)
        self.guards = [Guard(name, directory, environment) for name in ("guard-1", "guard-2")]

    def start(self) -> None:
        """Start both; the first of them is active."""
        first, second = self.guards
        first.start()
        wait_until(first.serves, what="the active server")
        self.postgres.index()
        second.start()
        wait_until(second.waits, what="the spare")
        self.balance()
        wait_until(self.answers, what="an answer through the balancer")

    def kill(self) -> None:
        """End everything."""
        for guard in self.guards:
            guard.end()
        if self.child is not None:
            super().kill()

    def complete(self) -> None:
        """Start again what has ended, until one is active and the other waits."""
        for guard in self.guards:
            if not guard.running():
                guard.start()
        active = self.active()
        for guard in self.guards:
            if guard is not active:
                wait_until(guard.waits, what="the spare")

    def passes_to(self, gateway: str) -> bool:
        """Return whether the balancer passes requests to a gateway."""
        url = f"http://127.0.0.1:{self.own_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = answer.read().decode()
        return f'{{proxy="gateways",server="{gateway}",state="UP"}} 1' in found

    def active(self) -> Guard:
        """Return the guard whose server answers; wait until there is one."""

        def found() -> list[Guard]:
            return [guard for guard in self.guards if guard.serves()]

        return wait_until(found, what="an active server")[0]

    def balance(self) -> None:
        """Start the balancer."""
        first, second = self.guards
        ports = {
            "CLIENTS_BIND": self.clients_port,
            "STORE_BIND": self.store_port,
            "STREAMS_BIND": self.message_port,
            "OWN_BIND": self.own_port,
            "SERVER_1_STORE": first.store_port,
            "SERVER_1_STREAMS": first.message_port,
            "SERVER_2_STORE": second.store_port,
            "SERVER_2_STREAMS": second.message_port,
            **self.gateways,
        }
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        with (self.directory / "haproxy.log").open("ab") as log:
            self.child = subprocess.Popen(
                ["haproxy", "-db", "-f", str(HAPROXY)],
                env={**os.environ, **addresses},
                stdout=log,
                stderr=log,
            )


@contextlib.contextmanager
def safe_server(directory: Path, *, gateway: int | None = None) -> Iterator[SafeServer]:
    """Run a PostgreSQL, an active server, a spare and a balancer until the block ends.

    `gateway` is the port at which the balancer looks for the first gateway.
    """
    with postgres() as store:
        prepare_roles(store)
        server = SafeServer(directory, store)
        if gateway is not None:
            server.gateways["GATEWAY_1"] = gateway
        try:
            server.start()
            yield server
        finally:
            server.kill()
