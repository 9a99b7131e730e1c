"""One stack for all tests here, taken down at the end; E2E_STORE says on which database."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.compose import Compose
from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = "tests/e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs containers, so that it runs only where it is asked for."""
    for item in items:
        if HERE in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(name="compose", scope="session")
def _compose() -> Iterator[Compose]:
    compose = Compose(os.environ.get("E2E_STORE", "sqlite"), free_port())
    compose("--profile", "scale", "down", "--volumes", "--remove-orphans")
    try:
        compose.up()
        yield compose
    finally:
        compose("--profile", "scale", "down", "--volumes", "--remove-orphans")


@pytest.fixture(autouse=True)
def _all_up(request: pytest.FixtureRequest, compose: Compose) -> None:
    """Whatever the test before has killed is there again."""
    compose("up", "--no-build", "--wait")


@pytest.fixture(name="job")
def _job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"
