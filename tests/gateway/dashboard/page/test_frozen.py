"""A gateway that is stopped, and whose kernel still takes connections: nothing waits for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing
from tests.support.page.executions import at, execution
from tests.support.page.gateway import scripted_gateway
from tests.support.page.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.support.page.gateway import ScriptedGateway

pytestmark = IN_BROWSER

SILENCE = "The gateway does not answer"


async def _given_up(gateway: ScriptedGateway, page: Page, path: str, seconds: int = 30) -> None:
    """Let the time go by that a request for a path may take, from when it has been made."""
    await until(lambda: path in gateway.paths())
    await page.clock.run_for(seconds * 1000)


async def test_a_frozen_gateway_is_not_shown_as_live(browser: Browser) -> None:
    """After the silence of a stream a snapshot is asked for, and given up after ten seconds."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        await expect(page.locator(".mode")).to_contain_text("Live")
        gateway.frozen = ("/",)
        await page.clock.run_for(20_000)
        await _given_up(gateway, page, "/dashboard/state", 10)
        await expect(page.locator(".mode")).to_contain_text("No answer")
        await expect(page.get_by_text(SILENCE)).to_be_visible()
        # The next stream is not answered at all.
        gateway.asked.clear()
        await page.clock.run_for(15_000)
        await until(lambda: "/dashboard/live" in gateway.paths())
        await page.clock.run_for(20_000)
        gateway.frozen = ()
        await page.clock.run_for(15_000)
        await expect(page.locator(".mode")).to_contain_text("Live")


async def test_what_a_person_asks_for_is_given_up(browser: Browser) -> None:
    """An execution, a begin and a signal say that nobody answers, and can be tried again."""
    waiting = execution("job-1", "waiting", waiting_for=[{"name": "approval", "since": at(15)}])
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        told = page.locator("article .problem").filter(has_text=SILENCE)
        gateway.answers["/wait"] = lambda _: waiting
        for place, reads, button, path in (
            ("job-1", "/wait", "Send the signal", "/signal"),
            ("/begin", "/functions", "Begin", "/begin"),
        ):
            gateway.asked.clear()
            gateway.frozen = (reads, path)
            await page.goto(f"{gateway.url}/#{place}")
            await _given_up(gateway, page, reads)
            await expect(told).to_be_visible()
            gateway.frozen = (path,)
            await page.goto(f"{gateway.url}/#/")
            await page.goto(f"{gateway.url}/#{place}")
            acts = page.get_by_role("button", name=button, exact=True)
            await acts.click()
            await expect(acts).to_be_disabled()
            await _given_up(gateway, page, path)
            await expect(told).to_be_visible()
            await expect(acts).to_be_enabled()
