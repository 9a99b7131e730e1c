"""The page beside a real service: an execution is begun, its worker is killed, and it goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing
from tests.support.stack import PRESENCE

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.stack import Stack

pytestmark = [
    *IN_BROWSER,
    pytest.mark.skipif(not PRESENCE, reason="without presence no lane is shown"),
]

STEPS = ["reserve", "charge", "pack", "ship", "notify"]


async def test_a_kill_is_seen_from_begin_to_result(
    browser: Browser, own_stack: Stack, job: str
) -> None:
    """Begun from the page, its steps move; the killed worker's bar goes on in another lane."""
    async with browsing(browser, f"{own_stack.url}/#/begin") as page:
        await page.get_by_label("Function").select_option("checkout")
        await page.get_by_label("pace").fill("3")
        await page.get_by_text("Id, delay and timeout").click()
        await page.get_by_label("Id, which is made").fill(job)
        await page.get_by_role("button", name="Begin", exact=True).click()
        await page.wait_for_url(f"**/#{job}")
        await expect(page.locator(".sentence")).to_contain_text("The step charge runs on worker-")

        await page.get_by_role("link", name="All executions").click()
        bar = page.locator(f'.bar a[href="#{job}"]')
        await expect(bar.locator(".step")).to_have_text(["reserve", "charge"])
        holder = (await asyncio.to_thread(own_stack.state, job))["worker"]
        await asyncio.to_thread(own_stack.workers[holder].kill)

        dead = page.locator('.lane[data-state="dead"]')
        await expect(dead.get_by_role("heading")).to_contain_text(holder)
        await expect(dead.locator('.bar[data-state="lost"]')).to_have_count(1)
        goes_on = page.locator(".bar[data-recovered]")
        await expect(goes_on.locator(".recovered")).to_contain_text("recovered in")
        await expect(goes_on.locator(".step[data-again]")).to_have_text("↻ charge")
        await expect(page.locator(".arrows line")).to_have_count(2)
        await expect(page.locator("#news")).to_contain_text(f"Worker {holder} was lost.")
        await expect(page.locator("#news")).to_contain_text(f"{job} goes on at worker-")
        await expect(page.locator("#news p")).to_have_count(2)

        await page.get_by_role("link", name=job, exact=True).first.click()
        await expect(page.locator("dl")).to_contain_text(f"took over from {holder}")
        await expect(page.locator(".sentence")).to_contain_text(
            "It returned its result", timeout=30_000
        )
        await expect(page.locator("pre.json").nth(1)).to_contain_text(f'"order": "{job}"')
        await expect(page.locator(".steps-table tbody th")).to_have_text(STEPS)


async def test_a_token_is_asked_for_and_the_service_followed_with_it(
    browser: Browser, stack: Stack, job: str
) -> None:
    """With tokens on, the page shows nothing until somebody signs in, and all of it afterwards."""
    url = await asyncio.to_thread(
        lambda: stack.add_gateway("page", GATEWAY_TOKENS="0123456789abcdef")
    )
    await asyncio.to_thread(stack.begin, job)
    async with browsing(browser, url) as page:
        await page.get_by_label("Token").fill("0123456789abcdef")
        await page.keyboard.press("Enter")
        await expect(page.locator(".mode")).to_contain_text("Live")
        await page.get_by_role("link", name=job, exact=True).click()
        await expect(page.locator(".sentence")).to_contain_text("It returned its result")
        await expect(page.locator(".shell code").first).to_contain_text("$TOKEN")


async def test_the_list_is_filtered_and_paged(browser: Browser, stack: Stack, job: str) -> None:
    """Sixty executions of one prefix are two pages; a filter finds the one that fails."""

    def begin() -> None:
        for number in range(60):
            stack.begin(f"{job}-{number:02}", "foo", number)
        stack.begin(f"{job}-bad", "checkout", {"pace": 0, "fail": "charge"})
        stack.outcome(f"{job}-bad")

    await asyncio.to_thread(begin)
    async with browsing(browser, f"{stack.url}/#/?prefix={job}-") as page:
        first = page.locator(".list tbody th").first
        await expect(first).to_have_text(f"{job}-bad")
        await page.get_by_role("button", name="Older").click()
        await expect(page.locator(".list tbody tr")).to_have_count(11)
        await page.get_by_role("button", name="Newer").click()
        await expect(first).to_have_text(f"{job}-bad")
        await page.get_by_label("Status").select_option("rejected")
        await expect(page.locator(".list tbody tr")).to_have_count(1)
        await page.get_by_role("link", name=f"{job}-bad", exact=True).click()
        await expect(page.locator(".sentence")).to_contain_text(
            "The step charge failed with Declined"
        )
