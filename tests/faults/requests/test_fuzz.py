"""Any request at all: no answer is a failure of the service's own, and the server lives on."""

from __future__ import annotations

import base64
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.processes import call
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

EXAMPLES: Final = 1500
"""Requests of each test; five seconds' worth."""

ENDED: Final = "fuzz-ended"
WORDS: Final = (
    *("id", "function", "timeout", "delay", "callback", "wait", "include", "raise"),
    *("name", "status", "version", "prefix", "limit", "cursor", "Id", "id[]", ""),
)
HEADERS: Final = (
    *("Idempotency-Key", "Prefer", "Last-Event-ID", "If-None-Match", "traceparent"),
    *("X-Request-Id", "Origin", "Host", "Sec-Fetch-Site", "Authorization", "Content-Encoding"),
    *("Content-Type", "Expect", "Range", "Accept", "Connection", "Access-Control-Request-Method"),
)
PATHS: Final = (
    *("/begin", "/wait", "/result", "/events", "/cancel", "/signal", "/list"),
    *("/workers", "/healthz", "/readyz", "/", "/docs", "/openapi.json", "/nope", "//"),
    *("/begin/", "/docs/../"),
)
GOOD: Final = (
    *(ENDED, "fuzz-new", "a", "0", "1", "-1", "50", "200", "201", "1s", "0s", "P1D", "365d"),
    *("foo", "checkout", "approval", "pending", "canceled", "input,steps", "steps", "wait=0"),
    *("https://93.184.216.34/", "http://localhost/", "http://[::1]:0/", "0-0-0", "1-2-3", "*"),
    *(f"00-{'a' * 32}-{'b' * 16}-01", "gzip", "application/json", "100-continue", "null", ""),
    *("%", "_", "fuzz%", "fuzz_ended", "../tasks/claim/__invoke:x/1", "\0", "\r\nX: y", "é" * 200),
)
SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "%", "*", ENDED, "pending", "PENDING", "foo"])
)
JSON: Final = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["pace", "fail", "reason"]), inner)
    ),
    max_leaves=12,
)


def encoded(value: Any) -> bytes:
    """Return a value as JSON, or as bytes that are close to it."""
    with contextlib.suppress(TypeError):
        return orjson.dumps(value)
    return repr(value).encode("utf-8", "surrogatepass")


SEARCHES: Final = st.fixed_dictionaries(
    {},
    optional={
        "id": SCALARS,
        "limit": SCALARS,
        "sortId": SCALARS,
        "tags": JSON,
        "states": JSON,
    },
)
CURSORS: Final = st.one_of(
    # The service's own, with every field changed and left out.
    st.tuples(SCALARS, SCALARS, SCALARS, SCALARS).map(list),
    st.lists(SCALARS, max_size=6),
    st.just([1, None, None, ""]),
    st.builds(lambda last: [last, None, None, ""], st.integers(-2, 2**64)),
    # The server's, of which it trusts every field.
    st.builds(lambda search: {"Next": search}, SEARCHES | st.none()),
    JSON,
).map(lambda value: base64.urlsafe_b64encode(encoded(value)).decode())
TEXTS: Final = (
    st.sampled_from(GOOD)
    | st.text(max_size=40)
    | CURSORS
    | CURSORS.map(lambda text: f"eyJhbGciOiJIUzI1NiJ9.{text.rstrip('=')}.{text[:43]}")
)
BODIES: Final = st.just(b"") | JSON.map(encoded) | st.binary(max_size=60)


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a gateway and its server, without workers, with an execution that has ended."""
    with running_stack(tmp_path_factory.mktemp("fuzz"), workers=0) as stack:
        stack.begin(ENDED)
        for n in range(3):
            stack.begin(f"{ENDED}-{n}")
        assert call(f"{stack.url}/cancel?id={ENDED}", "POST").status == 200
        pids = (stack.server.pid, stack.gateways["gateway"].pid)
        yield stack
        assert stack.gateways["gateway"].running()
        assert (stack.server.pid, stack.gateways["gateway"].pid) == pids


def answer_to(url: str, sent: bytes) -> tuple[int, bytes]:
    """Send a request; return the status and the head of its answer, which must come."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=10) as connection:
        connection.sendall(sent)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                break
            head += more
    assert head.startswith(b"HTTP/1."), head
    return int(head.split()[1]), head.partition(b"\r\n\r\n")[0].lower()


def check(stack: Stack, sent: bytes) -> None:
    """Check that a request is answered, with no failure but a workflow's, and the server lives."""
    status, head = answer_to(stack.url, sent)
    assert status < 500 or b"error-source: workflow" in head, (status, sent)
    assert stack.server.child is not None
    assert stack.server.child.poll() is None, sent


def written(
    line: tuple[str, str], query: list[tuple[str, str]], headers: list[tuple[str, str]], body: bytes
) -> bytes:
    """Return a request; a header's value has no line break, which would be another request."""
    method, path = line
    text = "&".join(
        f"{quote(k, safe='[]')}={quote(v.encode('utf-8', 'replace'))}" for k, v in query
    )
    lines = [f"{method} {path}?{text} HTTP/1.1"]
    names = {name for name, _ in headers}
    if "Host" not in names:
        lines.append("Host: localhost")
    if "Content-Type" not in names:
        lines.append("Content-Type: application/json")
    for name, value in headers:
        raw = value.encode("utf-8", "replace").decode("latin-1")
        lines.append(f"{name}: {''.join(each for each in raw if each >= ' ' and each != chr(127))}")
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


FUZZ: Final = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@FUZZ
@given(
    line=st.tuples(
        st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"]), st.sampled_from(PATHS)
    ),
    query=st.lists(st.tuples(st.sampled_from(WORDS), TEXTS), max_size=4),
    headers=st.lists(st.tuples(st.sampled_from(HEADERS), TEXTS), max_size=3),
    body=BODIES,
)
def test_any_request_is_answered(
    service: Stack,
    line: tuple[str, str],
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Parameters, headers and bodies of any kind, anywhere."""
    check(service, written(line, query, headers, body))


@FUZZ
@given(cursor=CURSORS | TEXTS, also=st.lists(st.sampled_from(["prefix", "limit"]), max_size=1))
def test_any_cursor_is_answered(service: Stack, cursor: str, also: list[str]) -> None:
    """Cursors with every field changed and left out: the service's own and the server's."""
    query = [("cursor", cursor), *((name, "1") for name in also)]
    check(service, written(("GET", "/list"), query, [], b""))


ROUTES: Final = {
    ("POST", "/begin"): ("id", "function", "timeout", "delay", "callback"),
    ("GET", "/wait"): ("id", "include", "raise", "wait"),
    ("GET", "/result"): ("id",),
    ("GET", "/events"): ("id",),
    ("POST", "/cancel"): ("id",),
    ("POST", "/signal"): ("id", "name"),
    ("GET", "/list"): ("status", "function", "version", "prefix", "limit"),
}
"""Each route with its parameters, for requests of which all but one value is right."""

RIGHT: Final = {"id": ENDED, "function": "foo", "name": "a", "raise": "1", "wait": "0s"} | (
    {"include": "steps", "limit": "2", "prefix": "fuzz", "status": "pending", "version": "1"}
)


@FUZZ
@given(data=st.data(), route=st.sampled_from(list(ROUTES)), value=TEXTS, body=BODIES)
def test_one_wrong_value_is_answered(
    service: Stack, data: st.DataObject, route: tuple[str, str], value: str, body: bytes
) -> None:
    """Requests that would be served but for one parameter or header."""
    wrong = data.draw(st.sampled_from([*ROUTES[route], *HEADERS]))
    query = {name: RIGHT[name] for name in ROUTES[route] if name in RIGHT}
    if wrong in HEADERS:
        check(service, written(route, list(query.items()), [(wrong, value)], body))
    else:
        check(service, written(route, list({**query, wrong: value}.items()), [], body))
