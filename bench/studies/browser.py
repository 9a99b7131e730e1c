"""Measures what the page costs a browser that shows a large service: `python -m bench browser`.

2,000 executions are begun, and 20 played workers hold 100 each. A Chromium shows the page while
each execution begins a step every two seconds, then while each ends and is claimed anew, and then
when a worker dies and the others go on with its executions. For each it prints how long the page's
main thread took for an update, from one drawing to the next, the longest task, what it was spent
on, and the heap of the page.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.loads.played_workers import play
from bench.studies.main_thread import CATEGORIES, PARTS, updates_of
from bench.studies.waiters import child, quantile
from tests.support.page.browser import browsing, launched
from tests.support.ports import free_port
from tests.support.stack import SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from playwright.async_api import Browser, CDPSession, Page

    from bench.loads.played_workers import Doing
    from bench.studies.main_thread import Update
    from tests.support.stack import Stack

EXECUTIONS: Final = 2_000
WORKERS: Final = 20
SECONDS: Final = 20.0
"""Seconds of each measurement, of which each has about four updates."""

GOAL_MS: Final = 50.0
GOAL_MIB: Final = 100.0
CASES: Final[tuple[Doing, ...]] = ("steps", "ends", "loss")


def begin(stack: Stack) -> list[str]:
    """Begin all executions; return their ids."""
    ids = [f"order-{number:04}" for number in range(EXECUTIONS)]

    def one(id: str) -> None:
        answer = stack.begin(id, "checkout", {"pace": 1})
        assert answer.status == 202, answer

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, ids))
    return ids


async def heap(session: CDPSession, *, collected: bool) -> dict[str, float]:
    """Return MiB of the page's heap and its nodes, after a collection of garbage or as they are."""
    if collected:
        await session.send("HeapProfiler.collectGarbage")
    told = await session.send("Performance.getMetrics")
    found = {each["name"]: each["value"] for each in told["metrics"]}
    return {"heap": found["JSHeapUsedSize"] / 2**20, "nodes": found["Nodes"]}


async def traced(browser: Browser, page: Page, session: CDPSession) -> tuple[list[Update], float]:
    """Return the updates of a while, and the largest heap of it."""
    await browser.start_tracing(page=page, categories=list(CATEGORIES))
    largest = 0.0
    for _ in range(int(SECONDS)):
        await asyncio.sleep(1)
        largest = max(largest, (await heap(session, collected=False))["heap"])
    return updates_of(await browser.stop_tracing()), largest


def show(what: str, updates: list[Update], largest: float, kept: dict[str, float]) -> None:
    """Print a row."""
    taken = sorted(each.wall for each in updates)
    cpu = sorted(each.cpu for each in updates)
    parts = (f"{name} {statistics.fmean(u.parts[name] for u in updates):.1f}" for name in PARTS)
    print(
        what,
        len(updates),
        *(f"{quantile(taken, share):.0f}" for share in (0.5, 0.95, 1)),
        f"{quantile(cpu, 0.95):.0f}",
        f"{max(each.longest for each in updates):.0f}",
        f"{kept['heap']:.0f} to {largest:.0f} MiB",
        f"{kept['nodes']:.0f}",
        ", ".join(parts),
        sep="\t",
        flush=True,
    )


async def first_load(browser: Browser, url: str) -> None:
    """Print what the page's first second takes."""
    async with await browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        await session.send("Performance.enable")
        await browser.start_tracing(page=page, categories=list(CATEGORIES))
        await page.goto(url)
        await page.wait_for_selector("tbody tr:nth-child(50)")
        await page.wait_for_selector(".bar")
        updates = updates_of(await browser.stop_tracing())
        kept = await heap(session, collected=True)
    show("first load", updates, kept["heap"], kept)


async def measure(url: str, playing: Connection) -> None:
    """Print a row for each case."""
    async with launched() as browser:
        await first_load(browser, url)
        async with browsing(browser, url) as page:
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            await page.wait_for_selector("tbody tr:nth-child(50)")
            for doing in CASES:
                playing.send(doing)
                updates, largest = await traced(browser, page, session)
                show(doing, updates, largest, await heap(session, collected=True))


def main() -> None:
    """Measure all cases and print a table."""
    port = free_port()
    gateway = {"GATEWAY_PRESENCE_PORT": str(port)}
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(
            Path(directory), workers=0, gateway=gateway, modules=SHIPPED_MODULES
        ) as stack,
    ):
        ids = begin(stack)
        with child(play, port, ids, WORKERS) as playing:
            playing.recv()
            head = ("updates", "p50", "p95", "max", "CPU p95", "longest task", "heap", "nodes")
            print("ms of an update", *head, sep="\t")
            asyncio.run(measure(stack.url, playing))
            print(f"goals: p95 below {GOAL_MS:.0f} ms, heap below {GOAL_MIB:.0f} MiB")
