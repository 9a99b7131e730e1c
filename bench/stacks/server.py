"""A real server on free ports, with our flags or with its own, and the calls it has counted."""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.stacks.stores import SqliteStore
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.server import Server, binary
from tools import server

if TYPE_CHECKING:
    from bench.stacks.stores import Store

CALLS = re.compile(r'^api_duration_seconds_count\{.*type="(\w+)"\} (\S+)$', re.MULTILINE)
STREAMS = r'aio_plugin_connections\{type="sender:poll"\} (\S+)'


@dataclass
class BenchServer(Server):
    """A server as shipped, or with `stock` as it is without any configuration of ours."""

    store: Store | None = None
    stock: bool = False
    metrics_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.sql: Store = self.store or SqliteStore(self.database)

    def start(self) -> None:
        """Start it and return once it answers."""
        with (self.directory / "server.log").open("ab") as log:
            ours = {} if self.stock else server.ENVIRONMENT
            self.child = subprocess.Popen(
                self._command(),
                cwd=self.directory,
                stdout=log,
                stderr=log,
                env={**os.environ, **ours},
            )
        wait_until(self.answers, what="an answer of the server")
        if not self.stock:
            self.sql.index()

    def _command(self) -> list[str]:
        if self.stock:
            return [
                str(binary()),
                "serve",
                f"--api-http-addr=127.0.0.1:{self.store_port}",
                f"--aio-poll-addr=127.0.0.1:{self.message_port}",
                f"--metrics-addr=127.0.0.1:{self.metrics_port}",
                "--api-grpc-addr=127.0.0.1:0",
                f"--aio-store-sqlite-path={self.database}",
            ]
        command = server.command(
            binary(),
            store_port=self.store_port,
            message_port=self.message_port,
            database=self.database,
        )
        # Of a flag that is repeated the last one counts.
        return [*command, *self.sql.flags, f"--metrics-addr=127.0.0.1:{self.metrics_port}"]

    def connections(self) -> int:
        """Return how many workers and gateways hold a stream."""
        found = re.search(STREAMS, self._metrics())
        return int(float(found[1])) if found else 0

    def calls(self) -> Counter[str]:
        """Return how many calls of each kind the server has had."""
        counts = CALLS.findall(self._metrics())
        return Counter({kind: int(float(count)) for kind, count in counts})

    def _metrics(self) -> str:
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as response:
            text: str = response.read().decode()
        return text
