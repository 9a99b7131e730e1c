"""A whole service on free ports: the real server, one gateway and workers, each a process."""

from __future__ import annotations

import contextlib
import os
import time
import urllib.error
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.tasks import TaskState
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.catalog import CATALOG, write_manifest
from tests.support.ports import free_port
from tests.support.processes import Answer, Process, call, wait_until
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from shared.catalog import Catalog
    from tests.support.server import Server


INVOKE: Final = {"resonate:invoke": "poll://any@worker", "resonate:scope": "global"}
"""Tags with which the server offers an execution to workers."""


class Modules(NamedTuple):
    """What a stack's gateways and workers are: `python -m <module>`.

    `catalog` is what its gateways read; None stands for the functions that ship.
    """

    gateway: str
    worker: str
    catalog: Catalog | None = None

    def catalog_setting(self, directory: Path) -> dict[str, str]:
        """Write the catalog's file, and return the setting that names it."""
        if self.catalog is None:
            return {}
        path = directory / "catalog.json"
        write_manifest(path, self.catalog)
        return {"GATEWAY_CATALOG": str(path)}


OWN_MODULES: Final = Modules("gateway", "tests.support.worker.product", CATALOG)
"""With the tests' own functions."""

SHIPPED_MODULES: Final = Modules("gateway", "worker")
"""With the functions that ship."""


PRESENCE: Final = os.environ.get("TEST_PRESENCE", "1") == "1"
"""Whether workers have connections to gateways, as in the service that ships; by default."""

PRESENCE_SECRET: Final = "presence-of-a-test"

OFFERED: Final = "stream opened"
"""The event of a worker that the server can offer work."""


class Stack:
    """The processes of one service, and the calls that its tests make."""

    def __init__(
        self, server: Server, directory: Path, lease_seconds: float, modules: Modules
    ) -> None:
        self.server = server
        self.presence = PRESENCE
        self._directory = directory
        self._lease_seconds = lease_seconds
        self._modules = modules
        self._catalog = modules.catalog_setting(directory)
        self.workers: dict[str, Process] = {}
        self.gateways: dict[str, Process] = {}
        self.url = ""
        self._presence: dict[str, int] = {}
        self.launchers: dict[str, Sequence[str]] = {}  # what commands begin with, by process

    def add_gateway(
        self,
        name: str = "gateway",
        module: str | None = None,
        *,
        ready: bool = True,
        **environment: str,
    ) -> str:
        """Start a gateway and return its URL once the server answers it, or it listens."""
        self._presence.setdefault(name, free_port())
        own = {
            "GATEWAY_NAME": name,
            "GATEWAY_PORT": "0",
            "GATEWAY_PRESENCE_PORT": str(self._presence[name]),
            **self._catalog,
            **environment,
        }
        process = self._start(module or self._modules.gateway, name, own)
        self.gateways[name] = process
        # With a port that is given, its log need not have the line that it has started.
        port = environment.get("GATEWAY_PORT") or process.started("gateway started")["port"]
        url = f"http://127.0.0.1:{port}"
        if ready:
            wait_until(lambda: _is_ready(url), what=f"start of {name}")
        self.url = self.url or url
        return url

    def add_worker(
        self, name: str, module: str | None = None, awaited: str = OFFERED, **environment: str
    ) -> Process:
        """Start a worker; returns once it has logged an event."""
        process = self._start(
            module or self._modules.worker,
            name,
            {
                "WORKER_NAME": name,
                "WORKER_LEASE_SECONDS": str(self._lease_seconds),
                "WORKER_GATEWAYS": ",".join(f"127.0.0.1:{n}" for n in self._presence.values()),
                **environment,
            },
        )
        self.workers[name] = process
        process.started(awaited)
        return process

    def _start(self, module: str, name: str, environment: dict[str, str]) -> Process:
        process = Process(
            module,
            {
                "RESONATE_HOST": "http://127.0.0.1",
                "RESONATE_PORT_STORE": str(self.server.store_port),
                "RESONATE_PORT_MESSAGE_SOURCE": str(self.server.message_port),
                "LOG_FORMAT": "json",
                "PRESENCE_SECRET": PRESENCE_SECRET if self.presence else "",
                **environment,
            },
            self._directory / f"{name}.log",
            self.launchers.get(name, ()),
        )
        process.start()
        return process

    def end(self) -> None:
        for process in (*self.workers.values(), *self.gateways.values()):
            process.end()

    def begin(self, id: str, function: str = "foo", body: object = None) -> Answer:
        return call(f"{self.url}/begin?id={id}&function={function}", "POST", body)

    def signal(self, id: str, value: object, name: str = "approval") -> Answer:
        return call(f"{self.url}/signal?id={id}&name={name}", "POST", value)

    def state(self, id: str, *, steps: bool = False) -> dict[str, Any]:
        """Return what /wait says of an execution that exists."""
        answer = call(f"{self.url}/wait?id={id}{'&include=steps' if steps else ''}")
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.body
        return body

    def outcome(self, id: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for the execution's end, and return what /wait says of it, steps included."""

        def done() -> bool:
            answer = call(f"{self.url}/wait?id={id}")
            return answer.status == 200 and bool(answer.body["done"])

        wait_until(done, seconds=seconds, what=f"end of {id}")
        return self.state(id, steps=True)

    def suspended(self, id: str) -> None:
        """Wait until a worker has completed the execution's task, so that none holds it."""
        with self.store() as store:
            task, over = f"__invoke:{id}", TaskState.OVER
            wait_until(lambda: store.tasks.state(task) is over, what=f"suspension of {id}")

    def starts(self, id: str) -> list[tuple[str, str]]:
        """Return (worker, step) for each step that any worker's log says was started, in order."""
        found = [e for w in self.workers.values() for e in w.events("step started", execution=id)]
        events = sorted(found, key=lambda event: event["timestamp"])
        return [(event["process"], event["step"]) for event in events]

    def parts_begun(self, id: str) -> list[tuple[str, str]]:
        """Return (worker, child) for each start of the step of a child `part`, by the logs."""
        return [
            (event["process"], event["execution"])
            for worker in self.workers.values()
            for event in worker.events("step started", step="part")
            if event["execution"].startswith(f"{id}.")
        ]

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Yield the server's store, to write what no gateway would."""
        settings = ServerSettings("http://127.0.0.1", self.server.store_port)
        transport = Transport(settings, attempt=5, budget=5)
        try:
            yield Store(transport)
        finally:
            transport.close()

    def create(
        self,
        id: str,
        function: str,
        value: object = None,
        seconds: float = 60,
        *,
        version: int = 1,
    ) -> None:
        """Begin a function that is not in the catalog, so without a gateway."""
        with self.store() as store:
            create(store, id, function, value, seconds, version=version)


def create(  # noqa: PLR0913 - what an execution is made of
    store: Store, id: str, function: str, value: object, seconds: float, *, version: int
) -> None:
    """Store an execution as a gateway would."""
    store.promises.create(
        id,
        int((time.time() + seconds) * 1000),
        ikey=id,
        data=encode_call(function, version, orjson.dumps(value).decode()),
        tags={
            **INVOKE,
            "resonate:root": id,
            "resonate:parent": id,
            tag.FUNCTION: function,
            tag.VERSION: str(version),
        },
    )


def _is_ready(url: str) -> bool:
    with contextlib.suppress(ConnectionError, urllib.error.URLError):
        return bool(call(f"{url}/readyz").body["status"] == "ok")
    return False


@contextlib.contextmanager
def running_stack(  # noqa: PLR0913 - what a service is made of
    directory: Path,
    *,
    workers: int = 3,
    lease_seconds: float = 2.0,
    gateway: Mapping[str, str] | None = None,
    modules: Modules = OWN_MODULES,
    presence: bool = PRESENCE,
    host: str = "127.0.0.1",
    server: Server | None = None,
) -> Iterator[Stack]:
    """Run a service until the block ends, then end every process of it.

    `gateway` is added to the environment of its gateway. Without `presence` the death of a worker
    is noticed when its leases end. `host` is the address at which the server listens; `server` is
    one that runs already.
    """
    own = resonate_server(directory, host) if server is None else contextlib.nullcontext(server)
    with own as used:
        stack = Stack(used, directory, lease_seconds, modules)
        stack.presence = presence
        try:
            stack.add_gateway(ready=True, **(gateway or {}))
            for number in range(1, workers + 1):
                stack.add_worker(f"worker-{number}")
            yield stack
        finally:
            stack.end()
