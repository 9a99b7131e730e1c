"""The stream on which the server notifies this gateway of executions that have ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from shared.log import get_logger
from shared.resonate.streams import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    RENEW_SECONDS,
    SILENT_SECONDS,
    stream_url,
)
from shared.resonate.transport import authorization

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.settings import ServerSettings


class Notifications:
    """Calls `on_end` with the promise, as the server's JSON, of each execution that has ended.

    A notification may get lost, so it makes an answer prompt and is never the only way to it.

    `on_return` is called when the server is heard again after a stream was lost or could not be
    opened: it may have been started anew meanwhile, with another store.
    """

    def __init__(
        self,
        server: ServerSettings,
        group: str,
        name: str,
        on_end: Callable[[dict[str, Any]], None],
        on_return: Callable[[], None],
    ) -> None:
        self._url = stream_url(server, group, name)
        self._headers = authorization(server)
        self._on_end = on_end
        self.open_streams = 0
        self._on_return = on_return
        self._was_lost = False
        self._log = get_logger()

    async def run(self) -> None:
        """Keep the stream open until this is cancelled."""
        # A new connection is opened before the server ends the old one, which is read to its end.
        pause = FIRST_PAUSE
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=SILENT_SECONDS, sock_read=SILENT_SECONDS
        )
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
            asyncio.TaskGroup() as readers,
        ):
            while True:
                reader = readers.create_task(self._read(session))
                ended, _ = await asyncio.wait({reader}, timeout=RENEW_SECONDS)
                if not ended:
                    pause = FIRST_PAUSE
                    continue
                self._was_lost = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _read(self, session: aiohttp.ClientSession) -> None:
        is_open = False
        try:
            async with session.get(self._url) as response:
                response.raise_for_status()
                is_open = True
                self._note_open()
                self.open_streams += 1
                try:
                    await self._read_lines(response.content)
                finally:
                    self.open_streams -= 1
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._was_lost = self._was_lost or not is_open
            self._log.debug("notification stream ended", reason=repr(error))

    def _note_open(self) -> None:
        if self._was_lost:
            self._was_lost = False
            self._on_return()

    async def _read_lines(self, content: aiohttp.StreamReader) -> None:
        """Handle every line, however many come at once and however long they are."""
        parts: list[bytes] = []
        async for chunk in content.iter_any():
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                self._handle(b"".join((*parts, line)))
                parts.clear()
            parts.append(rest)

    def _handle(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        match orjson.loads(line[5:]):
            case {"type": "notify", "promise": {"id": str()} as promise}:
                self._on_end(promise)
            case _:
                pass
