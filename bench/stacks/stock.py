"""The stock stack of `bench.baseline`, as a service that can be measured."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.stacks.service import Service
from tests.support.ports import free_port
from tests.support.processes import Process, call, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from bench.stacks.server import BenchServer


class StockStack:
    """One gateway and the workers beside it."""

    def __init__(self, server: BenchServer, directory: Path, exits: contextlib.ExitStack) -> None:
        self._server = server
        self._directory = directory
        self._exits = exits
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._workers: list[Process] = []

    def service(self, name: str) -> Service:
        """Start the gateway, and return the service once it answers."""
        gateway = self._start("gateway", "gateway")
        wait_until(self._answers, what="an answer of the baseline's gateway")
        # The first calls must not come at once: the stock SDK starts its threads with each.
        call(f"{self._url}/begin?id=first", "POST", {"foo": "bar"})

        def pids() -> dict[str, list[int]]:
            return {
                "gateway": [gateway.pid],
                "workers": [each.pid for each in self._workers],
                "server": [self._server.pid],
            }

        return Service(
            name,
            self._server,
            pids,
            lambda: [urlsplit(self._url)],
            self._scale,
            lambda: {each.log.stem: each for each in self._workers},
        )

    def _scale(self, count: int) -> None:
        while len(self._workers) > count:
            self._workers.pop().end()
        while len(self._workers) < count:
            self._workers.append(self._start("worker", f"worker-{len(self._workers) + 1}"))
        # The gateway holds a stream as well.
        wait_until(lambda: self._server.connections() > count, what="the streams of the workers")

    def _start(self, kind: str, name: str) -> Process:
        environment = {
            "RESONATE_HOST": "http://127.0.0.1",
            "RESONATE_PORT_STORE": str(self._server.store_port),
            "RESONATE_PORT_MESSAGE_SOURCE": str(self._server.message_port),
            "GATEWAY_PORT": str(self._port),
        }
        log = self._directory / f"{name}.log"
        process = Process(f"bench.baseline.{kind}", environment, log)
        self._exits.callback(process.end)
        process.start()
        return process

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return call(f"{self._url}/openapi.json").status == 200
        return False
