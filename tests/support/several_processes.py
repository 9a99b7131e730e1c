"""A gateway of several processes that share a port."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.catalog import CATALOG, write_manifest
from tests.support.processes import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server


def gateway(directory: Path, count: int, **environment: str) -> Process:
    """Return a gateway of so many processes, which is not started yet."""
    own = {
        "GATEWAY_PORT": "0",
        "GATEWAY_PROCESSES": str(count),
        "GATEWAY_NAME": "g",
        "GATEWAY_CATALOG": str(directory / "catalog.json"),
        "RESONATE_HOST": "http://127.0.0.1",
        "LOG_FORMAT": "json",
    }
    return Process("gateway", {**own, **environment}, directory / "log")


@contextlib.contextmanager
def serving(directory: Path, count: int, server: Server, **environment: str) -> Iterator[Process]:
    """Run such a gateway until the block ends; all its processes serve when it begins."""
    write_manifest(directory / "catalog.json", CATALOG)
    process = gateway(
        directory,
        count,
        RESONATE_PORT_STORE=str(server.store_port),
        RESONATE_PORT_MESSAGE_SOURCE=str(server.message_port),
        **environment,
    )
    process.start()
    wait_until(lambda: len(process.events("gateway started")) == count, what="all processes")
    try:
        yield process
    finally:
        process.end()


def url_of(process: Process) -> str:
    """Return where a gateway serves."""
    return f"http://127.0.0.1:{process.started('gateway started')['port']}"


def numbered(process: Process) -> dict[str, int]:
    """Return the process ids of those that serve, by their numbers."""
    tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found = {}
    for pid in tasks.read_text().split():
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        found[arguments[-2].decode()] = int(pid)
    return found
