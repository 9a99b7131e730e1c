"""What is compared, by name, and how each is started on free ports in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bench.stacks.server import BenchServer
from bench.stacks.service import Service
from bench.stacks.stock import StockStack
from bench.stacks.stores import postgres, postgres_programs
from tests.support.ports import free_port
from tests.support.processes import ROOT, Process, call, wait_until
from tests.support.stack import SHIPPED_MODULES, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOWS: Final = "bench.flows"


@dataclass(frozen=True)
class Subject:
    """One kind of service: `stack` is ours, stock, server or aiohttp."""

    name: str
    text: str
    stack: str
    stock_flags: bool = False
    store: str = "sqlite"
    gateways: int = 1
    presence: bool = True


SUBJECTS: Final = {
    subject.name: subject
    for subject in (
        Subject("stock", "FastAPI and stock SDK, stock server", "stock", stock_flags=True),
        Subject("stock-tuned", "FastAPI and stock SDK, our server flags and indexes", "stock"),
        Subject("ours", "this service", "ours"),
        Subject("ours-leases", "this service without a secret of presence", "ours", presence=False),
        Subject("ours-2", "this service with two gateway processes", "ours", gateways=2),
        Subject("ours-postgres", "this service on PostgreSQL", "ours", store="postgres"),
        Subject("server", "the server alone", "server"),
        Subject("aiohttp", "a bare aiohttp handler", "aiohttp"),
    )
}


def available(subject: Subject) -> bool:
    """Return whether this machine can run it."""
    return subject.store != "postgres" or postgres_programs() is not None


@contextlib.contextmanager
def started(subject: Subject) -> Iterator[Service]:
    """Run a service without workers until the block ends; nothing of it is left behind."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        directory = Path(folder)
        if subject.stack == "aiohttp":
            yield _bare(subject.name, directory, stack)
            return
        store = stack.enter_context(postgres()) if subject.store == "postgres" else None
        server = BenchServer(directory, store=store, stock=subject.stock_flags)
        stack.callback(_end_server, server)
        server.start()
        if subject.stack == "server":
            url = urlsplit(f"http://127.0.0.1:{server.store_port}")
            yield Service(subject.name, server, lambda: {"server": [server.pid]}, lambda: [url])
        elif subject.stack == "stock":
            yield StockStack(server, directory, stack).service(subject.name)
        else:
            yield _ours(subject, server, directory, stack)


def _end_server(server: BenchServer) -> None:
    if server.child is not None:
        server.kill()


def _ours(
    subject: Subject, server: BenchServer, directory: Path, exits: contextlib.ExitStack
) -> Service:
    catalog = directory / "catalog.json"
    catalog.write_bytes(_catalog())
    stack = Stack(server, directory, 2.0, SHIPPED_MODULES)
    stack.presence = subject.presence
    exits.callback(stack.end)
    environment = {"GATEWAY_CATALOG": str(catalog), "GATEWAY_DEFAULT_FUNCTION": "foo"}
    urls = [
        urlsplit(stack.add_gateway(f"gateway-{number}", None, ready=True, **environment))
        for number in range(1, subject.gateways + 1)
    ]

    def scale(workers: int) -> None:
        for number in range(len(stack.workers) + 1, workers + 1):
            stack.add_worker(f"worker-{number}", WORKER_FUNCTIONS=FLOWS, WORKER_DRAIN_SECONDS="0")
        while len(stack.workers) > workers:
            stack.workers.popitem()[1].end()

    def pids() -> dict[str, list[int]]:
        return {
            "gateway": [process.pid for process in stack.gateways.values()],
            "workers": [process.pid for process in stack.workers.values()],
            "server": [server.pid],
        }

    return Service(subject.name, server, pids, lambda: urls, scale, lambda: stack.workers)


def _catalog() -> bytes:
    command = [sys.executable, "-m", "worker", "catalog"]
    environment = {"PATH": os.environ["PATH"], "WORKER_FUNCTIONS": FLOWS}
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=60
    ).stdout


def _bare(name: str, directory: Path, exits: contextlib.ExitStack) -> Service:
    port = free_port()
    process = Process("bench.stacks.bare", {"PORT": str(port)}, directory / "bare.log")
    exits.callback(process.end)
    process.start()
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return call(f"{url}/wait").status == 200
        return False

    wait_until(answers, what="an answer of aiohttp")
    return Service(name, None, lambda: {"gateway": [process.pid]}, lambda: [urlsplit(url)])
