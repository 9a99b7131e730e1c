"""The numbered parts of an execution, as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMED: Final = {
    tag.STEP: "step",
    tag.AWAITS: "signal",
    tag.CHANGED: "change",
    tag.REFUSED: "refused child",
}
NAMELESS: Final = {tag.PROGRESS: "progress", tag.SLEEP: "sleep"}
"""Kinds of parts by the tag that only they have, which of the first has their name."""


def numbered_id(execution: str, number: int) -> str:
    """Return the id of the n-th part of an execution."""
    return f"{execution}.{number}"


def number_of(execution: str, id: str) -> int | None:
    """Return the number of a part of an execution, None for any other promise."""
    number = id.removeprefix(f"{execution}.")
    return int(number) if number.isdecimal() and len(number) < len(id) else None


def part_name(tags: Mapping[str, str]) -> str | None:
    """Return the kind and the name of a part, as `durable_http.commands.part_of` names commands.

    None if the tags are of no part.
    """
    for key, kind in NAMED.items():
        if key in tags:
            return f"{kind} {tags[key]}"
    if tags.get(tag.KIND) == tag.CHILD:
        return f"child {tags[tag.FUNCTION]}"
    return next((kind for key, kind in NAMELESS.items() if key in tags), None)
