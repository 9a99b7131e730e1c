"""The page at /docs loads nothing but its own parts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from gateway.http.auth import OPEN_PATHS, is_open_path
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.documents import published

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway


@pytest.mark.parametrize(
    "path", ["/docs/", "/docs/x", "/docs/../begin", "/docs/%2e%2e/wait", "/docsx"]
)
async def test_below_the_page_is_nothing_else(gateway: Gateway, path: str) -> None:
    """Other paths below /docs are a 404."""
    answer = await gateway.ask("GET", path)

    assert_problem(answer, "not-found", answer.body["instance"], "No such path; GET / lists all.")


def test_only_the_page_is_open_by_its_beginning() -> None:
    """Without a token only the exact open paths and the page's parts can be read."""
    assert not any(map(is_open_path, ("/", "/begin", "/docsx", "/healthz/", "/openapi.json/x")))
    assert all(map(is_open_path, (*OPEN_PATHS, "/docs/start.js")))


class References(HTMLParser):
    """Collects what a page refers to, and what scripts and styles it holds itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.own: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [given[name] or "" for name in ("href", "src") if name in given]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.own.append(tag)
        self.own += [name for name in given if name.startswith("on") or name == "style"]


async def test_the_page_refers_to_its_own_parts_only(gateway: Gateway) -> None:
    """All that the page loads is served here with its type, and the page has no inline code."""
    status, headers, page = await gateway.fetch("GET", "/docs")
    references = References()
    references.feed(page.decode())
    described = {path for path in published()["paths"] if path.startswith("/docs/")}

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (set(references.found), references.own) == (described, [])
    kinds = {
        path: (await gateway.fetch("GET", path))[1]["Content-Type"] for path in references.found
    }
    assert kinds == {
        "/docs/start.js": "text/javascript; charset=utf-8",
        "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "/docs/swagger-ui.css": "text/css; charset=utf-8",
        "/docs/favicon-32x32.png": "image/png",
    }


@pytest.mark.parametrize("path", [path for path in published()["paths"] if "/docs" in path])
async def test_the_page_may_reach_no_other_origin(gateway: Gateway, path: str) -> None:
    """The page and its parts say that nothing else may be loaded, sent to, or put around them."""
    status, headers, body = await gateway.fetch("GET", path)
    again, _, nothing = await gateway.fetch("GET", path, {"If-None-Match": headers["ETag"]})
    head, same, empty = await gateway.fetch("HEAD", path)

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert not re.search(r"https?:|\*|unsafe-eval", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert (status, again, nothing) == (200, 304, b"")
    assert (head, same["Content-Length"], empty) == (200, str(len(body)), b"")


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css", "/openapi.json"])
async def test_the_page_is_only_read(gateway: Gateway, path: str) -> None:
    """Nothing can be sent to the page or to the document."""
    answer = await gateway.ask("POST", path, b"{}")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
