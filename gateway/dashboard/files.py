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
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""Types of the files by their endings; others are not served."""

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}

HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{what} {allowed}" for what, allowed in POLICY.items()),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
"""Headers of the page and its files."""


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
