"""Child executions: how they are asked for, and how their ends are read."""

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


class Stored(str):
    """What a child ended with, as it is stored; only its state tells result from failure."""

    __slots__ = ()


class ChildEncoder:
    """The SDK's encoder for children: an invocation that is text already, and ends as they are."""

    def encode(self, obj: object) -> str | None:
        return None if obj is None else str(obj)

    def decode(self, obj: str | None) -> Stored | None:
        return None if obj is None else Stored(obj)


def invocation(catalog: Catalog, function: str, input_json: str) -> str:
    """Return what is stored of the call, as the gateway does. Raises `ValueError`."""
    entry = catalog.functions.get(function)
    if entry is None:
        raise ValueError(f"there is no function {function}; known are {', '.join(catalog.names)}")
    return encode_call(function, entry.version, input_json)


def tags_of(function: str, handle: ClaimHandle) -> dict[str, str]:
    """Return the tags with which the server offers the child to the workers."""
    parent = handle.claim.execution
    remote = Remote(parent, parent, parent, function).options(target=handle.group)
    trace = {} if handle.claim.trace_id is None else {tag.TRACE: handle.claim.trace_id}
    own = {tag.KIND: tag.CHILD, tag.FUNCTION: function, tag.ROOT: ancestors(f"{parent}.")[0]}
    return {**remote.tags, **own, **trace}


def result_of(stored: Stored | None) -> Any:
    """Return what a child resolved with."""
    return orjson.loads(decode_result(None if stored is None else str(stored)))
