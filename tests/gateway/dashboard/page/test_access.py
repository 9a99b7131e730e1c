"""The page for everybody: axe-core, keyboard, phones, both themes, reduced motion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing, serious_violations
from tests.support.page.executions import at, execution, item, step
from tests.support.page.gateway import functions, scripted_gateway
from tests.support.page.snapshots import (
    COUNTS,
    bar,
    many,
    recovered,
    segment,
    snapshot,
    worker,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.support.page.gateway import ScriptedGateway

pytestmark = IN_BROWSER

PHONE: Final = 360
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "fail": {"enum": ["charge"]},
        "gift": {"type": "boolean"},
    },
}
STATE: Final = execution(
    "job-1",
    "waiting",
    worker="worker-1",
    attempt=2,
    recovered_from="worker-2",
    progress={"done": 1, "total": 3, "step": None},
    waiting_for=[{"name": "approval", "since": at(5)}],
    steps=[
        step("reserve", 20, 15, "worker-2"),
        step("charge", 15, 5, "worker-1"),
        step("part", 5, None, None),
    ],
)


def _lively(gateway: ScriptedGateway) -> None:
    told = recovered()
    segments = [segment("charge", 5)]
    told["workers"] += [
        worker("worker-3", bar("job-3", 5, state="retrying", segments=segments), state="silent"),
        worker("worker-4", state="stopped", ended_at=told["at"]),
    ]
    told["counts"] = {**COUNTS, "running": 2, "retrying": 1, "blocked": 1, "rejected": 2}
    gateway.snapshot = told
    phases = ("running", "queued", "retrying", "blocked", "waiting", "recovering", "scheduled")
    items = [item(f"job-{n}", phase=phase) for n, phase in enumerate(phases)]
    items += [
        item(f"end-{s}", status=s, phase=None)
        for s in ("resolved", "rejected", "canceled", "timedout")
    ]
    gateway.answers |= {
        "/list": lambda request: {
            "items": [] if "cursor" in request.query else items,
            "next_cursor": "x",
        },
        "/wait": lambda _: STATE,
        "/functions": lambda _: functions(order=SCHEMA),
    }


async def _view(page: Page, url: str, place: str, heading: str) -> None:
    await page.goto(f"{url}/{place}")
    await expect(page.get_by_role("heading", name=heading).first).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", PHONE), ("dark", PHONE)]
)
async def test_nothing_serious_is_found_by_axe(
    browser: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    """Every view, in both themes, on a desk and on a phone, which is never scrolled sideways."""
    async with scripted_gateway() as gateway:
        _lively(gateway)
        async with browsing(
            browser, gateway.url, scheme=scheme, width=width, motion="reduce"
        ) as page:
            fits = "document.documentElement.scrollWidth <= innerWidth"
            await expect(page.locator(".lane")).to_have_count(4)
            await expect(page.locator("tbody tr")).to_have_count(11)
            found: dict[str, Any] = {"overview": await serious_violations(page)}
            sideways = {"overview": not await page.evaluate(fits)}
            for place, heading in (
                ("#job-1", "job-1"),
                ("#/begin", "Begin an execution"),
                ("#nobody", "nobody"),
            ):
                if place == "#nobody":
                    del gateway.answers["/wait"]
                await _view(page, gateway.url, place, heading)
                # Colours that change slowly are not there yet.
                await page.wait_for_function("() => document.getAnimations().length === 0")
                found[place] = await serious_violations(page)
                sideways[place] = not await page.evaluate(fits)
            assert not any(found.values()), found
            assert sideways == dict.fromkeys(sideways, False)


async def test_the_dialog_and_the_sign_in_are_accessible(browser: Browser) -> None:
    """Axe finds nothing serious in what is shown only at times."""
    async with scripted_gateway() as gateway:
        _lively(gateway)
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            await page.get_by_role("button", name="Cancel this execution…").click()
            assert await serious_violations(page) == []
            gateway.token = "secret"
            await page.goto(gateway.url)
            await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            assert await serious_violations(page) == []


async def test_the_skip_link_leads_past_the_header(browser: Browser) -> None:
    """The first tab stop moves the focus to the content, and leaves the address alone."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await expect(page.locator("#content")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#content")).to_be_focused()
        assert page.url.rstrip("/") == gateway.url


async def test_a_field_keeps_its_focus_and_its_text_across_updates(browser: Browser) -> None:
    """Snapshots that come while somebody types change nothing of what was typed."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await expect(page.locator("#content")).to_be_visible()
        field = page.get_by_label("Id begins with")
        await field.focus()
        await page.keyboard.type("job")
        for number in range(3):
            await gateway.tell(snapshot(worker(f"worker-{number}")))
            await expect(page.get_by_role("heading", name=f"worker-{number}")).to_be_visible()
        await page.keyboard.type("-1")
        await expect(field).to_be_focused()
        await expect(field).to_have_value("job-1")


async def test_with_reduced_motion_nothing_moves_by_itself(browser: Browser) -> None:
    """The axis is moved at updates, by no animation; otherwise the browser animates it."""
    count = "document.getAnimations().length"
    async with scripted_gateway() as gateway:
        gateway.snapshot = many(2, 3)
        async with browsing(browser, gateway.url, motion="reduce") as page:
            await expect(page.locator(".lane")).to_have_count(2)
            assert await page.evaluate(count) == 0
        async with browsing(browser, gateway.url) as page:
            await expect(page.locator(".lane")).to_have_count(2)
            assert await page.evaluate(count) == 3
