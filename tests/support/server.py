"""The real server on free ports, with its data in a directory of the test's."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.store import indexes
from tests.support.ports import free_port
from tests.support.processes import call, wait_until
from tools import server

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENING = "0A"
"""A state of /proc/net/tcp."""

binary = functools.cache(server.locate)


@dataclass
class Server:
    """A `resonate serve` with our configuration and indexes, which can die and come back."""

    directory: Path
    store_port: int = field(default_factory=free_port)
    message_port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    child: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self.directory / "resonate.db"

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def start(self) -> None:
        """Start it and return once it answers."""
        command = server.command(
            binary(),
            store_port=self.store_port,
            message_port=self.message_port,
            database=self.database,
            host=self.host,
        )
        with (self.directory / "server.log").open("ab") as log:
            environment = {**os.environ, **server.ENVIRONMENT}
            self.child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        wait_until(self.answers, what="an answer of the server")
        indexes.apply(self.database)

    def answers(self) -> bool:
        try:
            return call(f"http://127.0.0.1:{self.store_port}/ping").status == 200
        except OSError:
            return False

    def listening_ports(self) -> set[int]:
        """Return the TCP ports that this very process listens on, from /proc."""
        inodes = set()
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(entry.readlink()))
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and f"socket:[{columns[9]}]" in inodes:
                    ports.add(int(columns[1].rpartition(":")[2], 16))
        return ports

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()


@contextlib.contextmanager
def resonate_server(directory: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server until the block ends. It is reached at this host's own address in any case."""
    running = Server(directory, host=host)
    running.start()
    try:
        yield running
    finally:
        running.kill()
