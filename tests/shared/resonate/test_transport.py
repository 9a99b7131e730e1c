"""One call to the server: what is sent, and how its answer reaches the caller."""

from __future__ import annotations

import base64

import pytest

from shared.resonate.transport import Refused, Transport, authorization
from shared.settings import ServerSettings
from tests.support.scripted_server import Answer, as_is, serving, transport_to


def test_a_call_is_sent_as_json() -> None:
    """Method, path, headers and a JSON body reach the server."""
    with serving(Answer(body=b'{"a":[1,null]}')) as server:
        transport = transport_to(server)

        answer = transport.call("PATCH", "/x/y?z=1", {"b": "é"}, {"strict": "true"}, read=as_is)
        transport.close()

    (request,) = server.requests
    assert answer == {"a": [1, None]}
    assert (request.method, request.path, request.body) == (
        "PATCH",
        "/x/y?z=1",
        '{"b":"é"}'.encode(),
    )
    assert (request.headers["Content-Type"], request.headers["strict"]) == (
        "application/json",
        "true",
    )
    assert "Authorization" not in request.headers


def test_headers_are_of_one_call_only() -> None:
    """Headers of one call, such as a fence, are not sent with the next call."""
    with serving() as server:
        transport = transport_to(server)
        transport.call("POST", "/", {}, {"task-id": "t"}, read=as_is)
        transport.call("POST", "/", {}, read=as_is)
        transport.close()

    assert [request.headers.get("task-id") for request in server.requests] == ["t", None]


@pytest.mark.parametrize(("status", "body"), [(200, b"null"), (204, b"{}")])
def test_an_answer_may_be_empty(status: int, body: bytes) -> None:
    """An answer without a body is read as null."""
    with serving(Answer(status, body)) as server:
        transport = transport_to(server)

        assert transport.call("POST", "/", {}, read=lambda answer: [answer]) == [None]
        transport.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422])
def test_a_refusal_has_its_status(status: int) -> None:
    """A refused call is not repeated, and the error has status, code and message."""
    with serving(Answer(status, b'{"error":{"code":%d7,"message":"no"}}' % status)) as server:
        transport = transport_to(server)
        with pytest.raises(Refused) as caught:
            transport.call("GET", "/", read=as_is)
        transport.close()

    refusal = caught.value
    assert (refusal.status, refusal.code, refusal.message) == (status, status * 10 + 7, "no")
    assert str(refusal) == f"{status}/{status}7: no"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("user", "password"), [("somebody", "s3cret"), ("é", "a:b"), ("u" * 60, "p" * 60)]
)
def test_a_user_makes_a_header(user: str, password: str) -> None:
    """With a user in the settings the header for basic authentication is one line."""
    settings = ServerSettings(username=user, password=password)

    scheme, token = authorization(settings)["Authorization"].split(" ")

    assert (scheme, base64.b64decode(token).decode()) == ("Basic", f"{user}:{password}")


def test_the_user_reaches_the_server() -> None:
    """The header for authentication is sent with the others, and only with a user."""
    with serving() as server:
        address = ServerSettings("http://127.0.0.1", server.server_port, 0, "u", "p")
        transport = Transport(address, attempt=5, budget=5)
        transport.call("GET", "/", None, {"h": "v"}, read=as_is)
        transport.close()

    assert server.requests[0].headers["Authorization"] == "Basic dTpw"
    assert authorization(ServerSettings()) == {}
