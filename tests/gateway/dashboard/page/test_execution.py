"""The page of one execution: why it does not go on, and what a person can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.support.page.browser import IN_BROWSER, browsing, later
from tests.support.page.executions import at, ended, execution, step
from tests.support.page.gateway import problem, scripted_gateway
from tests.support.page.snapshots import snapshot, worker
from tests.support.page.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = IN_BROWSER

TYPE_ERROR = {"type": "TypeError", "message": "no number", "step": "charge"}
BLOCKED = {"expected": "step reserve", "found": "step quote", "worker": "worker-2", "version": 1}
NO_VERSION = snapshot(worker("worker-1", functions={"checkout": [2]}))
UNKNOWN = "See that workers with checkout version 1 run and have room."
MANY_WORKERS = snapshot(worker("worker-1", busy=16), workers_left_out=3)
MANY_FUNCTIONS = snapshot(worker("worker-1", functions={"foo": [1]}, functions_left_out=2))
MANY_VERSIONS = snapshot(worker("worker-1", functions={"checkout": [*range(5, 25)]}))
OTHERS_BUSY = snapshot(
    worker("worker-1", busy=16), worker("worker-2", functions={}, functions_left_out=1)
)
ONE_FREE = snapshot(worker("worker-1"), workers_left_out=3)
ALL_BUSY = snapshot(worker("worker-1", busy=16), worker("worker-2", busy=16))

REASONS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (
        execution("job-1", "retrying", tries=3, last_error=TYPE_ERROR, next_try_at=at(-3600)),
        snapshot(),
        "The step charge has failed 3 times, last with TypeError: “no number”. The next try is in",
        "Repair what the step calls: it is tried again by itself",
    ),
    (
        execution("job-1", "retrying", tries=1, last_error=TYPE_ERROR),
        snapshot(),
        "The step charge has failed once, with TypeError: “no number”. It is being tried again.",
        "Repair what the step calls",
    ),
    (
        execution("job-1", "waiting", waiting_for=[{"name": "approval", "since": at(15)}]),
        snapshot(),
        "It has waited for the signal approval for",
        "Send the signal below",
    ),
    (
        execution("job-1", "waiting", waiting_for=[{"name": "sleep", "since": at(15)}]),
        snapshot(),
        "It has slept for",
        "It goes on by itself when its time has come.",
    ),
    (
        execution(
            "job-1",
            "waiting",
            waiting_for=[{"name": "part", "since": at(15)}],
            steps=[step("part", 15, None, None)],
        ),
        snapshot(),
        "It has waited for its child part for",
        "It goes on when they have ended",
    ),
    (
        execution("job-1", "blocked", blocked=BLOCKED),
        snapshot(),
        "Its history has “step reserve” where the code of worker-2 now has “step quote”",
        "Deploy the code with which it began as checkout version 1 again: then it goes on",
    ),
    (
        execution("job-1", "recovering", worker="worker-1"),
        snapshot(worker("worker-2")),
        "Its worker worker-1 was lost. Another worker takes it over and goes on after its last",
        "What to do: Nothing.",
    ),
    (
        execution("job-1", "recovering", worker="worker-1"),
        snapshot(worker("worker-1", state="dead")),
        "Its worker worker-1 was lost. No worker is connected to this gateway.",
        "Start a worker that has checkout version 1; then it goes on after its last stored step.",
    ),
    (
        execution("job-1", "recovering", worker="worker-1"),
        ALL_BUSY,
        "Its worker worker-1 was lost. All 32 slots of the 2 workers with checkout version 1 are",
        "It goes on after its last stored step when a slot is free.",
    ),
    (
        execution("job-1", "recovering", worker="worker-1"),
        snapshot(presence="off"),
        "Its worker worker-1 was lost, and no other has taken it over yet.",
        "If no worker with checkout version 1 runs, start one",
    ),
    (
        execution("job-1", "queued"),
        NO_VERSION,
        "No worker serves checkout version 1.",
        "Start a worker that has checkout version 1",
    ),
    (
        execution("job-1", "queued"),
        ALL_BUSY,
        "All 32 slots of the 2 workers with checkout version 1 are busy.",
        "It begins when a slot is free.",
    ),
    (
        execution("job-1", "queued"),
        snapshot(worker("worker-1", busy=16), worker("worker-2")),
        "It is offered to a worker with checkout version 1.",
        "What to do: Nothing.",
    ),
    (
        execution("job-1", "queued"),
        snapshot(),
        "No worker is connected to this gateway.",
        "Start a worker",
    ),
    *(
        (execution("job-1", "queued"), told, "It waits for a worker.", UNKNOWN)
        for told in (MANY_WORKERS, MANY_FUNCTIONS, MANY_VERSIONS, OTHERS_BUSY)
    ),
    (
        execution("job-1", "recovering", worker="worker-9"),
        MANY_VERSIONS,
        "Its worker worker-9 was lost, and no other has taken it over yet.",
        "If no worker with checkout version 1 runs, start one",
    ),
    (
        execution("job-1", "queued"),
        ONE_FREE,
        "It is offered to a worker with checkout version 1.",
        "What to do: Nothing.",
    ),
    (
        execution("job-1", "scheduled", starts_at=at(-3600)),
        snapshot(),
        "It starts in",
        "What to do: Nothing.",
    ),
    (
        ended(
            "job-1",
            "canceled",
            error={"type": "Canceled", "message": "canceled", "reason": "by Ann: a test"},
            waiting_for=[{"name": "approval", "since": at(15)}],
        ),
        snapshot(),
        "A client canceled it",
        "Begin it with another id",
    ),
    (
        ended(
            "job-1", "rejected", error={"type": "Declined", "message": "no money", "step": "charge"}
        ),
        snapshot(),
        "The step charge failed with Declined: “no money”.",
        "Correct the cause",
    ),
    (
        ended("job-1", "timedout", error={"type": "TimedOut", "message": "over"}),
        snapshot(),
        "It did not end within its time",
        "with a longer timeout",
    ),
    (
        ended("job-1", "resolved", result={"a": 1}),
        snapshot(),
        "It returned its result after 17 s.",
        "",
    ),
]


async def test_the_page_says_first_why_it_does_not_go_on(browser: Browser) -> None:
    """Of each state one sentence says what it waits for, and another one what to do."""
    async with scripted_gateway() as gateway, browsing(browser, gateway.url) as page:
        gateway.answers["/wait"] = lambda request: REASONS[int(request.query["id"])][0]
        for number, (state, told, sentence, advice) in enumerate(REASONS):
            await gateway.tell(told)
            await page.goto(f"{gateway.url}/#{number}")
            await expect(page.locator("h1 .id")).to_have_text(str(number))
            await expect(page.locator(".sentence")).to_contain_text(sentence)
            if advice:
                await expect(page.locator(".reason > .advice")).to_contain_text(advice)
            else:
                await expect(page.locator(".reason > .advice")).to_have_count(0)
            if state["status"] == "canceled":
                await expect(page.locator(".sentence")).to_contain_text("“by Ann: a test”")
            waits = "signal approval" in sentence
            assert await page.locator("form.signal").count() == waits, sentence
            lines = page.locator(".command").filter(has_text="/signal?")
            assert await lines.count() == waits, sentence


async def test_steps_are_told_by_worker_with_their_tries(browser: Browser) -> None:
    """Each step has its worker, its status and its failed tries."""
    tried = step("charge", 10, None, "worker-2", tries=2, last_error=TYPE_ERROR)
    state = execution(
        "job-1",
        "retrying",
        worker="worker-2",
        attempt=2,
        recovered_from="worker-1",
        steps=[step("reserve", 20, 15, "worker-1"), tried, step("part", 5, None, None)],
        tries=2,
        last_error=TYPE_ERROR,
    )
    async with scripted_gateway() as gateway:
        gateway.answers["/wait"] = lambda _: state
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            rows = page.locator(".steps-table tbody tr")
            await expect(rows).to_have_count(3)
            await expect(rows.nth(0)).to_contain_text("worker-1")
            await expect(rows.nth(1)).to_contain_text("2 failed tries, last with TypeError")
            await expect(rows.nth(2)).to_contain_text("child")
            await expect(page.locator("dl")).to_contain_text("took over from worker-1")


async def test_a_signal_is_answered_from_the_page(browser: Browser) -> None:
    """A value that is no JSON is refused here; a good one is sent with a key, once."""
    waiting = execution("job-1", "waiting", waiting_for=[{"name": "approval", "since": at(15)}])
    sent: list[tuple[str, str | None]] = []

    async with scripted_gateway() as gateway:

        def deliver(request: Any) -> Any:
            sent.append((request.query_string, request.headers.get("Idempotency-Key")))
            if len(sent) == 1:
                return problem("backend-unavailable", 503, "The server cannot be reached.")
            gateway.answers["/wait"] = lambda _: ended("job-1", "resolved", result=True)
            return {"promise_id": "job-1", "signal": "approval", "delivered": True}

        gateway.answers |= {"/wait": lambda _: waiting, "/signal": deliver}
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            field, button = (
                page.get_by_label("Value of the signal"),
                page.get_by_role("button", name="Send the signal"),
            )
            await field.fill("{nonsense")
            await button.click()
            await expect(page.get_by_role("alert")).to_contain_text("not JSON")
            await field.fill('{"by": "Ann"}')
            await button.click()
            await expect(page.get_by_role("alert")).to_contain_text("Try again in a moment.")
            await button.click()
            await expect(page.locator(".sentence")).to_contain_text("It returned its result")
            bodies = [body for method, path, _, body in gateway.asked if path == "/signal"]
            assert bodies == ['{"by": "Ann"}'] * 2
            assert sent[0] == sent[1]
            assert sent[0][1]


async def test_a_value_stays_with_its_signal(browser: Browser) -> None:
    """What was typed for one signal is not sent to the next one, which takes its place."""
    waits = [{"name": name, "since": at(15)} for name in ("refund", "approval")]
    async with scripted_gateway() as gateway:
        gateway.answers |= {
            "/wait": lambda _: execution("job-1", "waiting", waiting_for=waits),
            "/signal": lambda _: {"promise_id": "job-1", "delivered": True},
        }
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            fields = page.get_by_label("Value of the signal")
            await fields.nth(0).fill('"all of it"')
            await fields.nth(1).fill('"by Ann"')
            del waits[0]
            await expect(fields).to_have_count(1)
            await expect(fields).to_have_value('"by Ann"')
            await page.get_by_role("button", name="Send the signal").click()
            await until(lambda: "/signal" in gateway.paths())
            sent = [(query, body) for _, path, query, body in gateway.asked if path == "/signal"]
            assert sent == [({"id": "job-1", "name": "approval"}, '"by Ann"')]


async def test_a_cancel_asks_for_a_reason(browser: Browser) -> None:
    """The dialog can be left with Escape; what it sends is the reason, by keyboard alone."""
    async with scripted_gateway() as gateway:
        running = execution("job-1", worker="worker-1")
        end = ended(
            "job-1", "canceled", error={"type": "Canceled", "message": "", "reason": "too late"}
        )

        def cancel(_: Any) -> Any:
            gateway.answers["/wait"] = lambda _: end
            return end

        gateway.answers |= {"/wait": lambda _: running, "/cancel": cancel}
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            button = page.get_by_role("button", name="Cancel this execution…")
            await button.focus()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("dialog")).to_be_visible()
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_be_hidden()
            assert "/cancel" not in gateway.paths()
            await expect(button).to_be_focused()
            await page.keyboard.press("Enter")
            await page.keyboard.type("too late")
            await page.keyboard.press("Enter")
            await expect(page.locator(".sentence")).to_contain_text("with the reason “too late”")
            bodies = [json.loads(body) for _, path, _, body in gateway.asked if path == "/cancel"]
            assert bodies == [{"reason": "too late"}]


async def test_an_execution_that_does_not_exist_is_told_in_words(browser: Browser) -> None:
    """An unknown id is no endless attempt to read it."""
    async with (
        scripted_gateway() as gateway,
        browsing(browser, f"{gateway.url}/#nobody", clock=True) as page,
    ):
        await expect(page.get_by_role("alert")).to_contain_text("There is no such execution.")
        await until(lambda: "/wait" in gateway.paths())
        await later(page, 60)
        assert gateway.paths().count("/wait") == 1


async def test_lines_for_a_shell_are_copied(browser: Browser) -> None:
    """The button beside a line puts it on the clipboard, and says so."""
    async with scripted_gateway() as gateway:
        gateway.answers["/wait"] = lambda _: execution("job-1", input={"quote": "it's"})
        async with browsing(browser, f"{gateway.url}/#job-1") as page:
            await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            last = page.locator(".command").last
            await last.get_by_role("button").click()
            await expect(last.get_by_role("button")).to_have_text("Copied")
            copied = await page.evaluate("navigator.clipboard.readText()")
            assert copied.endswith(
                f"""-d '{{"quote":"it'\\''s"}}' '{gateway.url}/begin?function=checkout'"""
            )
