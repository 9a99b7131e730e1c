"""The list of executions: filters, phases, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing, hide, later
from tests.support.page.executions import item
from tests.support.page.gateway import ScriptedGateway, functions, problem, scripted_gateway
from tests.support.page.snapshots import bar, many, snapshot, worker
from tests.support.page.waiting import until

if TYPE_CHECKING:
    from aiohttp import web
    from playwright.async_api import Browser, Page

pytestmark = IN_BROWSER


def _queries(gateway: ScriptedGateway) -> list[dict[str, str]]:
    return [query for _, path, query, _ in gateway.asked if path == "/list"]


async def test_filters_are_kept_in_the_address(browser: Browser) -> None:
    """Each filter is a parameter of /list, and the address shows the same list again."""
    async with scripted_gateway() as gateway:
        gateway.answers["/functions"] = lambda _: functions(checkout={}, foo={})
        async with browsing(browser, gateway.url) as page:
            await page.get_by_label("Status").select_option("rejected")
            await page.get_by_label("Function").select_option("checkout")
            await page.get_by_label("Version").fill("2")
            await page.get_by_label("Id begins with").fill("job-")
            await page.keyboard.press("Enter")
            wanted = {
                "status": "rejected",
                "function": "checkout",
                "version": "2",
                "prefix": "job-",
            }
            await until(lambda: _queries(gateway)[-1] == {**wanted, "limit": "50"})
            await expect(page.get_by_text("No execution fits these filters.")).to_be_visible()
            await page.reload()
            await expect(page.get_by_label("Id begins with")).to_have_value("job-")
            await expect(page.get_by_label("Status")).to_have_value("rejected")
            assert _queries(gateway)[-1] == {**wanted, "limit": "50"}
            await page.get_by_role("link", name="Clear").click()
            await until(lambda: _queries(gateway)[-1] == {"limit": "50"})


async def test_a_filter_leaves_the_page_where_it_is(browser: Browser) -> None:
    """A tile leads to the list; a filter does not lead away from it; a version has a function."""
    async with scripted_gateway() as gateway:
        gateway.snapshot = many(12, 3)
        gateway.answers["/list"] = lambda _: {
            "items": [item(f"job-{n}") for n in range(50)],
            "next_cursor": None,
        }
        async with browsing(browser, gateway.url) as page:
            await expect(page.locator("tbody tr")).to_have_count(50)
            # Lanes grow until all of them are drawn.
            drawn = page.locator(".lane").filter(has=page.locator(".bar"))
            await expect(drawn).to_have_count(12)
            heading = page.get_by_role("heading", name="Executions", exact=True)
            await expect(heading).not_to_be_in_viewport()
            await page.locator('.tile a[href="#/?phase=running"]').click()
            await until(lambda: _queries(gateway)[-1].get("phase") == "running")
            await expect(heading).to_be_in_viewport()
            place = await page.evaluate("scrollY")
            assert place > 0
            await page.get_by_label("Function").select_option("foo")
            await page.get_by_label("Version").fill("2")
            await page.keyboard.press("Enter")
            await until(lambda: _queries(gateway)[-1].get("version") == "2")
            await page.get_by_label("Function").select_option("any")
            await until(lambda: _queries(gateway)[-1] == {"phase": "running", "limit": "50"})
            await expect(heading).to_be_in_viewport()
            assert await page.evaluate("scrollY") == place
            await page.goto(f"{gateway.url}/#/?version=2")
            await until(lambda: _queries(gateway)[-1] == {"limit": "50"})
            await page.locator("tbody a").last.click()
            await expect(page.locator("h1 .id")).to_have_text("job-49")
            assert await page.evaluate("scrollY") == 0


async def test_the_functions_to_choose_from_are_those_of_now(browser: Browser) -> None:
    """They are read again by whoever signs in, when the tab is shown, and each minute."""
    async with scripted_gateway() as gateway:
        gateway.token = "secret"
        async with browsing(browser, gateway.url, clock=True) as page:
            known = page.get_by_label("Function").locator("option")
            await page.get_by_label("Token").fill("secret")
            await page.keyboard.press("Enter")
            await expect(known).to_have_text(["any", "foo"])
            gateway.answers["/functions"] = lambda _: functions(foo={}, bar={})
            await hide(page, hidden=True)
            await hide(page, hidden=False)
            await expect(known).to_have_text(["any", "foo", "bar"])
            gateway.answers["/functions"] = lambda _: functions(bar={})
            await page.clock.run_for(61_000)
            await expect(known).to_have_text(["any", "bar"])
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            read = gateway.paths().count("/functions")
            await later(page, 120)
            assert gateway.paths().count("/functions") == read


async def test_a_short_page_is_filled_with_the_next_ones(browser: Browser) -> None:
    """The gateway looks at a part of all executions only; the page asks on until it is full."""

    def pages(request: web.Request) -> dict[str, Any]:
        number = int(request.query.get("cursor", "0"))
        items = [item(f"job-{number}-{n}", phase="blocked") for n in range(5 * number)]
        return {"items": items, "next_cursor": str(number + 1) if number < 3 else None}

    async with scripted_gateway() as gateway:
        gateway.answers["/list"] = pages
        async with browsing(browser, f"{gateway.url}/#/?phase=blocked") as page:
            await expect(page.locator("tbody tr")).to_have_count(30)
            await expect(page.locator("tbody .badge")).to_have_text(["⊗ blocked"] * 30)
            asked = [(query["phase"], query["limit"]) for query in _queries(gateway)]
            assert asked[:4] == [("blocked", "50")] * 2 + [("blocked", "45"), ("blocked", "35")]


async def test_pages_go_older_and_newer(browser: Browser) -> None:
    """A page of fifty, the older ones by their cursor, and back."""

    def pages(request: web.Request) -> dict[str, Any]:
        number = int(request.query.get("cursor", "0"))
        items = [item(f"job-{number}-{n}") for n in range(50)]
        return {"items": items, "next_cursor": str(number + 1) if number < 2 else None}

    async with scripted_gateway() as gateway:
        gateway.answers["/list"] = pages
        async with browsing(browser, gateway.url) as page:
            await expect(page.locator("tbody tr")).to_have_count(50)
            first = page.locator("tbody th").first
            for shown in ("job-1-0", "job-2-0"):
                await page.get_by_role("button", name="Older").click()
                await expect(first).to_have_text(shown)
            await expect(page.get_by_role("button", name="Older")).to_be_disabled()
            await page.get_by_role("button", name="Newer").click()
            await expect(first).to_have_text("job-1-0")


class _Listed:
    """A gateway that lists these ids, unless it is to refuse that."""

    def __init__(self, gateway: ScriptedGateway, page: Page) -> None:
        self.ids = [f"job-{n}" for n in range(50)]
        self.refusals = 0
        self._gateway, self._page = gateway, page
        gateway.answers["/list"] = self._answer

    def _answer(self, _: web.Request) -> Any:
        if self.refusals:
            self.refusals -= 1
            return problem("backend-unavailable", 503, "The server cannot be reached.")
        return {"items": [item(id) for id in self.ids], "next_cursor": "more"}

    async def told(self, seconds: int, begins: float) -> None:
        """Send a snapshot after some seconds."""
        await self._page.clock.run_for(seconds * 1000)
        await self._gateway.tell(snapshot(begins_per_second=begins))


async def test_the_newest_page_is_read_again(browser: Browser) -> None:
    """It follows begins that leave the counts alone, reads anyway at times, and after an error."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        listed = _Listed(gateway, page)
        rows, alert = page.locator("tbody tr"), page.locator(".list .problem")
        await listed.told(6, 1.0)
        await expect(rows).to_have_count(50)
        listed.ids.append("one more")
        await listed.told(6, 2.0)
        await expect(rows).to_have_count(51)
        listed.refusals = 1
        await listed.told(6, 3.0)
        await expect(alert).to_be_visible()
        await listed.told(6, 3.0)
        await expect(alert).to_be_hidden()
        listed.ids.append("and another")
        await listed.told(16, 3.0)
        await expect(rows).to_have_count(52)


async def test_an_older_page_stays_unless_it_could_not_be_read(browser: Browser) -> None:
    """It is read again after an error only, so that its rows do not move."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        listed = _Listed(gateway, page)
        alert = page.locator(".list .problem")
        await listed.told(6, 1.0)
        await expect(page.locator("tbody tr")).to_have_count(50)
        listed.refusals = 1
        await page.get_by_role("button", name="Older").click()
        await expect(alert).to_be_visible()
        await listed.told(6, 1.0)
        await expect(alert).to_be_hidden()
        read = len(_queries(gateway))
        await listed.told(16, 4.0)
        await page.get_by_role("button", name="Newer").click()
        await until(lambda: len(_queries(gateway)) > read)
        assert [query.get("cursor") for query in _queries(gateway)[-2:]] == ["more", None]


async def test_rows_show_what_the_lanes_know(browser: Browser) -> None:
    """A row says who holds its execution as soon as a snapshot does."""
    async with scripted_gateway() as gateway:
        row = item("job-1", phase="queued", worker=None)
        gateway.answers["/list"] = lambda _: {"items": [row], "next_cursor": None}
        async with browsing(browser, gateway.url) as page:
            shown = page.locator("tbody tr")
            await expect(shown).to_contain_text("queued")
            await gateway.tell(snapshot(worker("worker-5", bar("job-1", 1))))
            await expect(shown).to_contain_text("running")
            await expect(shown).to_contain_text("worker-5")
