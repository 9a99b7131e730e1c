"""GET /openapi.json, and GET /docs: a page to try the routes that needs no other origin."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.api.keys import CATALOG
from gateway.http.answers.pages import PAGE_HEADERS
from gateway.http.answers.responses import Content, tagged_response
from gateway.openapi.page import HTML, SCRIPT, TYPES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Documentation:
    """The files of the page at /docs, read when the application starts."""

    def __init__(self) -> None:
        self.files: Mapping[str, Content] = {}

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Read everything in a thread, since no request should wait for a disk."""
        self.files = await asyncio.to_thread(_files)
        yield


DOCUMENTATION = web.AppKey("documentation", Documentation)


def _swagger_files() -> Path:
    """Return where the package of Swagger UI has its files."""
    package = find_spec("swagger_ui")  # found, not imported, since importing it takes long
    if package is None or package.origin is None:
        raise ModuleNotFoundError("swagger-ui-py is not installed")
    return Path(package.origin).parent / "static"


def _files() -> dict[str, Content]:
    files = {"docs": HTML.encode(), "start.js": SCRIPT.encode()}
    package = _swagger_files()
    files |= {name: (package / name).read_bytes() for name in TYPES if name not in files}
    return {name: Content(raw) for name, raw in files.items()}


async def openapi(request: web.Request) -> web.Response:
    """Answer with the document of this gateway; its settings and its catalog shape it."""
    content = request.app[CATALOG].served.document
    return await tagged_response(request, content, {"Cache-Control": "no-cache"})


async def page(request: web.Request) -> web.Response:
    """Answer with the page that tries the routes."""
    headers = {**PAGE_HEADERS, "Content-Type": "text/html; charset=utf-8"}
    return await tagged_response(request, request.app[DOCUMENTATION].files["docs"], headers)


async def file(request: web.Request) -> web.Response:
    """Answer with a file of the page."""
    name = request.path.rpartition("/")[2]
    headers = {**PAGE_HEADERS, "Content-Type": TYPES[name]}
    return await tagged_response(request, request.app[DOCUMENTATION].files[name], headers)


ROUTES = (
    web.get("/openapi.json", openapi),
    web.get("/docs", page),
    *(web.get(f"/docs/{name}", file) for name in TYPES),
)
