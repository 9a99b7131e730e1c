"""One connection at the port for workers, whoever has made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gateway.presence import connection
from shared.presence import (
    LINE_BYTES,
    MOST_CLAIMS,
    MOST_OFFERS,
    Bye,
    Claimed,
    Offers,
    Welcome,
    line_of,
)
from tests.support.gateway.client import until
from tests.support.gateway.presence import PresencePort, Released, hello_of, reason_of

if TYPE_CHECKING:
    from structlog.typing import EventDict

HELLO: Final = line_of(hello_of("a"))

DEEP: Final = b'["hello","s","w","p","worker",1,1,{},' + b"[" * 100_000
"""A greeting with a further part that is nested deeply."""

NO_GREETINGS: Final = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n", "not understood"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "not understood"),
    "an empty line": (b"\n", "not understood"),
    "no array": (b'{"hello":"x"}\n', "not understood"),
    "an unknown kind": (b'["' + b"x" * 10_000 + b'"]\n', "not understood"),
    "too few parts": (b'["hello","s"]\n', "not understood"),
    "wrong types": (b'["hello",1,2,3,4,5,6,7]\n', "not understood"),
    "a long text": (b'["hello","' + b"s" * 2000 + b'","w","p","g",1,1,{}]\n', "not understood"),
    "a negative number": (b'["hello","s","w","p","g",-1,1,{}]\n', "not understood"),
    "a large number": (b'["hello","s","w","p","g",' + b"9" * 30 + b",1,{}]\n", "not understood"),
    "no UTF-8": (b'["hello","\xff","w","p","g",1,1,{}]\n', "not understood"),
    "half a character": (b'["hello","\\ud800","w","p","g",1,1,{}]\n', "not understood"),
    "deep JSON": (DEEP + b"\n", "not understood"),
    "nothing but depth": (b"[" * 100_000 + b"\n", "not understood"),
    "a line without end": (b"x" * (LINE_BYTES + 1), "not understood"),
    "another secret": (line_of(hello_of("a", "secret-of-another")), "another secret"),
    "no secret": (line_of(hello_of("a", "")), "another secret"),
    "no greeting": (line_of(Claimed("t", 1, "job")), "no greeting"),
    "goodbye": (line_of(Bye()), "no greeting"),
}


async def test_a_worker_is_welcome(port: PresencePort) -> None:
    """Who knows the secret hears which gateway it is, and is known from then on."""
    peer = await port.connect(HELLO)

    assert await peer.heard() == Welcome("gateway-1", list(port.listener.ports))
    assert [worker.hello for worker in port.workers] == [hello_of("a")]


async def test_messages_may_come_in_any_pieces(port: PresencePort) -> None:
    """What is said is the same byte by byte, and all at once."""
    said = HELLO + line_of(Claimed("t", 1, "jöb")) + line_of(Offers([("o", 1)], []))
    slow = await port.connect()
    for byte in said:
        await slow.send(bytes([byte]))
    await until(lambda: port.held("a") == ({("t", 1)}, {("o", 1)}))

    await port.connect(said.replace(b'"a"', b'"b"'))

    await until(lambda: port.held("b") == ({("t", 1)}, {("o", 1)}))


@pytest.mark.parametrize("case", NO_GREETINGS)
async def test_who_does_not_greet_is_refused(
    port: PresencePort, released: Released, log: list[EventDict], case: str
) -> None:
    """The connection is ended with a reason, which is logged; nobody is known, nothing released."""
    sent, reason = NO_GREETINGS[case]

    peer = await port.connect(sent)

    assert reason_of(await peer.ended()).startswith(reason)
    await port.settle()
    assert port.known("a") is None
    assert released.calls == [([], [])]  # of the worker that settles
    (line,) = [line for line in log if line["event"] == "presence connections refused"]
    assert line["reason"] == reason
    assert line["peer"] == str(peer.writer.get_extra_info("sockname"))
    assert len(str(line)) < 600
    assert [each for each in log if each.get("log_level") == "error"] == []


async def test_a_secret_is_never_logged(port: PresencePort, log: list[EventDict]) -> None:
    """Nor is one that was wrong, which may be right elsewhere."""
    for secret in ("wrong-secret", "wrong-secret\ud7ff"):
        peer = await port.connect(line_of(hello_of("a", secret)))
        assert "wrong-secret" not in reason_of(await peer.ended())

    assert "wrong-secret" not in str(log)


@pytest.mark.parametrize("sent", [b"", HELLO[:-1]], ids=["silent", "a part of a greeting"])
async def test_who_does_not_greet_in_time_is_refused(
    port: PresencePort, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """A greeting that does not come, or does not end, is waited for only so long."""
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.2)

    peer = await port.connect(sent)

    assert reason_of(await peer.ended(2)) == "no greeting"


async def test_a_worker_that_has_greeted_may_be_silent(
    port: PresencePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for a greeting does not end the connection of a worker with nothing to say."""
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.1)
    worker = await port.greet("a")
    slower = await port.connect()

    assert reason_of(await slower.ended(2)) == "no greeting"

    await worker.say(Claimed("t", 1, "job"))
    await until(lambda: port.held("a")[0] == {("t", 1)})


BAD: Final = {
    "a second greeting": (HELLO, "a second greeting"),
    "garbage": (b"\x00\xff\n", "not understood"),
    "deep JSON": (b'["bye",' + b"[" * 100_000 + b"\n", "not understood"),
    "a line without end": (b"[" * (LINE_BYTES + 1), "not understood"),
    "too many claims": (
        b"".join(line_of(Claimed("t", number, "job")) for number in range(MOST_CLAIMS + 1)),
        "more than 4096 claims",
    ),
    "too many offers": (
        b"".join(line_of(Offers([("o", number)], [])) for number in range(MOST_OFFERS + 1)),
        "more than 4096 offers",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_worker_that_is_refused_is_not_dead(
    port: PresencePort, released: Released, case: str
) -> None:
    """What a worker holds that says what no worker says is left to its leases."""
    sent, reason = BAD[case]
    peer = await port.greet("a", Claimed("held", 1, "job"))

    await peer.send(sent)

    assert reason_of(await peer.ended()).startswith(reason)
    await until(lambda: port.known("a") is None)
    await port.settle()
    assert released.calls == [([], [])]


async def test_what_follows_a_refusal_or_a_goodbye_is_not_heard(
    port: PresencePort, released: Released, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that is over changes nothing, even in the same piece of data."""
    for refused in (b"x\n", line_of(hello_of("a", "secret-of-another"))):
        assert reason_of(await (await port.connect(refused + HELLO)).ended())
        assert port.known("a") is None

    peer = await port.greet("b", Claimed("t", 1, "job"))
    await peer.send(line_of(Bye()) + b"x\n")

    assert await peer.ended() == b""
    await port.settle()
    assert released.calls == [([], [])]
    assert caplog.records == []  # no error of the loop


async def test_a_worker_that_says_goodbye_is_not_dead(
    port: PresencePort, released: Released
) -> None:
    """Whatever it holds then was handed back, or is left to its leases."""
    peer = await port.greet("a", Claimed("t", 1, "job"), Bye())

    assert await peer.ended() == b""
    await until(lambda: port.known("a") is None)
    await port.settle()
    assert released.calls == [([], [])]
