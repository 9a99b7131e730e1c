"""A headless Chromium, steered through its DevTools protocol."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAM: Final = shutil.which("chromium")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--remote-debugging-port=0",
)
SECONDS: Final = 40


class Page:
    """One page; `events` are the messages that the browser sent by itself, oldest first."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: Any) -> Any:
        """Return what the browser answers to a command of the protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads(await self._socket.receive_str())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    async def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = await self.command("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:
        """Return the first value of an expression that is true, or fail."""
        async with asyncio.timeout(SECONDS):
            value = await self.run(script)
            while not value:
                await asyncio.sleep(0.05)
                value = await self.run(script)
        return value

    async def click(self, selector: str) -> None:
        """Click on an element once it exists."""
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def write(self, selector: str, text: str) -> None:
        """Put a text into a field once it exists, and leave the field, as a person would."""
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.run(f"document.querySelector({json.dumps(selector)}).select()")
        await self.command("Input.insertText", text=text)
        await self.run("document.activeElement.blur()")

    def requests(self) -> list[str]:
        """Return the URLs that the page has asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[Any]:
        """Return what the console has to show: errors, and what a policy forbade."""
        kinds = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        return [event["params"] for event in self.events if event["method"] in kinds]


@contextlib.asynccontextmanager
async def opened(url: str, directory: Path) -> AsyncIterator[Page]:
    """Show a page until the block ends; the browser keeps its things in `directory`."""
    assert PROGRAM is not None
    browser = await asyncio.create_subprocess_exec(
        PROGRAM,
        *FLAGS,
        f"--user-data-dir={directory}",
        "about:blank",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as client:
            socket_url = await _socket_url(client, directory / "DevToolsActivePort")
            async with client.ws_connect(socket_url, max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await page.command(f"{domain}.enable")
                await page.command("Page.navigate", url=url)
                yield page
    finally:
        browser.terminate()
        await browser.wait()


async def _socket_url(client: aiohttp.ClientSession, port_file: Path) -> str:
    async with asyncio.timeout(SECONDS):
        while True:
            port = _port(port_file)
            if port is not None:
                async with client.get(f"http://127.0.0.1:{port}/json") as answer:
                    pages = [each for each in await answer.json() if each["type"] == "page"]
                if pages:
                    return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)


def _port(file: Path) -> int | None:
    lines = file.read_text().splitlines() if file.exists() else []
    return int(lines[0]) if len(lines) == 2 else None
