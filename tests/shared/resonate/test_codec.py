"""JSON between gateway and worker: it arrives as it was written, and nothing else is accepted."""

from __future__ import annotations

import orjson
import pytest

from shared.resonate.codec import (
    MESSAGE_LIMIT,
    Call,
    Failure,
    clip,
    decode_call,
    decode_rejection,
    decode_result,
    encode_call,
)

TEXTS = (
    "null",
    "true",
    "0",
    "18446744073709551615",
    "1.5",
    '""',
    '"é 😀"',
    "[]",
    "{}",
    '{"py/object":"os.system"}',
    '{"func":"g","args":[],"kwargs":{},"version":2}',
    "[" * 64 + "]" * 64,
)

FAILURES = (
    Failure("ValueError", "no"),
    Failure("ValueError", ""),
    Failure("Declined", 'é 😀 " \\ \n', "charge", 3),
    Failure("E", "m", step="s"),
    Failure("E", "m", attempts=1),
)

FOREIGN_CALLS = (
    None,
    "",
    "nonsense",
    "null",
    "[]",
    "{}",
    '"foo"',
    "{",
    '{"func":"f","args":["1"],"kwargs":{}}',
    '{"args":["1"],"kwargs":{},"version":1}',
    '{"func":1,"args":["1"],"kwargs":{},"version":1}',
    '{"func":"f","args":[],"kwargs":{},"version":1}',
    '{"func":"f","args":[1],"kwargs":{},"version":1}',
    '{"func":"f","args":["1","2"],"kwargs":{},"version":1}',
    '{"func":"f","args":"1","kwargs":{},"version":1}',
    '{"func":"f","args":["1"],"kwargs":{"a":1},"version":1}',
    '{"func":"f","args":["1"],"kwargs":null,"version":1}',
    '{"func":"f","args":["1"],"kwargs":{},"version":true}',
    '{"func":"f","args":["1"],"kwargs":{},"version":"1"}',
    '{"func":"f","args":["1"],"kwargs":{},"version":1.0}',
    '{"func":"f","args":["not JSON"],"kwargs":{},"version":1}',
    '{"func":"f","args":[""],"kwargs":{},"version":1}',
    '{"func":"f","args":["NaN"],"kwargs":{},"version":1}',
)


@pytest.mark.parametrize("text", TEXTS)
def test_an_input_comes_back(text: str) -> None:
    """The worker reads function, version and input exactly as the gateway wrote them."""
    assert decode_call(encode_call("foo", 7, text)) == Call("foo", 7, text)


def test_an_invocation_is_as_workers_read_it() -> None:
    """The invocation is in the form of the SDK's workers, with the input as its only argument."""
    assert orjson.loads(encode_call("foo", 7, '{"a":1}')) == {
        "func": "foo",
        "args": ['{"a":1}'],
        "kwargs": {},
        "version": 7,
    }


@pytest.mark.parametrize("data", FOREIGN_CALLS, ids=ascii)
def test_a_foreign_invocation_is_refused(data: str | None) -> None:
    """An invocation that the gateway cannot have written raises `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        decode_call(data)


@pytest.mark.parametrize("text", TEXTS)
def test_a_result_comes_back(text: str) -> None:
    """A result is the JSON text that the function returned."""
    assert decode_result(orjson.dumps(text).decode()) == text


@pytest.mark.parametrize("data", [None, "", "1", "null", "{}", '["1"]', '"{"', '""', "{", '"NaN"'])
def test_a_foreign_result_is_refused(data: str | None) -> None:
    """A result that is not one JSON text in a string raises `ValueError`."""
    with pytest.raises(ValueError, match=r"."):
        decode_result(data)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_comes_back(failure: Failure) -> None:
    """A failure is unchanged after it was stored as text, as an object and as a rejection."""
    assert Failure.decode(failure.encode()) == failure
    assert Failure.of(orjson.loads(failure.encode())) == failure
    assert decode_rejection(failure.rejection()) == failure


@pytest.mark.parametrize(
    ("failure", "stored"),
    [
        (Failure("E", "m"), {"type": "E", "message": "m"}),
        (
            Failure("E", "", "s", 2),
            {"type": "E", "message": "", "step": "s", "attempts": 2},
        ),
    ],
    ids=["bare", "whole"],
)
def test_a_failure_stores_its_known_parts(failure: Failure, stored: dict[str, object]) -> None:
    """A missing step or number of attempts is left out; an empty message is kept."""
    assert orjson.loads(failure.encode()) == stored


@pytest.mark.parametrize(
    "text", ["boom", "", "{", "1", "null", "[]", '"boom"', "{}", '{"type":"E"}', '{"message":"m"}']
)
def test_a_foreign_failure_is_its_text(text: str) -> None:
    """A stored failure of another shape becomes an error that shows what was stored."""
    assert Failure.decode(text) == Failure("Error", text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "rejected without a reason"),
        ("", "rejected without a reason"),
        ("null", "rejected without a reason"),
        ('""', "rejected without a reason"),
        ("{}", "rejected without a reason"),
        ("boom", "boom"),
        ("not { JSON", "not { JSON"),
        ('"boom"', "boom"),
        ("42", "42"),
        ('["a"]', "['a']"),
        ('{"__error__":"boom"}', "boom"),
        ('{"__error__":"{}"}', "{}"),
        ('{"__error__":7}', "{'__error__': 7}"),
    ],
    ids=ascii,
)
def test_a_foreign_rejection_is_read(data: str | None, message: str) -> None:
    """A rejection by any program, with any value, becomes a failure."""
    assert decode_rejection(data) == Failure("Error", message)


@pytest.mark.parametrize("data", ["x" * 5000, '"' + "x" * 5000 + '"', '{"__error__":"%s"}'])
def test_a_foreign_rejection_is_cut(data: str) -> None:
    """A rejection by another program is cut at the same limit."""
    stored = data % ("x" * 5000) if "%s" in data else data

    assert decode_rejection(stored) == Failure("Error", "x" * (MESSAGE_LIMIT - 3) + "…")


@pytest.mark.parametrize(
    "message", ["", "short", "é" * 1024, "x" * 2048, "😀" * 512, "\0\n"], ids=len
)
def test_a_message_within_the_limit_is_kept(message: str) -> None:
    """A message of up to 2048 bytes of UTF-8 is stored unchanged."""
    assert clip(message) == message


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("x" * 2049, "x" * 2045 + "…"),
        ("é" * 1025, "é" * 1022 + "…"),
        ("x" + "é" * 1024, "x" + "é" * 1022 + "…"),
        ("😀" * 513, "😀" * 511 + "…"),
        ("x" * 100_000, "x" * 2045 + "…"),
    ],
    ids=["one over", "between", "inside", "wide", "long"],
)
def test_a_longer_message_is_cut_between_characters(message: str, kept: str) -> None:
    """A longer message ends in an ellipsis, within the limit, and no character is split."""
    assert clip(message) == kept
    assert len(kept.encode()) <= MESSAGE_LIMIT


def test_broken_text_is_repaired() -> None:
    """Single surrogates, which UTF-8 cannot encode, become question marks."""
    assert clip("a\ud800b\udfff") == "a?b?"


@pytest.mark.parametrize("stored", ['{"type": 1, "message": [2]}', '{"type": "E"}', "[]", "1"])
def test_a_failure_of_another_shape_is_an_error(stored: str) -> None:
    """A stored value that is not a failure of ours becomes the message of an `Error`."""
    assert Failure.decode(stored) == Failure("Error", stored)
