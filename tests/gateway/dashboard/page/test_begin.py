"""Beginning an execution from the page: a form made from a schema, JSON, and what is wrong."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing, hide
from tests.support.page.executions import execution
from tests.support.page.gateway import ScriptedGateway, functions, problem, scripted_gateway
from tests.support.page.waiting import until

if TYPE_CHECKING:
    from aiohttp import web
    from playwright.async_api import Browser

pytestmark = IN_BROWSER

ORDER: Final = {
    "title": "order",
    "description": "Ships an order.",
    "anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}],
    "$defs": {
        "Order": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "Who gets it."},
                "pace": {"type": "number", "minimum": 0, "maximum": 60, "default": 1.0},
                "number": {"type": "integer"},
                "gift": {"type": "boolean"},
                "fail": {
                    "anyOf": [{"enum": ["charge", "ship"]}, {"type": "null"}],
                    "default": None,
                },
                "items": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}
NESTED: Final = {
    "type": "object",
    "properties": {"deep": {"type": "object"}},
    "default": {"deep": {}},
}


def _with_begin(gateway: ScriptedGateway, *answers: Any) -> None:
    """Have the gateway answer begins with these, one after the other, then with success."""
    left = list(answers)

    def begin(_: web.Request) -> Any:
        return left.pop(0) if left else {"promise": "job-1", "status": "pending", "created": True}

    gateway.answers |= {
        "/functions": lambda _: functions(order=ORDER, nested=NESTED),
        "/begin": begin,
        "/wait": lambda _: execution("job-1"),
    }


def _begun(gateway: ScriptedGateway) -> list[tuple[dict[str, str], str]]:
    """Return the parameters and the body of each begin."""
    return [(query, body) for _, path, query, body in gateway.asked if path == "/begin"]


async def test_a_form_is_made_from_the_schema_and_used_by_keyboard_alone(browser: Browser) -> None:
    """Each property has a field of its kind; what is left empty is left out; numbers stay exact."""
    async with scripted_gateway() as gateway:
        _with_begin(gateway)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("name").focus()
            await page.keyboard.type("Ann")
            for typed in ("", "9007199254740993", "y", "ship"):
                await page.keyboard.press("Tab")
                await page.keyboard.type(typed)
            await page.keyboard.press("Tab")
            await page.keyboard.type("one")
            await page.keyboard.press("Enter")
            await page.keyboard.type("two")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await page.keyboard.press("Tab")
            await page.keyboard.type("job-1")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/#job-1")
            await expect(page.locator("h1")).to_be_focused()
            [(query, body)] = _begun(gateway)
            assert query == {"id": "job-1", "function": "order"}
            assert json.loads(body) == {
                "name": "Ann",
                "number": 9007199254740993,
                "gift": True,
                "fail": "ship",
                "items": ["one", "two"],
            }


async def test_faults_stand_beside_their_fields(browser: Browser) -> None:
    """A 422 is shown at the field that its pointer names, which gets the focus; others below."""
    faults = [
        {"pointer": "/pace", "message": "-1 is less than the minimum of 0"},
        {"pointer": "/items/0", "message": "too short"},
        {"pointer": "", "message": "something else"},
    ]
    refused = problem("invalid-input", 422, "order does not take the input.", errors=faults)
    async with scripted_gateway() as gateway:
        _with_begin(gateway, refused)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("name").fill("Ann")
            await page.get_by_label("pace").fill("-1")
            await page.get_by_role("button", name="Begin", exact=True).click()
            pace = page.get_by_label("pace")
            await expect(pace).to_be_focused()
            await expect(pace).to_have_attribute("aria-invalid", "true")
            await expect(page.get_by_label("items")).to_have_attribute("aria-invalid", "true")
            about = await pace.get_attribute("aria-describedby")
            await expect(page.locator(f"#{about}")).to_contain_text(
                "-1 is less than the minimum of 0"
            )
            await expect(page.locator("#faults")).to_contain_text("something else")
            assert await pace.input_value() == "-1"
            await pace.fill("1.50")
            await page.get_by_role("button", name="Begin", exact=True).click()
            await page.wait_for_url("**/#job-1")
            assert '"pace": 1.50' in _begun(gateway)[1][1]


async def test_a_new_catalog_leaves_what_was_typed(browser: Browser) -> None:
    """Texts stay with the names of their fields, and the function with the form."""
    one = {"type": "object", "properties": {"to": {"type": "string"}, "size": {"enum": ["S", "M"]}}}
    properties = {
        "from": {"type": "string"},
        "to": {"type": "string"},
        "size": {"enum": ["M", "S"]},
    }
    async with scripted_gateway() as gateway:
        _with_begin(gateway)
        gateway.answers["/functions"] = lambda _: functions(ship=one)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("to").fill("Ann")
            await page.get_by_label("size").select_option("S")
            two = {"type": "object", "properties": properties}
            gateway.answers["/functions"] = lambda _: functions(fly={}, ship=two)
            await hide(page, hidden=True)
            await hide(page, hidden=False)
            await page.get_by_label("from").fill("Bob")
            await expect(page.get_by_label("Function")).to_have_value("ship")
            await page.get_by_role("button", name="Begin", exact=True).click()
            await page.wait_for_url("**/#job-1")
            [(query, body)] = _begun(gateway)
            assert query["function"] == "ship"
            # The size is to be chosen again, since its choices have changed.
            assert json.loads(body) == {"from": "Bob", "to": "Ann"}


async def test_json_is_edited_where_no_form_will_do(browser: Browser) -> None:
    """The editor begins with the default; what is no JSON is told with its place, and not sent."""
    async with scripted_gateway() as gateway:
        _with_begin(gateway)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("Function").select_option("nested")
            editor = page.get_by_label("Input, as JSON")
            assert json.loads(await editor.input_value()) == {"deep": {}}
            await editor.fill('{\n  "deep": oops\n}')
            await page.get_by_role("button", name="Begin", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("not JSON at line 2, column 11")
            await expect(editor).to_be_focused()
            assert await page.evaluate("document.activeElement.selectionStart") == 12
            assert _begun(gateway) == []
            await editor.fill('{"deep": {"n": 12345678901234567890}}')
            await page.get_by_role("button", name="Begin", exact=True).click()
            await page.wait_for_url("**/#job-1")
            [(query, body)] = _begun(gateway)
            assert query == {"function": "nested", "id": query["id"]}
            assert body == '{"deep": {"n": 12345678901234567890}}'


async def test_a_lost_answer_begins_nothing_twice(browser: Browser) -> None:
    """Where no id is given one is made, and sent again until an answer comes, for one input."""
    lost = ("backend-unavailable", 503, "The server cannot be reached.")
    async with scripted_gateway() as gateway:
        _with_begin(gateway, *(problem(*lost) for _ in range(3)))
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            for name in ("Ann", "Ann", "Bob", "Ann"):
                await page.get_by_label("name").fill(name)
                count = len(_begun(gateway))
                await page.get_by_role("button", name="Begin", exact=True).click()
                await until(lambda count=count: len(_begun(gateway)) > count)  # type: ignore[misc]
                if len(_begun(gateway)) <= 3:
                    await expect(page.get_by_role("alert")).to_contain_text("Try again")
            await page.wait_for_url("**/#job-1")
            ids = [query["id"] for query, _ in _begun(gateway)]
            assert ids[0] == ids[1] == ids[3] != ids[2]
            assert ids == [str(UUID(id)) for id in ids]
            assert {UUID(id).version for id in ids} == {7}
            assert abs(int(ids[0].replace("-", "")[:12], 16) / 1000 - time.time()) < 60
            # What is begun from the page once more is another execution.
            await page.goto(f"{gateway.url}/#/begin")
            await page.get_by_label("name").fill("Ann")
            await page.get_by_role("button", name="Begin", exact=True).click()
            await page.wait_for_url("**/#job-1")
            assert _begun(gateway)[-1][0]["id"] not in ids


async def test_a_form_is_taken_over_as_json(browser: Browser) -> None:
    """What was typed into the form stands in the editor."""
    async with scripted_gateway() as gateway:
        _with_begin(gateway)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("name").fill("Ann")
            await page.get_by_role("button", name="JSON").click()
            editor = page.get_by_label("Input, as JSON")
            assert json.loads(await editor.input_value()) == {"name": "Ann"}


async def test_a_refusal_without_faults_is_told_in_words(browser: Browser) -> None:
    """An id that is taken, or a gateway that has too much to do."""
    taken = problem("id-reused", 422, "This id already belongs to another function.")
    async with scripted_gateway() as gateway:
        _with_begin(gateway, taken)
        async with browsing(browser, f"{gateway.url}/#/begin") as page:
            await page.get_by_label("name").fill("Ann")
            await page.get_by_role("button", name="Begin", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text(
                "This id already belongs to another function. Choose another id."
            )
