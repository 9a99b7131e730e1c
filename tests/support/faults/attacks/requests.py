"""Requests that ask for what they must not get, or say what cannot be meant."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from shared.resonate.cursors import KEY
from tests.support.faults.attacks.attack import Attack
from tests.support.faults.attacks.client import Broken
from tests.support.gateway.hostile import HOSTILE
from tests.support.gateway.raw import posted, request

if TYPE_CHECKING:
    from tests.support.faults.attacks.attack import Bout

MIB: Final = 1024 * 1024
MAX_BODY: Final = MIB
"""Bytes of the largest body that a gateway takes by default."""


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _of_the_server(search: object) -> str:
    """Return a cursor of the server's own, signed with its key, which is public."""
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded({'Next': search})}"
    digest = hmac.digest(KEY, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


_SEARCH: Final[dict[str, Any]] = {
    "id": "*",
    "states": ["PENDING"],
    "tags": {},
    "limit": 1,
    "sortId": 5,
}
_SEARCHES: Final[list[Any]] = [
    None,
    *({**_SEARCH, "limit": limit} for limit in (0, -1, None, 10**6)),
    *({**_SEARCH, "id": id} for id in ("", None, "%")),
    *({key: value for key, value in _SEARCH.items() if key != left} for left in _SEARCH),
]
_ODD: Final[list[Any]] = [0, -1, 1.5, True, None, "5", [], {}, 2**63]
CURSORS: Final = (
    *map(_of_the_server, _SEARCHES),
    *(_encoded([_of_the_server(search), None, None, ""]) for search in _SEARCHES),
    *(_encoded([position, None, None, ""]) for position in _ODD),
    *("x", "e" * 4000, "%FF", _encoded({"id": "%", "tags": {}})),
)
"""Some of these would end the server's process."""


def cursors(bout: Bout) -> None:
    """Continue lists from cursors that were made by hand."""
    for cursor in bout.random.sample(CURSORS, 10):
        bout.call(f"/list?limit=1&cursor={cursor}", expect={400})


PAGES: Final = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example:5001"},
)


def pages(bout: Bout) -> None:
    """Do what a foreign web page could have a browser do."""
    (id,) = bout.ids(1)
    bout.begin(id, "approval", {"within": "5s"})
    for headers in PAGES:
        for path in (f"/begin?id={id}-new", f"/cancel?id={id}", f"/signal?id={id}&name=approval"):
            bout.call(path, "POST", b"", expect={403}, headers=headers)
        bout.call("/list", expect={403}, headers=headers)
    bout.call(f"/wait?id={id}-new", expect={404})
    bout.ended(id, 20)


NO_HTTP: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    b"\0" * 2000,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    request("GET / HTTP/1.1", *(f"X-{n}: x" for n in range(10_000))),
    request("GET / HTTP/1.1", "X: " + "x" * 100_000),
    posted("/begin", "Content-Length: 2", "Content-Length: 3", body=b"{}"),
    posted("/begin", "Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    posted("/begin", "Transfer-Encoding: chunked", body=b"ffffffffffffffff\r\n"),
    posted("/begin", "Content-Length: -1"),
)
ROUTES: Final = ("GET /wait", "GET /result", "GET /events", "POST /cancel", "POST /signal?name=a")


def odd_requests(bout: Bout) -> None:
    """Send ids that are none, and bytes that are no HTTP."""
    for query in bout.random.sample(HOSTILE, 25):
        route = bout.random.choice(ROUTES)
        mark = "&" if "?" in route else "?"
        bout.exchange(request(f"{route}{mark}{query} HTTP/1.1"), expect={400, 404, 414, 431})
    for sent in bout.random.sample(NO_HTTP, 4):
        bout.exchange(sent, expect={400, 405, 414, 431, 501})


def odd_bodies(bout: Bout) -> None:
    """Begin with byte order marks, surrogates, huge numbers, repeated keys and no JSON at all."""
    answers = {
        b"\xef\xbb\xbf{}": {200, 202},
        b"\xff\xfe{\0}\0": {400},
        b'"\\ud800"': {202, 400},
        b'{"a":1,"a":2}': {400},
        b"1e400": {202, 400},
        b"NaN": {400},
        b"9" * 5000: {400},
        b"\xff" * 100: {400},
        b"[" * 100_000: {400},
    }
    for n, (body, expected) in enumerate(answers.items()):
        bout.call(f"/begin?id={bout.prefix}-{n}", "POST", body, expect=expected)
    bout.call("/events?id=missing", expect={404}, headers={"Last-Event-ID": ""})


FLAT: Final = b"[" + b",".join([b"[]"] * (MIB // 3 - 10)) + b"]"
NESTED: Final = b"[" + b",".join([b"[" * 60 + b"]" * 60] * (MIB // 121 - 10)) + b"]"


def nested_bodies(bout: Bout) -> None:
    """Begin with bodies of 1 MiB that are all brackets, four at once, and a small one beside."""

    def send(id: str, body: bytes) -> None:
        bout.call(f"/begin?id={id}", "POST", body, expect={202, 400})

    bodies = (FLAT, NESTED, NESTED, b"[" * (MIB - 1), b'{"pad":"' + b"x" * 70_000 + b'"}')
    bout.at_once(*(partial(send, id, body) for id, body in zip(bout.ids(5), bodies, strict=True)))


def repeated_ids(bout: Bout) -> None:
    """Begin one id 16 times at once, and then with another input; one of them makes it."""
    (id,) = bout.ids(1)
    begin = partial(bout.call, f"/begin?id={id}", "POST", b'{"n":1}', expect={200, 202})
    answers = [answer for answer in bout.at_once(*[begin] * 16) if answer is not None]
    created = sum(bool(answer.body.get("created")) for answer in answers)
    if created > 1:
        raise Broken(f"{id} was created {created} times")
    if created:
        bout.call(f"/begin?id={id}", "POST", b'{"n":2}', expect={422})


def signals(bout: Bout) -> None:
    """Signal what does not wait, twice and differently, with large values and wrong names."""
    (id,) = bout.ids(1)
    bout.begin(id, "approval", {"within": "3s"})
    for name in ("a", "b", "c"):
        path = f"/signal?id={id}&name={name}"
        for value in (b"1", b"1", b"2"):
            bout.call(path, "POST", value, expect={200, 202, 409})
    large = b'"' + b"x" * (MAX_BODY - 2) + b'"'
    bout.call(f"/signal?id={id}&name=large", "POST", large, expect={202, 409, 413})
    bout.call(f"/signal?id={id}&name=a.b", "POST", b"1", expect={400})
    bout.ended(id, 30)


ATTACKS: Final = (
    Attack("cursors", 4, cursors),
    Attack("pages", 10, pages),
    Attack("odd-requests", 5, odd_requests),
    Attack("odd-bodies", 8, odd_bodies),
    Attack("nested-bodies", 15, nested_bodies),
    Attack("repeated-ids", 10, repeated_ids),
    Attack("signals", 10, signals),
)
