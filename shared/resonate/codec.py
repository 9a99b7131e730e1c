"""JSON between gateway and worker, and no other format.

An execution takes one JSON text and returns one JSON text, both stored as strings inside the SDK's
own JSON. So no input of a client is ever unpickled, no key has a meaning to the SDK, and integers,
nulls and nesting arrive unchanged. A failure is a JSON object as well.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import orjson

MESSAGE_LIMIT = 2048
"""Bytes of UTF-8 that a stored error message may have."""

NAME_LIMIT = 256
"""The same for the type of an error and the name of its step."""

REASON_LIMIT = 1024
"""Characters that the reason of a cancellation may have."""


@dataclass(frozen=True)
class Failure:
    """Why an execution or a step ended without a result.

    `reason` is what the client gave who canceled the execution.
    """

    type: str
    message: str
    step: str | None = None
    attempts: int | None = None
    reason: str | None = None

    def encode(self) -> str:
        """Return the failure as JSON, with its texts within their limits whoever made it."""
        kept = {
            **asdict(self),
            "type": clip(self.type, NAME_LIMIT),
            "message": clip(self.message),
            "step": None if self.step is None else clip(self.step, NAME_LIMIT),
        }
        return orjson.dumps({k: v for k, v in kept.items() if v is not None}).decode()

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Failure:
        """Return the failure in an object that `encode` wrote, or raise `ValueError`."""
        match stored:
            case {"type": str(type), "message": str(message)}:
                step, attempts = stored.get("step"), stored.get("attempts")
                return cls(
                    clip(type, NAME_LIMIT),
                    clip(message),
                    clip(step, NAME_LIMIT) if isinstance(step, str) else None,
                    attempts if isinstance(attempts, int) else None,
                )
            case _:
                raise ValueError("not a failure of this service")

    def rejection(self) -> str:
        """Return the failure as the SDK stores exceptions; `decode_rejection` reads it."""
        return orjson.dumps({"__error__": self.encode()}).decode()

    @classmethod
    def decode(cls, text: str) -> Failure:
        """Return a stored failure; any other text becomes the message of a failure `Error`."""
        try:
            return cls.of(orjson.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls("Error", clip(text))


def clip(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return a text as valid UTF-8, cut to `limit` bytes."""
    raw = text[: limit + 1].encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[: limit - 3].decode("utf-8", "ignore") + "…"


def encode_call(function: str, version: int, input_json: str) -> str:
    """Return an invocation in the SDK's format, with the input as its only argument."""
    return orjson.dumps(
        {"func": function, "args": [input_json], "kwargs": {}, "version": version}
    ).decode()


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its version and its input, as stored with an execution."""

    function: str
    version: int
    input_json: str


def decode_call(data: str | None) -> Call:
    """Return a stored invocation. Raises `ValueError` for data that `encode_call` cannot make."""
    call = stored_call(data or "")
    orjson.loads(call.input_json)
    return call


def stored_call(data: str | bytes) -> Call:
    """Return an invocation as `decode_call` does, with an input that was checked when stored."""
    match orjson.loads(data):
        case {
            "func": str(function),
            "args": [str(text)],
            "kwargs": {**named},
            "version": int(n),
        } if not named and not isinstance(n, bool):
            return Call(function, n, text)
        case _:
            raise ValueError("not an invocation of this service")


def decode_result(data: str | None) -> str:
    """Return the JSON text of a stored result. Raises `ValueError` for any other data."""
    text = stored_result(data or "")
    orjson.loads(text)
    return text


def stored_result(data: str | bytes) -> str:
    """Return the text of a result as `decode_result` does, which was checked when stored."""
    match orjson.loads(data):
        case str(text):
            return text
        case _:
            raise ValueError("not a result of this service")


TIMED_OUT = Failure("TimedOut", "The execution did not end within its timeout.")
"""The failure of an execution that has timed out."""


def encode_reason(reason: str | None) -> str | None:
    """Return the value with which an execution is canceled."""
    return None if reason is None else orjson.dumps({"reason": reason}).decode()


def decode_cancellation(data: str | None) -> Failure:
    """Return the failure of a canceled execution, with the reason if a client gave one."""
    try:
        stored: Any = orjson.loads(data or "null")
    except ValueError:
        stored = None
    reason = stored.get("reason") if isinstance(stored, dict) else None
    return Failure(
        "Canceled",
        "The execution was canceled.",
        reason=reason[:REASON_LIMIT] if isinstance(reason, str) else None,
    )


def decode_rejection(data: str | None) -> Failure:
    """Return the failure of a rejected execution, also if another program rejected it."""
    try:
        stored: Any = orjson.loads(data or "")
    except ValueError:
        stored = data
    match stored:
        case {"__error__": str(text)}:
            return Failure.decode(text)
        case _:
            return Failure("Error", clip(str(stored or "rejected without a reason")))


class LenientBase64:
    """The SDK's base64 of text; it also decodes bytes of other programs that are not UTF-8."""

    def encode(self, obj: str | None) -> str | None:
        return None if obj is None else base64.b64encode(obj.encode()).decode()

    def decode(self, obj: str | None) -> str | None:
        return None if obj is None else base64.b64decode(obj).decode("utf-8", "replace")
