"""The browser of all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.support.page.browser import launched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser


@pytest_asyncio.fixture(name="browser", scope="session", loop_scope="session")
async def _browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser
