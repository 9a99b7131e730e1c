"""Services that are made to suffer."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.proxy import Proxy, proxy_to
from tests.support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
