"""Lines for a reader that may be slow, absent or back again."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tools.run.line_writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = b"x" * 99 + b"\n"


@pytest.fixture(name="pipe")
def _pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_a_reader_that_takes_nothing_stops_nobody(pipe: tuple[int, int]) -> None:
    """Once the pipe is full lines are dropped at once, and counted for the reader that comes."""
    reading, writing = pipe
    writer = LineWriter(writing)

    began = time.monotonic()
    for _ in range(5000):
        writer.write(LINE)
    took = time.monotonic() - began
    unread = os.read(reading, 1 << 20)
    writer.write(b"later\n")
    rest = os.read(reading, 1 << 20)

    written = unread.count(b"\n")
    assert took < 30
    assert unread == LINE * written
    assert rest == b"%d lines dropped: nobody read them\nlater\n" % (5000 - written)


def test_a_slow_reader_gets_every_line(pipe: tuple[int, int]) -> None:
    """A reader that takes its time, but reads, misses nothing."""
    reading, writing = pipe
    writer = LineWriter(writing)
    taken = bytearray()

    def read() -> None:
        while taken.count(b"\n") < 3000:
            time.sleep(0.002)
            taken.extend(os.read(reading, 20_000))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3000):
        writer.write(LINE)
    reader.join(20)

    assert bytes(taken) == LINE * 3000


def test_a_file_takes_everything(tmp_path: Path) -> None:
    """Lines for a file are all written, however long they are."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        writer = LineWriter(file.fileno())
        for _ in range(100):
            writer.write(b"y" * 100_000 + b"\n")

    assert path.stat().st_size == 100 * 100_001
