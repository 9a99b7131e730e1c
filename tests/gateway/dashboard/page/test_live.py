"""How the page follows the service: stream, polling, sign-in, hidden tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing, hide, later
from tests.support.page.executions import execution
from tests.support.page.gateway import ScriptedGateway, scripted_gateway
from tests.support.page.snapshots import snapshot, worker
from tests.support.page.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

pytestmark = IN_BROWSER

TOKEN = "secret-of-a-test"


def mode(page: Page) -> Locator:
    """Return the word for how the page follows the service."""
    return page.locator(".mode")


async def test_without_a_stream_it_polls_until_there_is_one_again(browser: Browser) -> None:
    """A stream that ends and cannot be had again is replaced by polls."""
    async with (
        scripted_gateway() as gateway,
        browsing(browser, gateway.url, clock=True) as page,
    ):
        await expect(mode(page)).to_contain_text("Live")
        await gateway.tell(None)
        gateway.snapshot = snapshot(worker("worker-7"))
        await expect(mode(page)).to_contain_text("Polling")
        await expect(page.get_by_role("heading", name="worker-7")).to_be_visible()
        for count in (2, 3):
            await page.clock.run_for(2_000)
            await until(lambda count=count: gateway.paths().count("/dashboard/state") >= count)  # type: ignore[misc]
        gateway.streams = True
        await page.clock.run_for(20_000)
        await expect(mode(page)).to_contain_text("Live")


async def test_windows_side_by_side_do_not_block_each_other(browser: Browser) -> None:
    """Each that shows an execution has one stream, of its events: there are six connections."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        gateway.answers["/wait"] = lambda request: execution(request.query["id"])
        gateway.frozen = ("/events",)
        pages = [page, *[await page.context.new_page() for _ in range(3)]]
        for number, each in enumerate(pages):
            if each is not page:
                await each.goto(gateway.url)
            await expect(mode(each)).to_contain_text("Live")
            await each.goto(f"{gateway.url}/#job-{number}")
            await expect(each.locator(".sentence")).to_contain_text("It runs")
        await until(lambda: gateway.open_streams == 0)
        await gateway.tell(snapshot(worker("worker-8")))
        for each in pages:
            await expect(mode(each)).to_contain_text("Polling")
        await page.goto(f"{gateway.url}/#/")
        await expect(page.get_by_role("heading", name="worker-8")).to_be_visible()
        await expect(mode(page)).to_contain_text("Live")
        assert gateway.open_streams == 1


LISTENERS = """() => {
  const { addEventListener: add, removeEventListener: remove } = AbortSignal.prototype;
  const kept = new Set();
  AbortSignal.prototype.addEventListener = function (kind, listener, options) {
    kept.add(listener);
    return add.call(this, kind, listener, options);
  };
  AbortSignal.prototype.removeEventListener = function (kind, listener, options) {
    kept.delete(listener);
    return remove.call(this, kind, listener, options);
  };
  window.listeners = () => kept.size;
}"""
"""Has the page count the listeners of its signals."""


async def test_a_page_that_is_open_for_long_keeps_no_listeners(browser: Browser) -> None:
    """Each pause between two polls, or two reads of an execution, takes its listener with it."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        gateway.answers["/wait"] = lambda _: execution("job-1")
        await expect(mode(page)).to_contain_text("Live")
        await page.evaluate(LISTENERS)
        await page.evaluate("location.hash = 'job-1'")
        for count in range(1, 9):
            await until(lambda count=count: gateway.paths().count("/wait") >= count)  # type: ignore[misc]
            await page.clock.run_for(4_000)
        assert await page.evaluate("window.listeners()") <= 6


async def test_a_gateway_that_is_away_is_told_in_words_and_asked_again(browser: Browser) -> None:
    """The last state stays, with a line that it is old; it ends when the gateway is back."""
    async with (
        scripted_gateway() as gateway,
        browsing(browser, gateway.url, clock=True) as page,
    ):
        await gateway.tell(snapshot(worker("worker-1")))
        await expect(page.locator(".lane")).to_have_count(1)
        gateway.is_away = True
        await gateway.tell(None)
        await expect(page.get_by_text("The gateway does not answer")).to_be_visible()
        await expect(page.locator(".lane")).to_have_count(1)
        gateway.is_away, gateway.streams = False, True
        await page.clock.run_for(15_000)
        await expect(page.get_by_text("The gateway does not answer")).to_be_hidden()
        await expect(mode(page)).to_contain_text("Live")


async def test_a_server_that_is_away_is_told_in_words(browser: Browser) -> None:
    """The gateway answers, but its server does not, or cannot write."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await gateway.tell(snapshot(server="away"))
        await expect(page.get_by_role("alert")).to_contain_text("cannot reach the Resonate server")
        await gateway.tell(snapshot(server="not writable"))
        await expect(page.get_by_role("alert")).to_contain_text("cannot write to its store")


async def test_a_hidden_tab_asks_for_nothing(browser: Browser) -> None:
    """The stream ends when the tab is hidden, nothing is asked, and all comes back with it."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url, clock=True) as page:
        await expect(mode(page)).to_contain_text("Live")
        await hide(page, hidden=True)
        await until(lambda: gateway.open_streams == 0)
        asked = len(gateway.asked)
        await later(page, 60)
        assert gateway.paths()[asked:] == ["/dashboard/state"]
        gateway.snapshot = snapshot(worker("worker-9"))
        await hide(page, hidden=False)
        await expect(page.get_by_role("heading", name="worker-9")).to_be_visible()
        assert gateway.open_streams == 1


async def _stored(page: Page) -> str:
    """Return all that the page has stored, and its address."""
    stored: str = await page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    return stored


async def _signed_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.keyboard.press("Enter")


async def test_with_tokens_a_person_signs_in_and_out(browser: Browser) -> None:
    """A wrong token is refused in words; the right one is sent with each call, stored nowhere."""
    async with scripted_gateway() as gateway:
        gateway.token = TOKEN
        gateway.snapshot = snapshot(worker("worker-1"))
        async with browsing(browser, gateway.url) as page:
            await _signed_in(page, "wrong")
            await expect(page.get_by_role("alert")).to_contain_text("does not know this token")
            gateway.tokens_sent.clear()
            await _signed_in(page, TOKEN)
            await expect(page.locator(".lane")).to_have_count(1)
            await expect(page.get_by_text("Nothing has been begun yet")).to_be_visible()
            assert gateway.tokens_sent == {f"Bearer {TOKEN}"}
            assert TOKEN not in await _stored(page)
            assert "$TOKEN" in (await page.locator(".command code").text_content() or "")
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            await _signed_in(page, TOKEN)
            await expect(page.locator(".lane")).to_have_count(1)
            await page.reload()
            await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_hidden_tab_stays_signed_out(browser: Browser) -> None:
    """Hidden and shown again, it asks for nothing, and what was typed is still there."""
    async with scripted_gateway() as gateway:
        gateway.token = TOKEN
        async with browsing(browser, gateway.url, clock=True) as page:
            await page.get_by_label("Token").fill("half of")
            asked = len(gateway.asked)
            gateway.frozen = ("/dashboard",)
            await hide(page, hidden=True)
            await hide(page, hidden=False)
            await page.clock.run_for(5_000)
            await expect(page.get_by_label("Token")).to_have_value("half of")
            assert gateway.asked[asked:] == []


async def test_a_stream_of_nonsense_breaks_nothing(browser: Browser) -> None:
    """Snapshots with missing, wrong and absurd members are shown as far as they can be."""

    async def shows(gateway: ScriptedGateway, page: Page, name: str) -> None:
        await gateway.tell(snapshot(worker(name)))
        await expect(page.get_by_role("heading", name=name)).to_be_visible()

    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        await shows(gateway, page, "before")
        absurd = worker("odd", slots=0, busy=10**12, offers=-1, functions=None, started_at=None)
        for told in (
            {"at": None, "workers": None, "counts": None, "recoveries": None},
            snapshot(absurd, begins_per_second=1e308, p50_ms=-1, counts={"running": 10**30}),
            snapshot(
                worker("bad", bars=[{"id": "x" * 10_000, "claimed_at": 9e15, "ended_at": None}])
            ),
        ):
            written = gateway.written
            await gateway.tell(told)
            await until(lambda written=written: gateway.written > written)  # type: ignore[misc]
        await shows(gateway, page, "after")
        # It goes on with the same stream, and need not poll.
        assert gateway.paths().count("/dashboard/live") == 1
        assert "/dashboard/state" not in gateway.paths()
