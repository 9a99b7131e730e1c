"""The slot map: what a file says, and what is wrong with one."""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

import pytest

from gateway.cells.hash_slots import SLOTS, Slot, SlotMap, SlotMapError, number_of

CELLS: Final = {"a": {"gateways": ["http://a:1"]}, "b": {"gateways": ["http://[::1]:2"]}}
ALL_OF_A: Final = [{"slots": "0-63", "cell": "a"}]


def content(**changed: Any) -> bytes:
    """Return a file in which something is changed."""
    return json.dumps({"generation": 4, "cells": CELLS, "slots": ALL_OF_A, **changed}).encode()


def test_each_hash_slot_has_what_its_line_says() -> None:
    """Lines with one hash slot and with several are read, in any order."""
    lines = [
        {"slots": "63", "cell": "b", "former": ["a"]},
        {"slots": "0-31", "cell": "a"},
        {"slots": "32-62", "cell": "b", "closed": True},
    ]

    found = SlotMap.parse(content(slots=lines))

    assert found.generation == 4
    assert found.cells == {"a": ("http://a:1",), "b": ("http://[::1]:2",)}
    assert len(found.slots) == SLOTS
    assert {found.slots[0], found.slots[31]} == {Slot("a")}
    assert {found.slots[32], found.slots[62]} == {Slot("b", closed=True)}
    assert found.slots[63] == Slot("b", ("a",))


@pytest.mark.parametrize("id", ["job-1", "a", "A_b-9", "0197c0de-0000-7000-8000-000000000000"])
def test_the_hash_is_that_of_balancers(id: str) -> None:
    """An id's hash slot is its CRC-32, modulo 64."""
    assert number_of(id) == (zlib.crc32(id.encode()) & 0xFFFFFFFF) % 64


def test_the_hash_stays() -> None:
    """Another hash would have ids begun twice after an update."""
    assert [number_of(id) for id in ("job-1", "job-2", "order_4711")] == [63, 5, 32]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"generation": 0}, "generation"),
        ({"generation": "4"}, "generation"),
        ({"more": 1}, "more"),
        ({"cells": {}}, "cells"),
        ({"cells": {"A b": {"gateways": ["http://a:1"]}}}, "name of a cell"),
        ({"cells": {"a": {"gateways": []}}}, "gateways"),
        ({"cells": {"a": {"gateways": ["http://a:1/path"]}}}, "must look like"),
        ({"cells": {"a": {"gateways": ["http://u:p@a:1"]}}}, "must look like"),
        ({"cells": {"a": {"gateways": ["http://a:65536"]}}}, "must look like"),
        ({"cells": {"a": {"gateways": ["http://a:0"]}}}, "must look like"),
        ({"cells": {"a": {"gateways": ["http://[1.2.3.4]:1"]}}}, "must look like"),
        ({"cells": {"a": {"gateways": ["http://a:1"], "more": 1}}}, "more"),
        ({"slots": [{"slots": "0-62", "cell": "a"}]}, "missing: 63"),
        ({"slots": [*ALL_OF_A, {"slots": "7", "cell": "b"}]}, "slot 7 is given twice"),
        ({"slots": [{"slots": "0-64", "cell": "a"}]}, "from 0 to 63"),
        ({"slots": [{"slots": "63-0", "cell": "a"}]}, "from 0 to 63"),
        ({"slots": [{"slots": "all", "cell": "a"}]}, "like 7 or 0-31"),
        ({"slots": [{"slots": "0-63", "cell": "c"}]}, "no cell 'c'"),
        ({"slots": [{"slots": "0-63", "cell": "a", "former": ["c"]}]}, "no cell 'c'"),
        ({"slots": [{"slots": "0-63", "cell": "a", "former": ["a"]}]}, "named twice"),
        ({"slots": [{"slots": "0-63", "cell": "a", "former": ["b", "b"]}]}, "named twice"),
        ({"slots": [{"slots": "0-63", "cell": "a", "open": True}]}, "open"),
    ],
)
def test_a_bad_map_is_refused_with_words(changed: dict[str, Any], said: str) -> None:
    """Whatever is not as it must be, the error names it."""
    with pytest.raises(SlotMapError) as refused:
        SlotMap.parse(content(**changed))

    assert said in str(refused.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_map_is_refused(raw: bytes) -> None:
    """A file that is half written, say."""
    with pytest.raises(SlotMapError):
        SlotMap.parse(raw)


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (b'"generation": 4', b'"generation": 4, "generation": 5'),
        (b'"a": {', b'"a": {"gateways": ["http://lost:1"]}, "a": {'),
        (b'"slots": "0-63"', b'"slots": "0-63", "slots": "0-63"'),
    ],
)
def test_what_is_given_twice_is_refused(once: bytes, twice: bytes) -> None:
    """Which of the two was meant nobody knows."""
    name = once.split(b'"')[1].decode()
    raw = content().replace(once, twice, 1)

    with pytest.raises(SlotMapError, match=f"'{name}' is given twice"):
        SlotMap.parse(raw)
