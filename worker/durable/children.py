"""Child executions: how they are started, and how their results are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from resonate.conventions import Remote

from shared.ids import ancestors
from shared.resonate import tags as tag
from shared.resonate.codec import decode_result, encode_call

if TYPE_CHECKING:
    from shared.catalog import Catalog
    from worker.tasks.leases import ClaimHandle


class StoredOutcome(str):
    """A child's result or failure as it is stored; the state of its promise says which it is."""

    __slots__ = ()


class ChildEncoder:
    """The SDK's encoder for children, whose calls and outcomes are text already."""

    def encode(self, obj: object) -> str | None:
        return None if obj is None else str(obj)

    def decode(self, obj: str | None) -> StoredOutcome | None:
        return None if obj is None else StoredOutcome(obj)


def encoded_call(catalog: Catalog, function: str, input_json: str) -> str:
    """Return a child's call in the form in which the gateway stores calls too.

    Raises `ValueError` if the catalog does not have the function.
    """
    entry = catalog.functions.get(function)
    if entry is None:
        raise ValueError(f"there is no function {function}; known are {', '.join(catalog.names)}")
    return encode_call(function, entry.version, input_json)


def child_tags(function: str, handle: ClaimHandle) -> dict[str, str]:
    """Return the tags of a child's promise; they make the server offer the child to the workers."""
    parent = handle.claim.execution
    remote = Remote(parent, parent, parent, function).options(target=handle.group)
    trace = {} if handle.claim.trace_id is None else {tag.TRACE: handle.claim.trace_id}
    own = {tag.KIND: tag.CHILD, tag.FUNCTION: function, tag.ROOT: ancestors(f"{parent}.")[0]}
    return {**remote.tags, **own, **trace}


def child_result(stored: StoredOutcome | None) -> Any:
    """Return the result of a child whose promise is resolved."""
    return orjson.loads(decode_result(None if stored is None else str(stored)))
