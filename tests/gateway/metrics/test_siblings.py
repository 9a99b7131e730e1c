"""How processes of one gateway ask each other, whatever the others answer."""

from __future__ import annotations

import asyncio
import contextlib
import math
import tempfile
from typing import TYPE_CHECKING

import pytest

from gateway.metrics import siblings
from gateway.metrics.scrapes import Scrapes
from gateway.metrics.siblings import Siblings, decode, encode, merged, sockets_directory
from shared.metrics import Meter, exposition
from tests.support.metrics import Scraped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from prometheus_client.metrics_core import Metric


def meter_of(count: int) -> Meter:
    """Return the metrics of a process that has counted so much."""
    meter = Meter()
    meter.counts("asked_total", "Questions.", "by").of("me").inc(count)
    meter.distribution("taken_seconds", "Time.", (1.0,)).observe(count)
    meter.read_gauge("is_so", "A truth.", lambda: True)
    meter.read_gauges("odd", "Odd numbers.", "kind", lambda: {"nan": math.nan, "inf": -math.inf})
    return meter


@contextlib.asynccontextmanager
async def answering(sockets: Path, number: int, answer: bytes, pause: float) -> AsyncIterator[None]:
    """Play a process that answers this, after a pause."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            await asyncio.sleep(pause)
            writer.write(answer)
            await writer.drain()

    server = await asyncio.start_unix_server(handle, f"{sockets}/{number}")
    try:
        yield
    finally:
        server.close()


def test_metrics_go_there_and_back() -> None:
    """What one process sends is what the other one reads, also numbers that JSON has not."""
    sent = meter_of(3).collect()
    read = decode(encode(sent))

    assert str(read) == str(sent).replace("value=True", "value=1.0")


@pytest.mark.parametrize("is_open", [False, True])
def test_processes_are_told_apart(is_open: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """One answer has all processes, each with its number, and says who is missing."""
    both: dict[int, list[Metric] | None] = {
        2: decode(encode(meter_of(5).collect())),
        1: meter_of(3).collect(),
        3: None,
    }
    content_type, text = exposition(merged(both), is_open)
    found = Scraped.read(text.decode(), content_type)

    assert found.value("asked_total", process="1", by="me") == 3
    assert found.value("asked_total", process="2") == 5
    assert found.value("taken_seconds_bucket", le="+Inf") == 2
    up = {labels["process"]: n for labels, n in found.samples("durable_http_gateway_process_up")}
    assert up == {"1": 1, "2": 1, "3": 0}


async def test_two_processes_ask_each_other(tmp_path: Path) -> None:
    """Each gets what the other has; one that has ended is missing, and leaves no socket."""
    first, second = (Siblings(str(tmp_path / "s"), number, 2) for number in (1, 2))

    async def encoded(count: int) -> bytes:
        return encode(meter_of(count).collect())

    await first.start(lambda: encoded(3))
    await second.start(lambda: encoded(5))
    found = (await first.others(), await second.others())
    second.close()
    after = await first.others()
    first.close()

    assert [str(each) for each in found] == [
        str({2: decode(encode(meter_of(5).collect()))}),
        str({1: decode(encode(meter_of(3).collect()))}),
    ]
    assert after == {2: None}
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (b"", 0),
        (b"\xc1", 0),
        (b"x" * (siblings.MOST_BYTES + 1), 0),
        (encode([])[:-1] + b"\x91\x01", 0),
        (encode(meter_of(1).collect())[:-5], 0),
        (encode([]), 60),
    ],
    ids=["nothing", "garbage", "too much", "another shape", "half", "frozen"],
)
async def test_an_answer_that_is_none(
    tmp_path: Path, answer: bytes, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that answers nonsense, too much or not at all is missing, and the rest is there."""
    monkeypatch.setattr(siblings, "ANSWER_SECONDS", 0.3 if pause else 5.0)
    asking = Siblings(str(tmp_path), 1, 3)
    async with (
        answering(tmp_path, 2, answer, pause),
        answering(tmp_path, 3, encode(meter_of(7).collect()), 0),
    ):
        others = await asking.others()

    assert others[2] is None
    assert str(others[3]) == str(decode(encode(meter_of(7).collect())))


async def test_who_asks_at_one_time_shares_the_answers(tmp_path: Path) -> None:
    """However many ask, another process encodes its metrics once; who asks later gets new ones."""
    asked: list[int] = []

    async def encoded() -> bytes:
        asked.append(1)
        return encode(meter_of(len(asked)).collect())

    other, own, scrapes = *(Siblings(str(tmp_path), n, 2) for n in (2, 1)), Scrapes(Meter())
    await other.start(encoded)
    await scrapes.join(own)
    found = await asyncio.gather(*(scrapes.others() for _ in range(50)), scrapes.read(""))
    later = await scrapes.others()
    other.close()
    own.close()

    assert len(asked) == 2
    assert {str(each) for each in found[:-1]} == {str([decode(encode(meter_of(1).collect()))])}
    assert str(later) == str([decode(encode(meter_of(2).collect()))])


async def test_without_a_directory_nobody_is_asked() -> None:
    """A machine that has no room for sockets serves all the same."""
    alone = Siblings("", 1, 2)

    async def nothing() -> bytes:
        raise AssertionError

    await alone.start(nothing)
    assert await alone.others() == {2: None}
    alone.close()


def test_the_directory_is_for_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else can ask, and a machine without room for it yields no path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with sockets_directory() as path:
        (made,) = tmp_path.iterdir()
        assert (str(made), made.stat().st_mode & 0o777) == (path, 0o700)
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with sockets_directory() as path:
        assert path == ""
