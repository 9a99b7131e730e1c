"""A headless Chromium that shows the page; whatever its console complains of fails the test."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Page

PROGRAM: Final = shutil.which("chromium")
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
MILLISECONDS: Final = 20_000
"""How long anything that a test expects of the page may take."""

IN_BROWSER: Final = [
    pytest.mark.skipif(PROGRAM is None, reason="needs the program chromium"),
    pytest.mark.asyncio(loop_scope="session"),
]
"""Marks of tests that use the fixture `browser`, whose loop is that of the session."""

UNANSWERED: Final = "Failed to load resource"
"""How the console begins to say that an answer was no success, which is no fault of the page."""

SERIOUS: Final = frozenset({"serious", "critical"})

expect.set_options(timeout=MILLISECONDS)


@contextlib.asynccontextmanager
async def launched(*flags: str) -> AsyncIterator[Browser]:
    """Run a Chromium until the block ends."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, *flags])
        async with browser:
            yield browser


@contextlib.asynccontextmanager
async def browsing(  # noqa: PLR0913 - what a person's browser may be
    browser: Browser,
    url: str,
    *,
    scheme: Literal["light", "dark"] = "light",
    width: int = 1280,
    motion: Literal["no-preference", "reduce"] = "no-preference",
    clock: bool = False,
) -> AsyncIterator[Page]:
    """Show an address until the block ends, with nothing of what was browsed before.

    With `clock`, `later` can let time go by.
    Nothing may be on the console then, and no request may have left the address's origin.
    """
    complaints: list[str] = []
    requests: list[str] = []
    context = await browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        reduced_motion=motion,
    )
    async with context:
        page = await context.new_page()
        page.set_default_timeout(MILLISECONDS)
        _collect(page, complaints)
        page.on("request", lambda request: requests.append(request.url))
        if clock:
            await page.clock.install()
        await page.goto(url)
        yield page
    origin = "/".join(url.split("/", 3)[:3])
    assert complaints == []
    assert [each for each in requests if not each.startswith((f"{origin}/", "data:"))] == []


def _collect(page: Page, complaints: list[str]) -> None:
    """Add what the page's console has to complain of."""

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(UNANSWERED):
            complaints.append(message.text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", note)


async def serious_violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical, each with a place on the page."""
    found = await Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in found.response["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


async def later(page: Page, seconds: int) -> None:
    """Let time go by for the page, until its gateway has had what the page asks for meanwhile."""
    await page.clock.run_for(seconds * 1000)
    await page.evaluate("fetch('/dashboard/state').then((answer) => answer.text())")


async def hide(page: Page, *, hidden: bool) -> None:
    """Have the page believe that its tab is hidden, or shown again."""
    await page.evaluate(
        """hidden => {
          Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
