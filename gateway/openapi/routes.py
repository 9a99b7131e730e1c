"""GET /openapi.json, and GET /docs: a page to try the routes that needs no other origin."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.keys import SETTINGS
from gateway.model.representation import Body, tagged
from gateway.openapi.document import document
from gateway.openapi.page import HEADERS, HTML, SCRIPT, TYPES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@functools.cache
def _document(*, secured: bool, webhooks: bool) -> Body:
    return Body.of(document(secured=secured, webhooks=webhooks))


async def openapi(request: web.Request) -> web.Response:
    """Answer with the document of this very gateway: its settings change what it takes."""
    settings = request.app[SETTINGS]
    body = _document(secured=bool(settings.tokens), webhooks=bool(settings.webhooks.secret))
    return tagged(request, body, {"Cache-Control": "no-cache"})


def _files() -> dict[str, bytes]:
    """Return what lies below /docs by name, read once: no request waits for a disk."""
    package = find_spec("swagger_ui")  # not imported, which would take a while
    if package is None or package.origin is None:
        raise ModuleNotFoundError("swagger-ui-py is not installed")
    directory = Path(package.origin).parent / "static"
    own = {"start.js": SCRIPT.encode()}
    return own | {name: (directory / name).read_bytes() for name in TYPES if name not in own}


def _serve(raw: bytes, content_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body, headers = Body.of_bytes(raw), {**HEADERS, "Content-Type": content_type}

    async def answer(request: web.Request) -> web.Response:
        return tagged(request, body, headers)

    return answer


ROUTES = (
    web.get("/openapi.json", openapi),
    web.get("/docs", _serve(HTML.encode(), "text/html; charset=utf-8")),
    *(web.get(f"/docs/{name}", _serve(body, TYPES[name])) for name, body in _files().items()),
)
