"""The first view of the page: lanes, numbers, what is empty, what is news."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing
from tests.support.page.gateway import scripted_gateway
from tests.support.page.snapshots import (
    COUNTS,
    ago,
    bar,
    many,
    recovered,
    segment,
    snapshot,
    worker,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

pytestmark = IN_BROWSER

MOST_BARS = 400
MOST_ROWS = 10
ROWS = "all => all.map((track) => Number(track.style.getPropertyValue('--rows')))"
MOST_LANES = 10
"""Lanes that one drawing may renew where there are many."""


def lane(page: Page, name: str) -> Locator:
    """Return the lane of a worker."""
    return page.locator(".lane").filter(has=page.get_by_role("heading", name=name))


async def test_a_lost_execution_is_seen_to_go_on_in_another_lane(browser: Browser) -> None:
    """The lane of a lost worker says so; its bar goes on in another one, and is joined to it."""
    async with scripted_gateway() as gateway:
        gateway.snapshot = recovered()
        async with browsing(browser, gateway.url) as page:
            lost, other = lane(page, "worker-1"), lane(page, "worker-2")
            await expect(lost).to_contain_text("lost at")
            await expect(lost.locator('.bar[data-state="lost"]')).to_have_count(1)
            await expect(other.locator(".recovered")).to_have_text("recovered in 0.06 s")
            await expect(other.locator(".step[data-again]")).to_have_text("↻ charge")
            await expect(page.locator(".arrows line")).to_have_count(2)
            said = await other.locator(".bar a").get_attribute("aria-label")
            assert (
                said == "job-1, checkout, running the step pack, recovered in 0.06 s from worker-1"
            )
            # At one moment: bars move with time.
            end, goes_on, line = await page.evaluate(
                "(all) => all.map((one) => one.getBoundingClientRect().toJSON())",
                [
                    await lost.locator(".bar .steps").element_handle(),
                    await other.locator(".bar .steps").element_handle(),
                    await page.locator(".arrows line").nth(1).element_handle(),
                ],
            )
            assert abs(end["right"] - goes_on["x"]) < 5
            assert abs(line["x"] - goes_on["x"]) < 5
            assert end["y"] < line["y"] < line["bottom"] < goes_on["y"] + 20


async def test_a_bar_grows_until_it_ends_and_moves_with_time(browser: Browser) -> None:
    """What runs reaches the right edge; once it has ended, its end leaves the edge."""
    running = bar("job-1", 10, segments=[segment("reserve", 10)])
    async with scripted_gateway() as gateway:
        gateway.snapshot = snapshot(worker("worker-1", running))
        async with browsing(browser, gateway.url) as page:
            steps, track = page.locator(".bar .steps"), page.locator(".track")
            await expect(steps).to_be_visible()
            edge = await track.bounding_box()
            before = await steps.bounding_box()
            assert edge
            assert before
            assert before["x"] + before["width"] > edge["x"] + edge["width"]

            await gateway.tell(
                snapshot(worker("worker-1", {**running, "ended_at": ago(1), "state": "ended"}))
            )
            await expect(page.locator('.bar[data-state="ended"]')).to_have_count(1)
            await page.wait_for_function(
                """([bar, track]) => bar.getBoundingClientRect().right
                  < track.getBoundingClientRect().right - 20""",
                arg=[await steps.element_handle(), await track.element_handle()],
            )
            # An ended bar stays although snapshots no longer have it.
            await gateway.tell(snapshot(worker("worker-1")))
            await expect(page.locator(".slots")).to_contain_text("0 of 16 slots busy")
            await expect(steps).to_have_count(1)


async def test_what_is_drawn_is_bounded(browser: Browser) -> None:
    """Of 2,000 bars in 20 lanes, 400 at most are drawn, and the others are counted."""
    async with scripted_gateway() as gateway:
        gateway.snapshot = {**many(20, 100), "bars_left_out": 1600}
        async with browsing(browser, gateway.url) as page:
            await expect(page.locator(".lane")).to_have_count(20)
            await expect(page.get_by_text("1,600 more executions not drawn")).to_be_visible()
            for _ in range(5):
                await gateway.tell({**many(20, 100), "bars_left_out": 1600})
            filled = page.locator(".lane").filter(has=page.locator(".bar"))
            await expect(filled).to_have_count(20)
            drawn = await page.locator(".bar").count()
            assert 100 < drawn <= MOST_BARS
            assert await page.locator(".lane .hidden").count() > 0
            rows = await page.locator(".track").evaluate_all(ROWS)
            assert max(rows) == MOST_ROWS
            assert await page.evaluate("document.querySelectorAll('*').length") < 12_000


FIRST_DRAWING = """() => {
  const shown = () => [...document.querySelectorAll(".slots")]
    .filter((slots) => slots.textContent.includes("7 of 16")).length;
  window.firstDrawing = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!shown()) return;
      observer.disconnect();
      resolve(shown());
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}"""
"""Has the page note how many lanes are new with the first drawing that shows something new."""


async def test_lanes_out_of_sight_are_drawn_in_turn(browser: Browser) -> None:
    """Of twenty lanes a drawing renews those in sight and two others; soon all of them are new."""
    told = many(20, 10)
    async with scripted_gateway() as gateway:
        gateway.snapshot = told
        async with browsing(browser, gateway.url) as page:
            filled = page.locator(".lane").filter(has=page.locator(".bar"))
            await expect(filled).to_have_count(20)
            await page.evaluate(FIRST_DRAWING)
            await gateway.tell({**told, "workers": [{**w, "busy": 7} for w in told["workers"]]})
            assert 1 <= await page.evaluate("window.firstDrawing") <= MOST_LANES
            new = page.locator(".slots").filter(has_text="7 of 16")
            await expect(new).to_have_count(20)
            await page.locator(".lane").last.scroll_into_view_if_needed()
            await gateway.tell(told)
            await expect(page.locator(".slots").last).to_contain_text("5 of 16")


async def test_updates_are_drawn_together(browser: Browser) -> None:
    """Fifty snapshots at once make few drawings, a quarter of a second after one another."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await expect(page.get_by_text("No worker is connected")).to_be_visible()
        drawings = "performance.getEntriesByName('drawing').map((each) => each.startTime)"
        before = len(await page.evaluate(drawings))
        for number in range(1, 51):
            await gateway.tell(snapshot(worker("worker-1", busy=number, slots=50)))
        await expect(page.locator(".slots")).to_contain_text("50 of 50 slots busy")
        began = (await page.evaluate(drawings))[before:]
        assert all(second - first > 240 for first, second in itertools.pairwise(began)), began


async def test_the_browser_keeps_a_bounded_number_of_measures(browser: Browser) -> None:
    """A page that is open for days makes its browser keep no entry for each drawing."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await expect(page.get_by_text("Nothing has been begun yet")).to_be_visible()
        kept = await page.evaluate(
            """() => {
              for (let n = 0; n < 1_010; n += 1) dispatchEvent(new Event("hashchange"));
              return ["mark", "measure"].map((kind) => performance.getEntriesByType(kind).length);
            }"""
        )
        assert kept[0] == 0
        assert 0 < kept[1] < 1_000


async def test_numbers_are_shown_and_unknown_ones_are_not_invented(browser: Browser) -> None:
    """Each number stands with its name; what nobody knows is a dash."""
    known = {"running": 3, "waiting": 2, "blocked": 1, "rejected": 4, "timedout": 1}
    counts = {**COUNTS, **known, "queued": None}
    async with scripted_gateway() as gateway:
        times = {"p50_ms": 120, "ended": 7, "oldest_at": ago(30)}
        gateway.snapshot = snapshot(worker("w"), counts=counts, begins_per_second=12.5, **times)
        async with browsing(browser, gateway.url) as page:
            shown = {
                key: await page.locator(f'.value[data-key="{key}"]').text_content()
                for key in (
                    *("running", "queued", "waiting", "blocked", "rejected", "timedout"),
                    *("begins", "p50", "p99"),
                )
            }
            assert shown == {
                "running": "3",
                "queued": "\N{EN DASH}",
                "waiting": "2",
                "blocked": "1",
                "rejected": "4",
                "timedout": "1",
                "begins": "12.5",
                "p50": "0.1 s",
                "p99": "\N{EN DASH}",
            }
            await expect(page.locator('.tile[data-tone="bad"]')).to_have_count(3)
            # Each number that leads to a list is that of this list.
            for key in ("rejected", "timedout"):
                tile = page.locator(".tile").filter(has=page.locator(f'[data-key="{key}"]'))
                await expect(tile.locator("a")).to_have_attribute("href", f"#/?status={key}")
            # A time says of how many it is: of slow ones nobody knows where many are begun.
            of = re.compile(r"^of 7 in 3\d s$")
            await expect(page.locator(".tile > .last").filter(has_text=of)).to_have_count(2)
            await expect(
                page.get_by_text(re.compile("newest 200, begun in the last 3. s"))
            ).to_contain_text("Done is of the 7 of them")


async def test_the_line_of_a_number_has_the_last_two_minutes(browser: Browser) -> None:
    """Its samples stand at their times, however often snapshots come; the oldest ones leave it."""
    line = '.tile:has([data-key="running"]) polyline'
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        await expect(page.locator(line)).to_have_count(1)

        async def told(running: int | None) -> list[tuple[float, float]]:
            """Return the points of the line, once it has the value."""
            await gateway.tell(snapshot(counts={**COUNTS, "running": running}, at=None))
            shown = "\N{EN DASH}" if running is None else str(running)
            await expect(page.locator('[data-key="running"]')).to_have_text(shown)
            points = await page.locator(line).get_attribute("points") or ""
            return [(float(x), float(y)) for x, y in (each.split(",") for each in points.split())]

        points: list[tuple[float, float]] = []
        for running in (8, 8, 2):
            await page.clock.run_for(15_000)
            points = await told(running)
        assert points[0][0] < 80
        assert points[-1][0] == pytest.approx(120, abs=1)
        assert points[-1][1] == pytest.approx(19 - 17 / 4, abs=0.1)
        assert [y for _, y in points].count(2.0) >= 2
        # What nobody knows is not drawn as zero.
        zeros = [y for _, y in points].count(19.0)
        assert [y for _, y in await told(None)].count(19.0) == zeros
        await page.clock.run_for(150_000)
        points = await told(1)
        assert all(0 <= x <= 120 and y == 2.0 for x, y in points)


async def test_without_anything_the_page_says_how_to_begin(browser: Browser) -> None:
    """With no execution, the first line for curl; without presence, how it is turned on."""
    async with scripted_gateway() as gateway:
        gateway.snapshot = snapshot(presence="off")
        async with browsing(browser, gateway.url) as page:
            await expect(page.get_by_text("PRESENCE_SECRET")).to_be_visible()
            await expect(page.get_by_text("Nothing has been begun yet")).to_be_visible()
            line = await page.locator(".command code").text_content()
            assert line == (
                "curl -s -X POST -H 'Content-Type: application/json' -d '{\"foo\":\"bar\"}'"
                f" '{gateway.url}/begin?id=job-1'"
            )


async def test_news_are_told_once(browser: Browser) -> None:
    """A screen reader hears of a lost worker and of a recovery, not of what was before."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        news = page.locator("#news")
        await gateway.tell(snapshot(worker("worker-1"), worker("worker-2")))
        await expect(page.locator(".lane")).to_have_count(2)
        await expect(news).to_be_empty()
        await gateway.tell(recovered())
        await expect(news.locator("p")).to_have_text(
            [
                "Worker worker-1 was lost.",
                "job-1 goes on at worker-2 after 0.06 s; its worker worker-1 was lost.",
            ]
        )
        gateway.snapshot = recovered()
        await page.reload()
        await expect(page.locator(".lane")).to_have_count(2)
        await expect(news).to_be_empty()


async def test_bars_are_walked_by_arrow_keys(browser: Browser) -> None:
    """A lane has one tab stop; arrow keys move in it and between lanes; Enter opens."""
    async with scripted_gateway() as gateway:
        runs = bar("job-2", 10)
        first = worker("worker-1", bar("job-1", 30, 20), runs)
        gateway.snapshot = snapshot(first, worker("worker-2", bar("job-3", 9)))
        async with browsing(browser, gateway.url) as page:
            focused = "document.activeElement.getAttribute('href')"
            await page.locator(".bar a[tabindex='0']").first.focus()
            walked = [await page.evaluate(focused)]
            for key in ("ArrowLeft", "ArrowDown", "ArrowUp"):
                await page.keyboard.press(key)
                walked.append(await page.evaluate(focused))
            assert walked == ["#job-2", "#job-1", "#job-3", "#job-2"]
            await gateway.tell(snapshot(worker("worker-1", runs, busy=7), worker("worker-2")))
            await expect(page.locator(".slots").first).to_contain_text("7 of 16")
            assert await page.evaluate(focused) == "#job-2"
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/#job-2")
