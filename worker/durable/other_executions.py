"""Waiting for an execution that is none of one's own children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resonate.conventions import Base
from resonate.coroutine import RFI
from resonate.options import Options

from durable_http.commands import Command
from worker.errors import Fenced

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True)
class AwaitExecution(Command):
    """Wait for the end of an execution that was begun with this idempotency key, for `seconds`.

    It is no part of the execution that waits. The outcome is None, however the other has ended.
    """

    id: str
    key: str
    seconds: float


class IgnoringEncoder:
    """An encoder for a promise whose value is not needed."""

    def encode(self, obj: object) -> str | None:  # noqa: ARG002 - the SDK's protocol
        return None

    def decode(self, obj: str | None) -> object:  # noqa: ARG002 - the SDK's protocol
        return None


def await_execution(id: str, key: str, seconds: float) -> Generator[Any, Any]:
    """Yield the SDK's commands for an `AwaitExecution`."""
    promise: RFI[Any] = RFI(Base(id, seconds, key), Options(encoder=IgnoringEncoder()))
    try:
        yield (yield promise)
    except Fenced:
        raise
    except Exception:  # noqa: BLE001, S110 - what the SDK makes of an execution that has failed
        pass
