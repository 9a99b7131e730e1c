"""Many parts at the same time: a child execution for each, spread over the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.durable.context import Context, Workflow

DEFAULT_PARTS, DEFAULT_PACE = 10, 0.5


def fanout(context: Context, options: dict[str, Any] | None) -> Workflow[dict[str, Any]]:
    """Begin all parts, wait for each, and return which worker did which part."""
    options = options or {}
    parts, pace = int(options.get("parts", DEFAULT_PARTS)), options.get("pace", DEFAULT_PACE)
    children = []
    for number in range(1, parts + 1):
        child = yield context.begin("part", {"number": number, "pace": pace})
        children.append(child)
    done: list[dict[str, Any]] = []
    for child in children:
        done.append((yield child))
        yield context.progress(len(done), parts)
    return {"parts": done}
