"""A client with aiohttp: begins an execution, shows its events, prints its outcome.

python examples/client.py ID [FUNCTION [INPUT]], with BASE_URL and TOKEN from the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEMPORARY = frozenset({429, 502, 503, 504})
LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of the longest event; `done` contains the whole result."""


class Client:
    """Repeats requests that got no answer, which is safe: one id is one execution."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def begin(self, id: str, function: str, body: Any) -> dict[str, Any]:
        """Begin an execution, or find the one that already has this id."""
        return await self._ask("POST", "/begin", {"id": id, "function": function}, body)

    async def wait(self, id: str) -> dict[str, Any]:
        """Wait until the execution has ended, and return its state."""
        while True:
            state = await self._ask("GET", "/wait", {"id": id, "wait": "20s"})
            if state["done"]:
                return state

    async def events(self, id: str) -> AsyncIterator[tuple[str, Any]]:
        """Yield name and data of every event from the first to `done`, each once."""
        last: dict[str, str] = {}
        while True:
            try:
                async with self._session.get("/events", params={"id": id}, headers=last) as answer:
                    if answer.status not in TEMPORARY:
                        answer.raise_for_status()
                        async for event in _parsed(answer.content):
                            last = {"Last-Event-ID": event["id"]}
                            yield event["event"], json.loads(event["data"])
                            if event["event"] == "done":
                                return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                pass
            await asyncio.sleep(1)

    async def _ask(
        self, method: str, path: str, query: dict[str, str], body: Any = None
    ) -> dict[str, Any]:
        for attempt in range(8):
            try:
                async with self._session.request(method, path, params=query, json=body) as answer:
                    if answer.status not in TEMPORARY:
                        answer.raise_for_status()
                        state: dict[str, Any] = await answer.json()
                        return state
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                pass
            await asyncio.sleep(min(0.5 * 2**attempt, 10))
        raise TimeoutError(f"{method} {path}: no answer")


async def _parsed(lines: aiohttp.StreamReader) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in lines:
        field, _, value = line.decode().strip().partition(": ")
        if field:
            event[field] = value
        elif "data" in event:  # a blank line ends an event; comments have no data
            yield event
            event = {}


async def main(id: str, function: str = "foo", body: str = "null") -> None:
    """Follow one execution to its end."""
    token = os.environ.get("TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    base = os.environ.get("BASE_URL", "http://localhost:5001")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=40)
    async with aiohttp.ClientSession(
        base, headers=headers, timeout=timeout, read_bufsize=LONGEST_LINE
    ) as session:
        client = Client(session)
        print(await client.begin(id, function, json.loads(body)))
        async for name, data in client.events(id):
            print(name, data)
        print(await client.wait(id))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
