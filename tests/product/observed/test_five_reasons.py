"""Five executions that do not go on: a person who sees only the page knows why, and what to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.support.flows import CHANGES, WRITTEN, blocked, deploy, module
from tests.support.page.browser import IN_BROWSER, browsing
from tests.support.processes import wait_until
from tests.support.stack import PRESENCE

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from tests.support.stack import Stack

pytestmark = [
    *IN_BROWSER,
    pytest.mark.skipif(not PRESENCE, reason="without presence no lane is shown"),
]

ODD = "tests.support.worker.odd"


def _prepare(stack: Stack, directory: Path, job: str) -> None:
    """Have one execution blocked, one retrying and two waiting."""
    deploy(stack, "written", directory, module({"flow": WRITTEN}))
    stack.create(f"{job}-blocked", "flow", seconds=600)
    stack.suspended(f"{job}-blocked")
    deploy(stack, "changed", directory, module({"flow": CHANGES["inserted"]}))
    stack.workers["written"].stop()
    stack.signal(f"{job}-blocked", 7, name="go")
    blocked(stack, f"{job}-blocked")
    stack.workers["changed"].stop()
    stack.add_worker("odd", ODD)
    stack.create(f"{job}-retrying", "flaky", {"fails": 3, "pause": 60.0})
    for name in ("waiting", "canceled"):
        stack.begin(f"{job}-{name}", "approval", {"within": "10m"})
        wait_until(lambda name=name: stack.state(f"{job}-{name}")["phase"] == "waiting", what=name)  # type: ignore[misc]
    wait_until(lambda: stack.state(f"{job}-retrying")["phase"] == "retrying", what="a retry")


def _lose(stack: Stack, id: str) -> None:
    """Have an execution lose its worker while no other one runs."""
    stack.begin(id, "checkout", {"pace": 60})
    wait_until(lambda: stack.state(id, steps=True)["steps"], what="its first step")
    stack.workers["odd"].kill()
    wait_until(lambda: stack.state(id)["phase"] == "recovering", what="the loss")


async def _says(page: Page, url: str, id: str, *words: str) -> None:
    """Check what the page of an execution says first."""
    await page.goto(f"{url}/#{id}")
    await expect(page.locator("h1 .id")).to_have_text(id)
    for each in words:
        await expect(page.locator(".reason")).to_contain_text(each)


async def _send_the_signal(page: Page) -> None:
    """Answer the signal from the page, which then shows the end."""
    await page.get_by_label("Value of the signal").fill('{"by": "Ann"}')
    await page.get_by_role("button", name="Send the signal").click()
    await expect(page.locator(".reason")).to_contain_text("It returned its result")
    await expect(page.locator("pre.json").nth(1)).to_contain_text('"by": "Ann"')


async def test_each_says_why_it_waits_and_what_to_do(
    browser: Browser, bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """Retrying, waiting, blocked, canceled with a reason, recovering: each has its sentence."""
    await asyncio.to_thread(_prepare, bare_stack, tmp_path, job)
    url = bare_stack.url
    async with browsing(browser, url) as page:
        await _says(
            page, url, f"{job}-retrying", "has failed once", "The next try is in", "Repair what"
        )
        await _says(
            page,
            url,
            f"{job}-blocked",
            "“step reserve”",
            "“step quote”",
            "Deploy the code with which it began as flow",
        )
        await _says(page, url, f"{job}-canceled", "the signal approval", "Send the signal below")

        await page.get_by_role("button", name="Cancel this execution…").click()
        await page.get_by_label("Reason").fill("Ann: ordered twice")
        await page.get_by_role("button", name="Cancel it").click()
        await expect(page.locator(".reason")).to_contain_text(
            "with the reason “Ann: ordered twice”"
        )
        canceled = bare_stack.state(f"{job}-canceled")
        assert canceled["error"]["reason"] == "Ann: ordered twice"

        await _says(page, url, f"{job}-waiting", "the signal approval", "Send the signal below")
        await _send_the_signal(page)

        await asyncio.to_thread(_lose, bare_stack, f"{job}-lost")
        await _says(
            page,
            url,
            f"{job}-lost",
            "Its worker odd was lost. No worker is connected",
            "Start a worker that",
        )
