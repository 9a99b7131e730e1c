"""The files of the page, which loads nothing from another origin."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.http.answers.responses import Content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import web

FOLDER: Final = Path(__file__).parent / "page"
PAGE: Final = "index.html"

TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Types of the files by their endings; others are not served."""


class PageFiles:
    """The files, read when the application starts; no other names are served."""

    def __init__(self) -> None:
        self.page = Content(b"")
        self._files: Mapping[str, Content] = {}

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Read everything in a thread, since no request should wait for a disk."""
        files = await asyncio.to_thread(_read)
        self.page = files.pop(PAGE)
        self._files = files
        yield

    def get(self, name: str) -> tuple[Content, str] | None:
        """Return a file and its type, None if there is no such file."""
        content = self._files.get(name)
        return None if content is None else (content, TYPES[f".{name.rpartition('.')[2]}"])


def _read() -> dict[str, Content]:
    found = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): Content(path.read_bytes()) for path in found}
