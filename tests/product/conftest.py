"""One service for the tests that leave it as they found it, and one apiece for those that don't."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(name="own_stack")
def _own_stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path) as stack:
        yield stack


@pytest.fixture(name="job")
def _job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"
