"""The page's files, and to whom they are sent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.dashboard.files import FOLDER, TYPES
from tests.support.gateway.answers import JSON, assert_problem
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway

HTML: Final = "text/html; charset=utf-8"
BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
TOKEN: Final = "0123456789abcdef"

FILES: Final = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.suffix in TYPES and path.name != "index.html"
)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("", JSON),
        ("application/json", JSON),
        ("text/html, application/json", JSON),
        ("text/html;q=0.5, application/json;q=0.8", JSON),
        ("text/html;q=0, */*", JSON),
        ("text/html;q=NaN;q=x, application/*;q=0.1, application/json", JSON),
        (";;,,;q=,/;=q" * 50, JSON),
        ("image/png", JSON),
        (BROWSER, HTML),
        ("text/html", HTML),
        ("TEXT/HTML; charset=utf-8", HTML),
        ("text/*, application/json;q=0.9", HTML),
        ("text/html, */*", HTML),
        ("application/json;q=0.8, text/html;q=0.9", HTML),
    ],
)
async def test_who_prefers_html_gets_the_page(
    gateway: Gateway, accept: str | None, kind: str
) -> None:
    """Browsers get the page, everybody else the list of paths; a cache can tell them apart."""
    also = [] if accept is None else [f"Accept: {accept}"]
    async with connected(gateway, request("GET / HTTP/1.1", *also)) as wire:
        answer = await wire.answer()
    async with connected(gateway, request("HEAD / HTTP/1.1", "Connection: close", *also)) as wire:
        head = (await wire.ended()).decode()

    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["vary"] == "Accept"
    assert f"\r\nContent-Type: {kind}\r\n" in head
    assert head.endswith("\r\n\r\n")


async def test_the_page_may_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    """The policy of the page names no other origin, and no code within the page."""
    _, headers, body = await gateway.fetch("GET", "/", {"Accept": BROWSER})

    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    page = body.decode()
    assert not re.search(r"https?://|\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", page)


async def test_the_page_is_sent_once(gateway: Gateway) -> None:
    """A browser that has the page is told that it is the newest one."""
    _, headers, _ = await gateway.fetch("GET", "/", {"Accept": BROWSER})
    known = {"Accept": BROWSER, "If-None-Match": headers["ETag"]}

    status, again, body = await gateway.fetch("GET", "/", known)

    assert (status, body, again["Vary"]) == (304, b"", "Accept")


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_sent_as_it_is(gateway: Gateway, name: str) -> None:
    """Each file is served with its type and the policy, once to each browser."""
    status, headers, body = await gateway.fetch("GET", f"/dashboard/{name}")
    known = {"If-None-Match": headers["ETag"]}
    again, _, nothing = await gateway.fetch("GET", f"/dashboard/{name}", known)
    head, same, empty = await gateway.fetch("HEAD", f"/dashboard/{name}")

    assert (status, body) == (200, (FOLDER / name).read_bytes())
    assert headers["Content-Type"] == TYPES[f".{name.rpartition('.')[2]}"]
    assert headers["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert (again, nothing) == (304, b"")
    assert (head, same["Content-Length"], empty) == (200, str(len(body)), b"")


def test_there_are_files() -> None:
    """The page has a script and a style sheet."""
    assert {path.rpartition(".")[2] for path in FILES} >= {"js", "css"}


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/dashboard",
            "/dashboard/",
            "/dashboard/x",
            "/dashboard/../begin",
            "/dashboard/index.html",
        ),
        *("/dashboard/..%2fboard.py", "/dashboard/%2e%2e/board.py", "/dashboard/.."),
        *("/dashboard/live/", "/dashboard//etc/passwd", "/dashboard/app.js%00", "/dashboard/\\"),
    ],
)
async def test_nothing_else_is_served(gateway: Gateway, path: str) -> None:
    """No other name is a file, wherever it points."""
    async with connected(gateway, request(f"GET {path} HTTP/1.1")) as wire:
        answer = await wire.answer()

    assert (answer.status, answer.body["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("path", ["/dashboard/live", "/dashboard/state", "/"])
async def test_data_need_a_token(
    settings: GatewaySettings, start_gateway: StartGateway, path: str
) -> None:
    """Where tokens are set the page and its files are open, and nothing that they read."""
    closed = await start_gateway(replace(settings, tokens=(TOKEN,)))
    answer = await closed.ask("GET", path)
    wrong = await closed.ask("GET", path, None, {"Authorization": "Bearer nope"})

    assert_problem(
        answer,
        "unauthorized",
        path,
        "Send Authorization: Bearer with a token that this service knows.",
    )
    assert wrong.status == 401
    for also in ("/", *(f"/dashboard/{name}" for name in FILES)):
        status, _, body = await closed.fetch("GET", also, {"Accept": BROWSER})
        assert (status, bool(body)) == (200, True)
    state = {"Authorization": f"Bearer {TOKEN}"}
    assert (await closed.ask("GET", "/dashboard/state", None, state)).status == 200


@pytest.mark.parametrize("path", ["/", "/dashboard/live", "/dashboard/state", "/dashboard/app.js"])
async def test_other_sites_read_nothing(gateway: Gateway, path: str) -> None:
    """A page of another origin, or one with a name of its own for this gateway, is refused."""
    for name, value in (("Origin", "https://evil.example"), ("Host", "evil.example")):
        answer = await gateway.ask("GET", path, None, {name: value, "Accept": BROWSER})
        assert answer.status == 403, (path, name)


@pytest.mark.parametrize("path", ["/", "/dashboard/live", "/dashboard/state", "/dashboard/app.js"])
async def test_the_page_is_only_read(gateway: Gateway, path: str) -> None:
    """Nothing can be sent to the page's routes."""
    answer = await gateway.ask("POST", path, b"{}")

    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
