"""A real HAProxy before the gateways of several cells, with the configuration of their map."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.ports import free_port
from tests.support.processes import wait_until
from tools.cells.followers import Followers
from tools.cells.haproxy import configuration, slots_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cells.hash_slots import SlotMap

SECONDS: Final = 15.0
"""Seconds that gateways have to follow a move."""


class Balancer:
    """HAProxy, its files in a directory, and where clients reach it."""

    def __init__(self, directory: Path, slots: SlotMap, sockets: Path) -> None:
        self.slots = directory / "slots.map"
        self.slots.write_text(slots_file(slots))
        self.configuration = directory / "haproxy.cfg"
        self.configuration.write_text(configuration(slots))
        self._log = directory / "haproxy.log"
        self.admin_socket, self._own, self._port = sockets / "admin", free_port(), free_port()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def followers(self) -> Followers:
        """Return what a move tells."""
        return Followers(
            sockets=[str(self.admin_socket)],
            slots=self.slots,
            configuration=self.configuration,
            seconds=SECONDS,
        )

    def start(self) -> None:
        own = {
            "CLIENTS_BIND": f"127.0.0.1:{self._port}",
            "OWN_BIND": f"127.0.0.1:{self._own}",
            "ADMIN_SOCKET": str(self.admin_socket),
            "SLOTS_MAP": str(self.slots),
        }
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                ["haproxy", "-db", "-f", str(self.configuration)],
                env={**os.environ, **own},
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens, what="HAProxy")

    def end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def passes_to(self, backend: str) -> set[str]:
        """Return the servers of a backend that HAProxy takes for ready."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._own}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        begin = f'haproxy_server_status{{proxy="{backend}",server="'
        return {
            line.removeprefix(begin).partition('"')[0]
            for line in lines
            if line.startswith(begin) and line.endswith('state="UP"} 1')
        }

    def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self._own}/healthz", timeout=5).close()
            return True
        return False


@contextlib.contextmanager
def running_balancer(directory: Path, slots: SlotMap) -> Iterator[Balancer]:
    """Run HAProxy until the block ends."""
    # The path of a socket may have 107 bytes at most, and that of a test's directory can be longer.
    sockets = Path(tempfile.mkdtemp(prefix="cells-"))
    balancer = Balancer(directory, slots, sockets)
    try:
        balancer.start()
        yield balancer
    finally:
        balancer.end()
        shutil.rmtree(sockets)
