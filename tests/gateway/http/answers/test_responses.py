"""The body of a large answer, before and after it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from gateway.http.answers.responses import LargeBody
from gateway.http.budgets import PIECE, AnswerBudget

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

TEXT = "é" * PIECE


class Writer:
    """Takes what is written, as a connection does."""

    transport = None

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, chunk: memoryview) -> None:
        self.pieces.append(bytes(chunk))

    async def drain(self) -> None:
        """Take everything at once."""


def body() -> LargeBody:
    """Return a body that is sent in several pieces."""
    raw = TEXT.encode()
    held = AnswerBudget(len(raw)).hold("text", len(raw))
    held.set(raw)
    return LargeBody(held, 30)


async def sent(large: LargeBody) -> list[bytes]:
    """Send the body, and return its pieces."""
    writer = Writer()
    await large.write(cast("AbstractStreamWriter", writer))
    return writer.pieces


async def test_it_is_sent_in_pieces() -> None:
    """All bytes arrive, none of the pieces larger than what a connection may hold."""
    pieces = await sent(body())

    assert b"".join(pieces).decode() == TEXT
    assert [len(piece) for piece in pieces] == [PIECE, PIECE]


async def test_it_can_be_read_as_text_until_it_is_sent() -> None:
    """Whoever looks at an answer gets its text, and an error once it is let go."""
    large = body()
    assert large.size == len(TEXT.encode())
    assert large.decode() == TEXT

    await sent(large)

    with pytest.raises(RuntimeError, match="sent once"):
        large.decode()


async def test_it_is_sent_once() -> None:
    """A second time nothing is left to be sent."""
    large = body()
    await sent(large)

    with pytest.raises(RuntimeError, match="sent once"):
        await sent(large)
