"""The catalog of functions, which the gateway uses without their code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from shared.catalog import (
    MAX_BYTES,
    MAX_FUNCTION_BYTES,
    MESSAGE_LENGTH,
    Catalog,
    CatalogError,
    Function,
    Limits,
)
from tests.support.catalog import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE = Function("one", 1, "One.")
ORDER: Mapping[str, Any] = {
    "name": "order",
    "version": 2,
    "summary": "Charges and ships an order.",
    "private": True,
    "timeout_seconds": 90,
    "default_input": {"b": [1, 1.0, None], "a": "é"},
    "input_schema": {"type": "object"},
    "signals": ["approval"],
}


def written(*functions: object, **also: object) -> bytes:
    """Return a manifest of these functions; `also` replaces members of it, or adds some."""
    return orjson.dumps({"format": 1, "functions": functions} | also)


def fault(raw: bytes) -> str:
    """Return why a manifest is refused."""
    with pytest.raises(CatalogError) as caught:
        Catalog.parse(raw)
    return str(caught.value)


def test_a_catalog_finds_functions_by_name() -> None:
    """Each function is under its own name, and one of them is the default."""
    other = Function("other", 3, "Other.")

    catalog = Catalog.of(ONE, other, default="other")

    assert dict(catalog.functions) == {"one": ONE, "other": other}
    assert list(catalog.functions) == ["one", "other"]
    assert catalog.default == "other"


def test_the_newest_version_of_a_function_is_begun() -> None:
    """All versions are kept; a name stands for the newest, wherever it is in the manifest."""
    ten, nine = Function("one", 10, "Ten."), Function("one", 9, "Nine.")

    catalog = Catalog.of(ONE, ten, nine)

    assert list(catalog.versions) == [("one", 1), ("one", 10), ("one", 9)]
    assert dict(catalog.functions) == {"one": ten}


def test_a_private_function_is_none_of_the_public_ones() -> None:
    """Whether a function is private is as its newest version says."""
    hidden = Function("hidden", 2, "Hidden.", private=True)

    catalog = Catalog.of(Function("hidden", 1, "Once public."), hidden, ONE)

    assert dict(catalog.public) == {"one": ONE}
    assert list(catalog.functions) == ["hidden", "one"]


def test_a_default_can_be_begun() -> None:
    """A catalog whose default no client could begin cannot be made."""
    with pytest.raises(ValueError, match="the default function other is not in the catalog"):
        Catalog.of(ONE, default="other")
    with pytest.raises(ValueError, match="the default function one is private"):
        Catalog.of(Function("one", 1, "One.", private=True), default="one")
    assert Catalog.of(ONE).default is None


def test_a_version_is_there_once() -> None:
    """Two functions of one name and version cannot be told apart."""
    with pytest.raises(CatalogError, match="one version 1 is there twice"):
        Catalog.of(ONE, Function("one", 2, "Two."), ONE)


def test_a_manifest_is_read_as_a_whole() -> None:
    """Every member of a manifest ends up in the catalog, values as they were."""
    found = Catalog.parse(
        written(
            {"name": "one", "version": 1, "summary": "One."},
            ORDER,
            default="one",
            limits={"step_timeout_seconds": 3600.0, "max_result_bytes": 1024},
        )
    )

    order = Function(**{**ORDER, "signals": ("approval",)})
    assert found == Catalog.of(ONE, order, default="one", limits=Limits(3600.0, 1024))
    assert repr(found.functions["order"].default_input) == repr(ORDER["default_input"])


def test_a_manifest_may_leave_out_what_has_a_default() -> None:
    """What a manifest does not say is as for a function that declares nothing."""
    found = Catalog.parse(b'{"format":1,"functions":[{"name":"f","version":7,"summary":"F."}]}')

    assert found == Catalog.of(Function("f", 7, "F."))
    assert found.functions["f"] == Function("f", 7, "F.", private=False, input_schema={})
    assert found.limits == Limits(None, None)


def test_a_byte_order_mark_is_ignored() -> None:
    """A manifest may begin with the mark that some editors write."""
    assert Catalog.parse(b"\xef\xbb\xbf" + manifest(Catalog.of(ONE))) == Catalog.of(ONE)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "Input data was truncated"),
        (manifest(Catalog.of(ONE))[:-20], "Input data was truncated"),
        (b"not JSON", "JSON is malformed: invalid character (byte 4)"),
        (manifest(Catalog.of(ONE)) + b"}", "JSON is malformed: trailing characters (byte"),
        (b"[]", "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b"{}", "Object missing required field `format`"),
        (b'{"format":1}', "Object missing required field `functions`"),
        (written(format=2, other=[]), "its format is 2; the known one is 1"),
        (written(format="1"), "format: Expected `int`, got `str`"),
        (written(), "functions: Expected `array` of length >= 1"),
        (written(ORDER, other=1), "Object contains unknown field `other`"),
        (written(ORDER, default=1), "default: Expected `str | null`, got `int`"),
        (written(ORDER, default="none"), "the default function none is not in the catalog"),
        (written(ORDER, default="order"), "the default function order is private"),
        (written(ORDER, limits={"x": 1}), "limits: Object contains unknown field `x`"),
        (
            written(ORDER, limits={"max_result_bytes": 0}),
            "limits.max_result_bytes: Expected `int` >= 1",
        ),
        (written(ORDER, ORDER), "order version 2 is there twice"),
        (written(1), "functions[0]: Expected `object`, got `int`"),
        (written(ORDER, {"name": "f"}), "functions[1]: Object missing required field `version`"),
        (b'{"format":1,"functions":["\xff"]}', "it is not UTF-8 at byte 26"),
        (b'{"format":1,"functions":[NaN]}', "JSON is malformed: invalid character (byte 25)"),
        (b'{"format":1,"functions":' + b"[" * 100_000, "it is nested too deep"),
    ],
)
def test_a_bad_manifest_is_refused(raw: bytes, said: str) -> None:
    """The fault says what is wrong, and where."""
    assert fault(raw).startswith(said)


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("name", "a.b", "name: Expected `str` matching regex '^[A-Za-z0-9_-]{1,64}"),
        ("name", "a\n", "name: Expected `str` matching regex"),
        ("name", "x" * 65, "name: Expected `str` matching regex"),
        ("name", "", "name: Expected `str` matching regex"),
        ("name", "webhook", "name: the service has a function webhook of its own"),
        ("version", 0, "version: Expected `int` >= 1"),
        ("version", 1_000_001, "version: Expected `int` <= 1000000"),
        ("version", True, "version: Expected `int`, got `bool`"),
        ("version", "1", "version: Expected `int`, got `str`"),
        ("summary", None, "summary: Expected `str`, got `null`"),
        ("private", 1, "private: Expected `bool`, got `int`"),
        ("timeout_seconds", 0.5, "timeout_seconds: Expected `float` >= 1"),
        ("timeout_seconds", 31_536_001, "timeout_seconds: Expected `float` <= 31536000"),
        ("input_schema", True, "input_schema: Expected `object`, got `bool`"),
        ("signals", "approval", "signals: Expected `array`, got `str`"),
        ("signals", ["a", "b c"], "signals[1]: Expected `str` matching regex"),
        ("other", 1, ": Object contains unknown field `other`"),
        ("a\nb", 1, ": Object contains unknown field `a b`"),
    ],
)
def test_a_bad_function_is_refused(member: str, value: object, said: str) -> None:
    """The fault names the function's place, the member and what would be right, in one line."""
    found = fault(written(ORDER, {**ORDER, "version": 1, member: value}))

    assert found.replace("functions[1].", "", 1).replace("functions[1]", "", 1).startswith(said)
    assert "functions[1]" in found
    assert found.isprintable()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"[" * 300 + b"]" * 300, "functions[0].default_input: it cannot be stored: "),
        (b"18446744073709551616", "functions[0].default_input: it cannot be stored: "),
        (b"1e400", "functions[0].default_input: Number out of range"),
        (b"NaN", "JSON is malformed: "),
    ],
)
def test_a_default_input_is_a_value_that_can_be_stored(value: bytes, said: str) -> None:
    """A number that no client could send is refused in a default input, too."""
    raw = written({**ORDER, "default_input": "here"}).replace(b'"here"', value)

    assert fault(raw).startswith(said)


def test_a_manifest_has_a_limit() -> None:
    """Neither a manifest nor one function in it may be so large that it holds a gateway up."""
    least = len(written(ORDER, default=""))
    large = {**ORDER, "summary": "x" * MAX_FUNCTION_BYTES}

    assert fault(written(ORDER, default="x" * (MAX_BYTES - least))).startswith("the default")
    assert fault(written(ORDER, default="x" * (MAX_BYTES - least + 1))) == (
        "it has more than 16777216 bytes"
    )
    assert fault(written(large)) == "functions[0]: it has more than 1048576 bytes"


def test_a_fault_is_one_line_of_moderate_length() -> None:
    """A fault shows only the beginning of a long text, and no line end of it."""
    found = fault(written(ORDER, default="a\n" * 1000))

    assert found.isprintable()
    assert len(found) == MESSAGE_LENGTH
    assert found.endswith("…")


def test_no_input_is_null() -> None:
    """A function without a default input gets null when a client sends no body."""
    assert Function("f", 1, "Does it.").default_input is None
