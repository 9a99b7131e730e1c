"""Child executions: how they are started, and how their results are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Remote

from durable_http.context import input_of
from durable_http.values import json_of
from shared.ids import ancestors
from shared.resonate import tags as tag
from shared.resonate.codec import decode_result, encode_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from durable_http.commands import BeginChild
    from durable_http.declarations.definition import Definition
    from worker.tasks.claim_handle import ClaimHandle


SHOWN: Final = 20
"""Names of functions in an error, at most."""


class StoredOutcome(str):
    """A child's result or failure as it is stored; the state of its promise says which it is."""

    __slots__ = ()


class ChildEncoder:
    """The SDK's encoder for children, whose calls and outcomes are text already."""

    def encode(self, obj: object) -> str | None:
        return None if obj is None else str(obj)

    def decode(self, obj: str | None) -> StoredOutcome | None:
        return None if obj is None else StoredOutcome(obj)


def child_function(functions: Mapping[str, Definition], name: str) -> Definition:
    """Return the newest version of a function. Raises `ValueError` if there is no such function."""
    found = functions.get(name)
    if found is None:
        known = sorted(functions)
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        raise ValueError(f"there is no function {name}; known are {', '.join(known[:SHOWN])}{more}")
    return found


def encoded_call(child: BeginChild, function: Definition, limit: int) -> str:
    """Return a child's call in the form in which the gateway stores calls too.

    Raises `NotJson`, or `ResultTooLarge` for an input of more than `limit` bytes.
    """
    input_json = json_of(input_of(child, function), limit, f"the input of {child.function}")
    return encode_call(child.function, function.version, input_json)


def child_tags(function: Definition, handle: ClaimHandle) -> dict[str, str]:
    """Return the tags of a child's promise; they make the server offer the child to the workers."""
    parent = handle.claim.execution
    remote = Remote(parent, parent, parent, function.name).options(target=handle.group)
    own = {
        tag.KIND: tag.CHILD,
        tag.FUNCTION: function.name,
        tag.VERSION: str(function.version),
        tag.ROOT: ancestors(f"{parent}.")[0],
    }
    return {**remote.tags, **own, **handle.claim.cause.trace_tags}


def child_result(stored: StoredOutcome | None) -> Any:
    """Return the result of a child whose promise is resolved, as JSON."""
    return orjson.loads(decode_result(None if stored is None else str(stored)))
