"""Nothing of an execution is taken for more than text, and nothing of it breaks the page."""

from __future__ import annotations

from typing import Any, Final

import pytest
from aiohttp import web
from playwright.async_api import expect

from tests.support.page.browser import browsing, needs_browser
from tests.support.page.executions import ended, execution, item, step
from tests.support.page.gateway import functions, scripted_gateway
from tests.support.page.snapshots import bar, recovered, segment, snapshot, worker

pytestmark = needs_browser

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


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    """Names, ids, errors and values are text in every view, and no script or style of it runs."""
    lost = bar(
        text, 10, segments=[segment(text, 10, again=True)], function=text, recovered_from=text
    )
    async with scripted_gateway() as gateway:
        gateway.snapshot = snapshot(worker(text, lost, functions={text: [1]}), gateway=text)
        gateway.answers |= {
            "/list": lambda _: {
                "items": [item(text, function=text, worker=text)],
                "next_cursor": None,
            },
            "/wait": lambda _: _hostile_state(text),
            "/functions": lambda _: functions(**{text: {"description": text}}),
        }
        async with browsing(gateway.url) as page:
            name = page.locator(".lane h3 bdi")
            await expect(name).to_have_count(1)
            assert await name.text_content() == text
            await expect(page.locator("tbody th a")).to_have_count(1)
            assert await page.locator("tbody th a").text_content() == text
            href = await page.locator("tbody th a").get_attribute("href")
            assert href
            assert href.startswith("#")
            assert not set(href) & set("<>\"' ")

            await page.goto(f"{gateway.url}/#job-1")
            await expect(page.locator(".sentence")).to_contain_text(text[:100])
            assert text[:1_000] in (await page.locator(".steps-table").text_content() or "")

            await page.goto(f"{gateway.url}/#/begin")
            await expect(page.locator(".begin-form > .advice bdi")).to_have_count(1)
            assert await page.locator(".begin-form > .advice bdi").text_content() == text

            assert await page.evaluate("window.broken") is None
            assert await page.evaluate(COUNT_MARKUP) == 0
            assert await page.evaluate("getComputedStyle(document.body).display") == "block"


async def test_a_long_value_is_cut_until_all_of_it_is_asked_for() -> None:
    """A text of a million characters is shown in part, and on demand as a whole."""
    long = f"begin{'y' * LARGE}end"
    async with scripted_gateway() as gateway:
        gateway.answers["/wait"] = lambda _: ended("job-1", "resolved", result=long)
        async with browsing(f"{gateway.url}/#job-1") as page:
            shown = page.locator("pre.json").nth(1)
            await expect(shown).to_contain_text("begin")
            assert len(await shown.text_content() or "") < 5_000
            await page.get_by_role("button", name="Show all 1,000,010 characters").click()
            await page.wait_for_function(
                "document.querySelectorAll('pre.json')[1].textContent.endsWith('end\"')"
            )
            fits = "document.documentElement.scrollWidth <= innerWidth"
            assert await page.evaluate(fits)


async def test_numbers_and_surrogates_stay_what_they_are() -> None:
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
        async with browsing(f"{gateway.url}/#job-1") as page:
            shown = page.locator("pre.json").nth(1)
            await expect(shown).to_contain_text("9007199254740993")
            await expect(shown).to_contain_text("-9223372036854775808")
            await expect(shown).to_contain_text("alone")
            await expect(shown).to_contain_text("1e400")
            await expect(page.locator("dl")).to_contain_text("at an unknown time")


async def test_half_a_character_in_a_snapshot_breaks_nothing() -> None:
    """Ids and names with lone surrogates are drawn, and so is what comes after them."""
    async with scripted_gateway() as gateway, browsing(gateway.url) as page:
        told = recovered()
        told["workers"][1]["bars"][0] |= {"id": "job-\ud800", "function": "\udfff"}
        told["recoveries"]["last"]["id"] = "job-\ud800"
        await gateway.tell(told)
        await expect(page.locator(".bar")).to_have_count(2)
        await gateway.tell(snapshot(worker("worker-3", bar("job-3", 5))))
        await expect(page.get_by_role("heading", name="worker-3")).to_be_visible()
