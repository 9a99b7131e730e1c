"""Nothing of an execution is taken for more than text, and nothing of it breaks the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing
from tests.support.page.executions import ended, execution, item, step
from tests.support.page.gateway import functions, scripted_gateway
from tests.support.page.snapshots import bar, recovered, segment, snapshot, worker

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from tests.support.page.gateway import ScriptedGateway

pytestmark = IN_BROWSER

MARKUP: Final = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
RIGHT_TO_LEFT: Final = "a\u202egnp.exe\u202c \u05d0\u05d1"
HOSTILE: Final = (
    MARKUP,
    "javascript:window.broken=1",
    RIGHT_TO_LEFT,
    "x</pre></style><style>*{display:none}",
    "red;background:url(https://example.com/x)",
    "${alert(1)} {{7*7}}",
    "__proto__",
    "x" * 50_000,
)
SURROGATE: Final = '"\\ud800 alone"'
LARGE: Final = 1_000_000
COUNT_MARKUP: Final = "document.querySelectorAll('img, #page script, #page style, iframe').length"


def _hostile_state(text: str) -> dict[str, Any]:
    error = {"type": text, "message": text, "step": text}
    return execution(
        text[:100],
        "retrying",
        function=text,
        worker=text,
        recovered_from=text,
        input={text: [text]},
        tries=1,
        last_error=error,
        steps=[step(text, 10, None, text, tries=1, last_error=error)],
    )


async def _has_texts_only(page: Page) -> None:
    """Check that nothing of what is shown was taken for markup, script or style."""
    assert await page.evaluate("window.broken") is None
    assert await page.evaluate(COUNT_MARKUP) == 0
    assert await page.evaluate("getComputedStyle(document.body).display") == "block"


def _tell_hostile(gateway: ScriptedGateway) -> None:
    """Have everything that has a name be called by each of the hostile texts."""
    again = {text: [segment(text, 10, again=True)] for text in HOSTILE}
    gateway.snapshot = snapshot(
        *(
            worker(
                text,
                bar(text, 10, segments=again[text], function=text, recovered_from=text),
                functions={text: [1]},
            )
            for text in HOSTILE
        ),
        gateway="".join(HOSTILE),
    )
    items = [item(text, function=text, worker=text) for text in HOSTILE]
    described = {text: {"description": text} for text in HOSTILE}
    gateway.answers |= {
        "/list": lambda _: {"items": items, "next_cursor": None},
        "/wait": lambda request: _hostile_state(HOSTILE[int(request.query["id"])]),
        "/functions": lambda _: functions(**described),
    }


async def test_hostile_texts_are_shown_as_they_are(browser: Browser) -> None:
    """Names, ids, errors and values are text in every view, and no script or style of it runs."""
    async with scripted_gateway() as gateway:
        _tell_hostile(gateway)
        async with browsing(browser, gateway.url) as page:
            names, links = page.locator(".lane h3 bdi"), page.locator("tbody th a")
            await expect(names).to_have_count(len(HOSTILE))
            assert sorted(await names.all_text_contents()) == sorted(HOSTILE)
            await expect(links).to_have_count(len(HOSTILE))
            assert await links.all_text_contents() == list(HOSTILE)
            hrefs = await links.evaluate_all("all => all.map((link) => link.getAttribute('href'))")
            assert [href[0] for href in hrefs] == ["#"] * len(HOSTILE)
            assert not set("".join(hrefs)) & set("<>\"' ")
            await _has_texts_only(page)

            for number, text in enumerate(HOSTILE):
                await page.goto(f"{gateway.url}/#{number}")
                await expect(page.locator("h1 .id")).to_have_text(str(number))
                await expect(page.locator(".sentence")).to_contain_text(text[:100])
                assert text[:1_000] in (await page.locator(".steps-table").text_content() or "")
                await _has_texts_only(page)

            await page.goto(f"{gateway.url}/#/begin")
            for number, text in enumerate(HOSTILE):
                await page.get_by_label("Function").select_option(index=number)
                advice = page.locator(".begin-form > .advice bdi")
                await expect(advice).to_contain_text(text[:30])
                assert await advice.text_content() == text
                await _has_texts_only(page)


async def test_a_long_value_is_cut_until_all_of_it_is_asked_for(browser: Browser) -> None:
    """A text of a million characters is shown in part, and on demand as a whole."""
    long = f"begin{'y' * LARGE}end"
    async with scripted_gateway() as gateway:
        gateway.answers["/wait"] = lambda _: ended("job-1", "resolved", result=long)
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            shown = page.locator("pre.json").nth(1)
            await expect(shown).to_contain_text("begin")
            assert len(await shown.text_content() or "") < 5_000
            await page.get_by_role("button", name="Show all 1,000,010 characters").click()
            await page.wait_for_function(
                "() => document.querySelectorAll('pre.json')[1].textContent.endsWith('end\"')"
            )
            fits = "document.documentElement.scrollWidth <= innerWidth"
            assert await page.evaluate(fits)


async def test_numbers_and_surrogates_stay_what_they_are(browser: Browser) -> None:
    """An integer beyond 2^53 is shown to the last digit; half a character breaks nothing."""
    result = f"[9007199254740993,-9223372036854775808,{SURROGATE},1e400]"
    body = (
        '{"status":"resolved","promise_id":"job-1","done":true,"function":"foo","created_at":"x",'
        f'"timeout_at":"x","completed_at":"y","result":{result}}}'
    )
    async with scripted_gateway() as gateway:
        gateway.answers["/wait"] = lambda _: web.Response(
            text=body, content_type="application/json"
        )
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            shown = page.locator("pre.json").nth(1)
            await expect(shown).to_contain_text("9007199254740993")
            await expect(shown).to_contain_text("-9223372036854775808")
            await expect(shown).to_contain_text("alone")
            await expect(shown).to_contain_text("1e400")
            await expect(page.locator("dl")).to_contain_text("at an unknown time")


async def test_half_a_character_in_a_snapshot_breaks_nothing(browser: Browser) -> None:
    """Ids and names with lone surrogates are drawn, and so is what comes after them."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        told = recovered()
        told["workers"][1]["bars"][0] |= {"id": "job-\ud800", "function": "\udfff"}
        told["recoveries"]["last"]["id"] = "job-\ud800"
        await gateway.tell(told)
        await expect(page.locator(".bar")).to_have_count(2)
        await gateway.tell(snapshot(worker("worker-3", bar("job-3", 5))))
        await expect(page.get_by_role("heading", name="worker-3")).to_be_visible()
