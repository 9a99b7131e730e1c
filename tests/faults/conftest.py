"""Services that are made to suffer."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.proxy import Proxy, proxy_to
from tests.support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INVOKE = {"resonate:invoke": "poll://any@worker", "resonate:scope": "global"}
"""Tags with which the server offers an execution to workers."""


@pytest.fixture(name="proxied", scope="module")
def _proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Proxy]]:
    """A service with one worker, which has odd functions too and meets the server by a proxy."""
    with (
        running_stack(tmp_path_factory.mktemp("proxied"), workers=0) as stack,
        proxy_to(stack.server.store_port) as proxy,
    ):
        stack.add_worker("odd", "tests.support.odd_worker", RESONATE_PORT_STORE=str(proxy.port))
        yield stack, proxy


@pytest.fixture(name="own_stack")
def _own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A server and a gateway of the test's own, and no worker yet."""
    with running_stack(tmp_path, workers=0) as stack:
        yield stack


@pytest.fixture(name="job")
def _job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def store_of(stack: Stack) -> Iterator[Store]:
    """Give the server's store, to write what no gateway would."""
    server = ServerSettings("http://127.0.0.1", stack.server.store_port)
    transport = Transport(server, attempt=5, budget=5)
    try:
        yield Store(transport)
    finally:
        transport.close()


def begin(stack: Stack, id: str, function: str, value: object = None, seconds: float = 60) -> None:
    """Begin a function that is in no catalog."""
    with store_of(stack) as store:
        store.promises.create(
            id,
            int((time.time() + seconds) * 1000),
            ikey=id,
            data=encode_call(function, 1, orjson.dumps(value).decode()),
            tags={**INVOKE, "resonate:root": id, "resonate:parent": id},
        )
