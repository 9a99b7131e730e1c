"""The fixtures that tests of more than one module use."""

from __future__ import annotations

import gc
import os
import socket
import uuid
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest
import structlog
from blockbuster import blockbuster_ctx

from gateway.app import create_app
from gateway.catalog.file import serve
from gateway.http.body import expect
from gateway.http.middleware import surround
from gateway.http.routing import add_routes
from gateway.settings import Deadlines, GatewaySettings
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.catalog import CATALOG
from tests.support.compose import Compose
from tests.support.faults.proxy import Proxy, proxy_to
from tests.support.gateway.client import Gateway, GatewayServer
from tests.support.gateway.senders import Sender
from tests.support.ports import free_port
from tests.support.server import resonate_server
from tests.support.stack import PRESENCE, Stack, running_stack
from tests.support.turns import turn
from tests.support.worker.claims import ClaimedJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aiohttp import web
    from aiohttp.test_utils import TestClient
    from pytest_aiohttp import AiohttpClient
    from structlog.typing import EventDict

    from shared.catalog import Catalog
    from tests.support.gateway.client import StartGateway
    from tests.support.server import Server

E2E = "tests/e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need containers, so that they run only when they are asked for."""
    for item in items:
        if E2E in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test that judges times while no other test runs; its fixtures too."""
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(name="garbage", scope="module", autouse=True)
def _garbage() -> Iterator[None]:
    """Collect what a module leaves behind, so that an open socket is that module's error."""
    yield
    gc.collect()


@pytest.fixture(name="job")
def _job() -> str:
    """Return an id that no other test uses."""
    return f"job-{uuid.uuid4().hex[:12]}"


@pytest.fixture(name="closed_port")
def _closed_port() -> Iterator[int]:
    """Yield a port that is bound, so that nobody else gets it, and refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(name="silent_port")
def _silent_port() -> Iterator[int]:
    """Yield a port that accepts every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


# The real server, and gateways in the test's own loop.


@pytest.fixture(name="server", scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with resonate_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(name="proxy")
def _proxy(server: Server) -> Iterator[Proxy]:
    """Yield a proxy before the real server's store."""
    with proxy_to(server.store_port) as proxy:
        yield proxy


@pytest.fixture(name="settings")
def _settings(server: Server) -> GatewaySettings:
    return GatewaySettings(
        server=ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
    )


@pytest.fixture(name="store")
def _store(settings: GatewaySettings) -> Iterator[Store]:
    transport = Transport(settings.server, attempt=5, budget=5)
    yield Store(transport)
    transport.close()


@pytest.fixture(name="claimed", params=["JOB", "JOB_a"])
def _claimed(store: Store, job: str, request: pytest.FixtureRequest) -> ClaimedJob:
    """Return an execution, whose id may have an underscore."""
    return ClaimedJob(store, request.param.replace("JOB", job))


@pytest.fixture(name="production_logging")
def _production_logging() -> Iterator[None]:
    """Log in the form of production; the default form, for people, reads sources in the loop."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(name="log")
def _log(production_logging: None) -> Iterator[list[EventDict]]:
    """Yield the events that are logged."""
    processors = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=processors) as events:
        yield events


@pytest.fixture(name="never_blocked")
def _never_blocked() -> Iterator[None]:
    """Raise wherever the gateway's code blocks the event loop."""
    with blockbuster_ctx("gateway"):
        yield


@pytest.fixture(name="aiohttp_client_cls")
def _aiohttp_client_cls() -> type[Gateway]:
    return Gateway


@pytest.fixture(name="start_gateway")
def _start_gateway(
    production_logging: None, never_blocked: None, aiohttp_client: AiohttpClient
) -> StartGateway:
    async def start(
        settings: GatewaySettings,
        routes: Iterable[web.RouteDef] = (),
        catalog: Catalog = CATALOG,
    ) -> Gateway:
        app = create_app(settings, serve(catalog, settings))
        add_routes(app, routes, surround, expect)
        client: TestClient[web.Request, None] = await aiohttp_client(
            GatewayServer(app, settings),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=15),
            skip_auto_headers=["Content-Type"],
        )
        return cast("Gateway", client)

    return start


@pytest.fixture(name="gateway")
async def _gateway(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway of the real server."""
    return await start_gateway(settings)


@pytest.fixture(name="offline")
async def _offline(closed_port: int, start_gateway: StartGateway) -> Gateway:
    """Return a gateway without a server: a request that it would pass on is answered 503."""
    settings = GatewaySettings(
        server=ServerSettings("http://127.0.0.1", closed_port),
        deadlines=Deadlines(store_attempt=0.1, store_budget=0, offload=1, shutdown=2),
    )
    return await start_gateway(settings)


# Whole services, each of processes.


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service with three workers, for tests that leave it as they found it."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(name="presence")
def _presence() -> bool:
    """Return whether gateways notice deaths; parametrize `presence` for a test's own answer."""
    return PRESENCE


@pytest.fixture(name="own_stack")
def _own_stack(tmp_path: Path, *, presence: bool) -> Iterator[Stack]:
    """Yield a service with three workers, for this test alone."""
    with running_stack(tmp_path, presence=presence) as stack:
        yield stack


@pytest.fixture(name="senders")
def _senders(settings: GatewaySettings, job: str) -> Iterator[list[Sender]]:
    """Yield two gateways' calls; the execution is begun."""
    transports = [Transport(settings.server, attempt=5, budget=5) for _ in range(2)]
    senders = [Sender(transport, job) for transport in transports]
    senders[0].begin()
    yield senders
    for transport in transports:
        transport.close()


@pytest.fixture(name="bare_stack")
def _bare_stack(tmp_path: Path, *, presence: bool) -> Iterator[Stack]:
    """Yield a service without workers, for this test alone."""
    with running_stack(tmp_path, workers=0, presence=presence) as stack:
        yield stack


@pytest.fixture(name="proxied", scope="module")
def _proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Proxy]]:
    """Yield a service whose one worker, with odd functions too, meets the server by a proxy."""
    with (
        running_stack(tmp_path_factory.mktemp("proxied"), workers=0) as stack,
        proxy_to(stack.server.store_port) as proxy,
    ):
        stack.add_worker("odd", "tests.support.worker.odd", RESONATE_PORT_STORE=str(proxy.port))
        yield stack, proxy


# Containers.


@pytest.fixture(name="containers", scope="session")
def _containers() -> Iterator[Compose]:
    """Yield the containers, taken down at the end; E2E_STORE names their database."""
    containers = Compose(os.environ.get("E2E_STORE", "sqlite"), free_port())
    containers.remove()
    try:
        containers.up()
        yield containers
    finally:
        containers.remove()


@pytest.fixture(name="compose")
def _compose(containers: Compose) -> Compose:
    """Return the containers, all of which run again, whatever the test before has killed."""
    containers.revive()
    return containers
