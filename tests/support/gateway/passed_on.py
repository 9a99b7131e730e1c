"""What a gateway may send to the server: every call, and every value in it, by a grammar.

A value that is none of these is a value of a client's that went on unlooked at.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from shared.resonate import tags as tag
from tests.support.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.faults.proxy import Seen

ID: Final = r"[A-Za-z0-9_-]{1,128}"
STORED: Final = r"[A-Za-z0-9~-]{1,128}"
"""An execution's id in the id of what it creates: with `~` for `_`, a wildcard of searches."""

NAME: Final = r"[A-Za-z0-9~-]{1,64}"
HEX: Final = r"[0-9a-f]{32}"
FINGERPRINT: Final = r"[0-9a-f]{64}"
NUMBERED: Final = r"(\.[1-9][0-9]*)?"
PROMISE: Final = rf"{ID}|{STORED}(\.webhook|\.signal\.{NAME}{NUMBERED})"
OWNED: Final = rf"=({PROMISE})={FINGERPRINT}"
"""A large value of a promise, as the gateway names it."""

STORED_VALUE: Final = rf"=({ID}|{STORED}\.signal\.{NAME}(\.key)?)={FINGERPRINT}"
"""The same as the server stores it, or the record of a signal's key."""

REQUEST: Final = rf"({FINGERPRINT}\.)?{HEX}"
REQUEST_ID: Final = r"[A-Za-z0-9._:/+=-]{1,128}"

NEVER: Final = str(2**53 - 1)
URL: Final = r"https?://[!-~]{1,2040}"
FUNCTIONS: Final = "|".join([*CATALOG.functions, "webhook"])
MILLISECONDS: Final = r"[0-9]{13}"
TAGS: Final[Mapping[str, str]] = {
    "resonate:invoke": "poll://any@worker",
    "resonate:scope": "global",
    "resonate:root": rf"{ID}(\.webhook)?|{PROMISE}",
    "resonate:parent": rf"{ID}(\.webhook)?|{PROMISE}",
    tag.REQUEST: REQUEST,
    tag.KIND: tag.EXECUTION,
    tag.FUNCTION: FUNCTIONS,
    tag.VERSION: r"[1-9][0-9]{0,6}",
    tag.DELAY: MILLISECONDS,
    tag.CALLBACK: URL,
    tag.TRACE: HEX,
    tag.ORIGIN: r"[0-9a-f]{16}-0[0-3]",
    tag.TRACE_STATE: r"[ -~]{3,512}",
    tag.REQUEST_ID: REQUEST_ID,
    tag.SIGNAL: r"[A-Za-z0-9_-]{1,64}",
    tag.NUMBER: r"[1-9][0-9]*",
}
SEARCH: Final[Mapping[str, str]] = {
    "id": rf"({ID})?\*|{STORED}\.(signal\.{NAME})?\*",
    "limit": r"[1-9][0-9]?|100",
    "state": "pending|resolved|rejected",
    "cursor": r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    f"tags[{tag.KIND}]": f"{tag.EXECUTION}|{tag.CHILD}",
    f"tags[{tag.EXECUTION}]": ID,
    f"tags[{tag.ROOT}]": ID,
    f"tags[{tag.AWAITS}]": r"[A-Za-z0-9_-]{1,64}",
    f"tags[{tag.SIGNAL}]": r"[A-Za-z0-9_-]{1,64}",
}
REFERENCE: Final[Mapping[str, str]] = {
    "value-id": OWNED,
    "value-bytes": r"[1-9][0-9]*",
    "value-sha256": FINGERPRINT,
}
HEADERS: Final[Mapping[str, str]] = {
    "host": r"127\.0\.0\.1:\d+",
    "accept-encoding": "identity",
    "accept": "application/json",
    "content-type": "application/json",
    "content-length": r"\d+",
    "connection": "keep-alive",
    "user-agent": r"[!-~]+",
    "idempotency-key": "|".join(
        (
            FINGERPRINT,
            REQUEST,
            rf"(cancel-)?{ID}(\.webhook|\.signal\.[\w-]+{NUMBERED})?",
            rf"={ID}\.signal\.[\w-]+\.key={FINGERPRINT}",
            STORED_VALUE,
        )
    ),
    "strict": "true",
}


def fits(grammar: str, value: object) -> None:
    """Check that a value is of a grammar, from its first character to its last."""
    assert re.fullmatch(grammar, str(value), re.ASCII), (grammar, value)


def each_fits(grammars: Mapping[str, str], values: Mapping[str, object]) -> None:
    """Check that each value is known and of its grammar."""
    for name, value in values.items():
        assert name in grammars, name
        fits(grammars[name], value)


def check(call: Seen) -> None:
    """Check one call of a gateway: its route, its headers, and all that is in its body."""
    each_fits(HEADERS, call.headers)
    url = urlsplit(call.path)
    route, _, rest = url.path.removeprefix("/").partition("/")
    body: Any = orjson.loads(call.body) if call.body else None
    match call.method, route, rest:
        case "GET", "ping", "":
            assert (body, url.query) == (None, "")
        case "GET", "promises", "":
            search(dict(parse_qsl(url.query, strict_parsing=True, keep_blank_values=True)))
        case "GET", "promises", id:
            fits(rf"{PROMISE}|{STORED_VALUE}", unquote(id))
            assert (body, url.query) == (None, "")
        case "POST", "promises", "":
            create(body)
        case "PATCH", "promises", id:
            fits(rf"{PROMISE}|{STORED_VALUE}", unquote(id))
            fits("RESOLVED|REJECTED_CANCELED", body.pop("state"))
            value(body.pop("value"))
            assert body == {}
        case "POST", "promises", subscribed:
            fits(rf"subscribe/{ID}", unquote(subscribed))
            fits(rf"{HEX}\.{ID}", body.pop("Id"))
            fits(ID, body.pop("promiseId"))
            fits(MILLISECONDS, body.pop("timeout"))
            fits(rf"poll://uni@gateway/{HEX}", body.pop("recv"))
            assert body == {}
        case "POST", "tasks", "claim":
            fits(rf"__\w+:({ID}|{STORED})", body["id"])
            assert body["counter"] == -1
        case "POST", "locks", "acquire":
            fits(rf"ready\.{HEX}", body["resourceId"])
        case _:
            raise AssertionError(call)


def search(query: dict[str, str]) -> None:
    """Check a search, and the one that is in its cursor."""
    each_fits(SEARCH, query)
    assert ("id" in query) is ("cursor" not in query)
    if "cursor" in query:
        payload = query["cursor"].split(".")[1]
        inner = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["Next"]
        assert 1 <= inner["sortId"] < 2**63, inner
        assert 1 <= inner["limit"] <= 100, inner
        fits(SEARCH["id"], inner["id"])
        each_fits({k[5:-1]: v for k, v in SEARCH.items() if k.startswith("tags")}, inner["tags"])


def create(body: Any) -> None:
    """Check the creation of an execution, a webhook, a signal, its key or a large value."""
    if body["id"].startswith("="):
        fits(STORED_VALUE, body.pop("id"))
        fits(NEVER, body.pop("timeout"))
        assert body.pop("tags") == {}
        value(body.pop("param"))
        assert body == {}
        return
    fits(PROMISE, body.pop("id"))
    fits(MILLISECONDS, body.pop("timeout"))
    each_fits(TAGS, body.pop("tags"))
    value(body.pop("param"))
    assert body == {}


def value(stored: Any) -> None:
    """Check a stored value: a call, a reason, or the text of a signal's JSON, all encoded by us.

    A large one is a reference.
    """
    assert set(stored) <= {"data", "headers"}
    if stored.get("headers"):
        each_fits(REFERENCE, stored["headers"])
        assert "data" not in stored
        return
    if not stored.get("data"):
        return
    match orjson.loads(base64.b64decode(stored["data"], validate=True)):
        case {"func": str(function), "args": [str(given)], "kwargs": {}, "version": int(), **more}:
            fits(FUNCTIONS, function)
            orjson.loads(given)
            assert not more
        case {"reason": str(reason), **more}:
            assert len(reason) <= 1024
            assert not more
        case str(given):
            orjson.loads(given)
        case [str(digest), int(number)]:  # the record of a key
            fits(FINGERPRINT, digest)
            assert number >= 1
        case int(number):
            assert number >= 1
        case other:
            raise AssertionError(other)
