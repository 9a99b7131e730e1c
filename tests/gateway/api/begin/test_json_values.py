"""The canonical form of JSON: the same text for equal values, at little cost."""

from __future__ import annotations

import pytest

from gateway.concurrency.garbage import without_collections
from gateway.errors import InvalidRequest
from gateway.inputs.json_values import MAX_DEPTH, canonical_json, parsed
from tests.support.timing import processor_seconds


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"1.0", "1"),
        (b"-0.0", "0"),
        (b"1e3", "1000"),
        (b"1.5", "1.5"),
        (b"true", "true"),
        (b"9007199254740991.0", "9007199254740991"),
        (b"9007199254740992.0", "9007199254740992.0"),
        (b'[1.0, [2.0, {"b": 3.0, "a": [4.0, 4.5]}], 5]', '[1,[2,{"a":[4,4.5],"b":3}],5]'),
        (b'{"b": {"y": 1.0, "x": null}, "a": "1.0"}', '{"a":"1.0","b":{"x":null,"y":1}}'),
    ],
)
def test_equal_values_have_one_text(body: bytes, canonical: str) -> None:
    """Keys are sorted, blanks dropped, and whole numbers written as integers, at every depth."""
    assert canonical_json(parsed(body)) == canonical


@pytest.mark.parametrize("body", [b"1e400", b"[[1e400]]", b'{"a": [-1e400]}'])
def test_a_number_that_is_too_large_is_refused(body: bytes) -> None:
    """A number beyond the floats is refused at every depth."""
    with pytest.raises(InvalidRequest, match="number"):
        canonical_json(parsed(body))


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_depth_is_limited(opening: bytes, closing: bytes) -> None:
    """64 levels are allowed, whatever they are made of, and no more."""
    canonical_json(parsed(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH))

    levels = MAX_DEPTH + 1
    with pytest.raises(InvalidRequest, match="deeper than 64 levels"):
        canonical_json(parsed(opening * levels + b"1" + closing * levels))


def test_a_megabyte_of_lists_costs_little_more_than_to_parse() -> None:
    """No step of Python is made for each list: with one it would cost twelve times as much."""
    body = b"[" + b",".join([b"[]"] * 340_000) + b"]"
    value = parsed(body)

    canonical = processor_seconds(lambda: without_collections(lambda: canonical_json(value)))
    assert canonical < 6 * processor_seconds(lambda: without_collections(lambda: parsed(body)))
