"""The examples of the OpenAPI document are what a service with the shipped functions answers.

Other tests of the product run functions of the tests' own; these belong to the functions that ship.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.openapi.page import TYPES
from gateway.openapi.parts import REQUEST_ID
from gateway.openapi.samples import INPUTS
from gateway.openapi.schemas import TIME
from tests.support.catalog import SHIPPED
from tests.support.gateway.documents import published
from tests.support.ports import free_port
from tests.support.processes import call, wait_until
from tests.support.stack import SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.stack import Stack

TOKEN: Final = "0123456789abcdef"
FAILING: Final = {"pace": 0, "fail": "ship"}
TOO_LARGE: Final = '"' + "x" * 1024 * 1024 + '"'


@dataclass(frozen=True)
class Scene:
    """A request, `{id}` being an execution that has come to `state`, and the gateway it goes to."""

    target: str
    state: str | None = None
    body: Any = None
    gateway: str = "open"
    headers: Mapping[str, str] = field(default_factory=dict)


WAIT, RESULT, CANCEL = "/wait?id={id}", "/result?id={id}", "/cancel?id={id}"
SIGNAL: Final = "/signal?id={id}&name=approval"
PLAIN: Final = {"Content-Type": "text/plain"}

ROUTES: Final = {
    "POST": ("/begin", "/cancel", "/signal"),
    "GET": (
        *("/", "/wait", "/result", "/events", "/list", "/openapi.json", "/docs"),
        *("/workers", "/functions"),
        *(f"/docs/{name}" for name in TYPES),
    ),
}

SCENES: Final = {
    "POST /begin 202 pending": Scene("/begin?id={id}"),
    "POST /begin 200 resolved": Scene("/begin?id={id}", "resolved"),
    "POST /begin 400 invalid-request": Scene("/begin?id=a.b"),
    "POST /begin 404 unknown-function": Scene("/begin?id={id}&function=nope"),
    "POST /begin 413 payload-too-large": Scene("/begin?id={id}", body=TOO_LARGE),
    "POST /begin 415 unsupported-media-type": Scene("/begin?id={id}", body="1", headers=PLAIN),
    "POST /begin 422 invalid-input": Scene("/begin?function=checkout", body={"pace": -1}),
    "POST /begin 422 id-reused": Scene("/begin?id={id}", "resolved", body={"other": True}),
    "POST /begin 503 backend-unavailable": Scene("/begin?id={id}", gateway="alone"),
    "GET /wait 200 pending": Scene(WAIT, "waiting"),
    "GET /wait 200 resolved": Scene(WAIT, "resolved"),
    "GET /wait 200 rejected": Scene(WAIT, "rejected"),
    "GET /wait 200 canceled": Scene(WAIT, "canceled"),
    "GET /wait 200 timedout": Scene(WAIT, "timedout"),
    "GET /wait 400 invalid-request": Scene("/wait"),
    "GET /wait 404 unknown-id": Scene(WAIT),
    "GET /wait 410 execution-canceled": Scene(WAIT + "&raise=1", "canceled"),
    "GET /wait 500 execution-rejected": Scene(WAIT + "&raise=1", "rejected"),
    "GET /wait 503 backend-unavailable": Scene(WAIT, gateway="alone"),
    "GET /wait 504 execution-timedout": Scene(WAIT + "&raise=1", "timedout"),
    "GET /result 200 resolved": Scene(RESULT, "resolved"),
    "GET /result 400 invalid-request": Scene("/result"),
    "GET /result 404 unknown-id": Scene(RESULT),
    "GET /result 410 execution-canceled": Scene(RESULT, "canceled"),
    "GET /result 500 execution-rejected": Scene(RESULT, "rejected"),
    "GET /result 503 backend-unavailable": Scene(RESULT, gateway="alone"),
    "GET /result 504 execution-timedout": Scene(RESULT, "timedout"),
    "POST /cancel 200 canceled": Scene(CANCEL, "waiting"),
    "POST /cancel 400 invalid-request": Scene("/cancel"),
    "POST /cancel 404 unknown-id": Scene(CANCEL),
    "POST /cancel 409 already-done": Scene(CANCEL, "resolved"),
    "POST /cancel 413 payload-too-large": Scene(CANCEL, body=TOO_LARGE),
    "POST /cancel 415 unsupported-media-type": Scene(CANCEL, body="1", headers=PLAIN),
    "POST /cancel 503 backend-unavailable": Scene(CANCEL, gateway="alone"),
    "POST /signal 202 delivered": Scene(SIGNAL, "waiting", body=True),
    "POST /signal 200 delivered": Scene(SIGNAL, "signaled", body=True),
    "POST /signal 400 invalid-request": Scene("/signal?name=approval"),
    "POST /signal 404 unknown-id": Scene(SIGNAL),
    "POST /signal 409 signal-conflict": Scene(SIGNAL, "signaled", body=False),
    "POST /signal 413 payload-too-large": Scene(SIGNAL, body=TOO_LARGE),
    "POST /signal 415 unsupported-media-type": Scene(SIGNAL, body="1", headers=PLAIN),
    "POST /signal 503 backend-unavailable": Scene(SIGNAL, gateway="alone"),
    "GET /list 200 last": Scene("/list?prefix={id}", "resolved"),
    "GET /list 400 invalid-request": Scene("/list?limit=0"),
    "GET /list 404 unknown-function": Scene("/list?function=nope"),
    "GET /list 503 backend-unavailable": Scene("/list", gateway="alone"),
    "GET /healthz 200 ok": Scene("/healthz"),
    "GET /readyz 200 ready": Scene("/readyz"),
    "GET /workers 401 unauthorized": Scene("/workers", gateway="secured"),
    "GET /functions 401 unauthorized": Scene("/functions", gateway="secured"),
    "GET /readyz 200 degraded": Scene("/readyz", gateway="alone"),
    "POST /begin 401 unauthorized": Scene("/begin", gateway="secured"),
    "GET /wait 401 unauthorized": Scene("/wait", gateway="secured"),
    "GET /result 401 unauthorized": Scene("/result", gateway="secured"),
    "GET /events 400 invalid-request": Scene("/events"),
    "GET /events 404 unknown-id": Scene("/events?id={id}"),
    "GET /events 503 backend-unavailable": Scene("/events?id={id}", gateway="alone"),
    "GET /events 401 unauthorized": Scene("/events", gateway="secured"),
    "POST /cancel 401 unauthorized": Scene("/cancel", gateway="secured"),
    "POST /signal 401 unauthorized": Scene("/signal", gateway="secured"),
    "GET /list 401 unauthorized": Scene("/list", gateway="secured"),
    "GET / 401 unauthorized": Scene("/", gateway="secured"),
    **{
        f"{method} {path} 403 forbidden-{what.lower()}": Scene(path, headers={what: value})
        for method, paths in ROUTES.items()
        for path in paths
        for what, value in (("Origin", "https://evil.example"), ("Host", "evil.example"))
    },
}
"""How the answer of each example comes about."""

FULL: Final = {
    "GET /wait 429 too-many-requests",
    "GET /events 429 too-many-requests",
    "POST /begin 429 too-many-requests",
    "POST /begin 503 overloaded",
    "GET /wait 503 overloaded",
    "GET /result 503 overloaded",
    "GET /functions 503 overloaded",
    "POST /cancel 503 overloaded",
    "POST /signal 429 too-many-requests",
    "POST /signal 503 overloaded",
    "POST /begin 500 value-lost",
    "GET /wait 500 value-lost",
    "GET /result 500 value-lost",
}
"""A gateway would have to be filled with clients or bytes, or its store be damaged; other tests do
that."""

OF_OTHERS: Final = {
    *("GET /wait 200 retrying", "GET /wait 200 blocked"),
    *("GET /workers 200 one", "GET /functions 200 one"),
    "GET /readyz 503 backend-unavailable",
}
"""No function that ships is retried for so long, or changed while it runs, and a worker serves more
of them than are shown; tests of retries, of blocks and of workers have other functions. A gateway
that shuts down takes no new connection; the test of /readyz has one that only says so."""


def examples() -> dict[str, Any]:
    """Return every example of an answer by method, path, status and name."""
    return {
        f"{method.upper()} {path} {status} {name}": example["value"]
        for path, methods in published(catalog=SHIPPED)["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        for content in answer.get("content", {}).values()
        for name, example in content.get("examples", {}).items()
    }


def alike(value: Any, id: str) -> Any:
    """Return an answer with its times and ids replaced."""
    text = json.dumps(value).replace(id, "job-1")
    text = re.sub(rf'"{TIME[1:-1]}"', '"time"', text)
    text = re.sub(r'"timestamp": [0-9.]+', '"timestamp": 0', text)
    text = re.sub(r'"request_id": "[0-9a-f]{32}"', f'"request_id": "{REQUEST_ID}"', text)
    return json.loads(text)


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, dict[str, str]]]:
    with running_stack(
        tmp_path_factory.mktemp("examples"), workers=1, modules=SHIPPED_MODULES
    ) as stack:
        wait_until(lambda: call(f"{stack.url}/readyz").body["presence"] == "on", what="the worker")
        nobody = str(free_port())
        yield (
            stack,
            {
                "open": stack.url,
                "secured": stack.add_gateway("secured", GATEWAY_TOKENS=TOKEN),
                "alone": stack.add_gateway("alone", ready=False, RESONATE_PORT_STORE=nobody),
            },
        )


def send(
    url: str, method: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Return status and JSON of an answer; a text is sent as it stands."""
    data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    also = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
    request = urllib.request.Request(url, data, also, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def bring(stack: Stack, id: str, state: str) -> None:
    """Begin an execution, and return once it has come to the state."""
    function, given = {"resolved": ("foo", None), "rejected": ("checkout", FAILING)}.get(
        state, ("approval", INPUTS["approval"])
    )
    timeout = "&timeout=1s" if state == "timedout" else ""
    send(f"{stack.url}/begin?id={id}&function={function}{timeout}", "POST", given)
    if state in {"waiting", "signaled", "canceled"}:
        wait_until(lambda: stack.state(id).get("phase") == "waiting", what="a wait")
    if state == "signaled":
        send(stack.url + SIGNAL.format(id=id), "POST", body=True)
        stack.outcome(id)
    elif state == "canceled":
        send(stack.url + CANCEL.format(id=id), "POST")
    elif state != "waiting":
        assert stack.outcome(id)["status"] == state


def test_every_example_is_met() -> None:
    """Every example of the document has a scene, except for internal errors."""
    internal = {name for name in examples() if name.endswith(" 500 internal")}

    assert set(SCENES) | FULL | OF_OTHERS | internal == set(examples())


@pytest.mark.parametrize("name", SCENES)
def test_an_example_is_what_is_answered(
    service: tuple[Stack, dict[str, str]], job: str, name: str
) -> None:
    """The service answers what the document shows, but for ids and times."""
    stack, gateways = service
    scene = SCENES[name]
    method, _, status, _ = name.split()
    if scene.state is not None:
        bring(stack, job, scene.state)

    url = gateways[scene.gateway] + scene.target.format(id=job)
    answer = send(url, method, scene.body, scene.headers)

    assert (answer[0], alike(answer[1], job)) == (int(status), alike(examples()[name], "job-1"))
