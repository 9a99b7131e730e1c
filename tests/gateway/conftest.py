"""The real server once, a gateway for each test, and a guard against blocking its loop."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING

import pytest
import structlog
from blockbuster import blockbuster_ctx

from gateway.settings import Deadlines, GatewaySettings
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.gateway.client import running_gateway
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from structlog.typing import EventDict

    from tests.support.gateway.client import Gateway
    from tests.support.server import Server


@pytest.fixture(autouse=True, scope="session")
def _logging() -> Iterator[None]:
    """Log in the form of production; the default one, for people, reads sources in the loop."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _never_blocked() -> Iterator[None]:
    with blockbuster_ctx("gateway"):
        yield


@pytest.fixture(name="server", scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with resonate_server(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(name="settings")
def _settings(server: Server) -> GatewaySettings:
    return GatewaySettings(
        server=ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
    )


@pytest.fixture(name="gateway")
async def _gateway(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    async with running_gateway(settings) as gateway:
        yield gateway


@pytest.fixture(name="store")
def _store(settings: GatewaySettings) -> Iterator[Store]:
    transport = Transport(settings.server, attempt=5, budget=5)
    yield Store(transport)
    transport.close()


@pytest.fixture(name="closed_port")
def _closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(name="silent_port")
def _silent_port() -> Iterator[int]:
    """A port that accepts every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(name="offline")
async def _offline(closed_port: int) -> AsyncIterator[Gateway]:
    """A gateway without a server: whatever it would pass on becomes a 503."""
    settings = GatewaySettings(
        server=ServerSettings("http://127.0.0.1", closed_port),
        deadlines=Deadlines(store_attempt=0.1, store_budget=0, offload=1, shutdown=2),
    )
    async with running_gateway(settings) as gateway:
        yield gateway


@pytest.fixture(name="job")
def _job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


@pytest.fixture(name="log")
def _log() -> Iterator[list[EventDict]]:
    """What is logged."""
    processors = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=processors) as events:
        yield events
