"""Says where a value is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from durable_http.types.errors import InvalidValue
from durable_http.types.models import ModelFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

PLACE: Final = re.compile(r"(?s)(?P<message>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`")
"""How msgspec ends its messages, for example "- at `$.items[0].price`"."""

INDEX: Final = re.compile(r"\[([0-9]+)\]")


def invalid_value(error: msgspec.ValidationError, value: Any) -> InvalidValue:
    """Return an error of msgspec with the JSON pointer of the place in the value."""
    found = PLACE.fullmatch(str(error))
    message, path = (found["message"], found["path"]) if found else (str(error), "")
    place, rest = _followed(path, value)
    by_code = error.__cause__ is not None
    if isinstance(error.__cause__, ModelFault):
        message, by_code = error.__cause__.message, error.__cause__.by_code
        place += () if rest else error.__cause__.place
    # msgspec does not name the keys of a dict: "$.prices[...]".
    if rest:
        message += ", in one of its values"
    elif found and found["key"]:
        message += ", in one of its keys"
    return InvalidValue(_pointer(place), message, by_code=by_code)


def _followed(path: str, value: Any) -> tuple[list[str | int], str]:
    """Return the names and indexes of a path, and the rest of it that leads to no known place."""
    place: list[str | int] = []
    while path:
        index = INDEX.match(path)
        name: str | int
        if index and isinstance(value, list):
            name, length = int(index[1]), index.end()
        elif isinstance(value, dict):
            # A name may have dots itself.
            names = [each for each in value if path.startswith(f".{each}")]
            if not names:
                break
            name = max(names, key=len)
            length = len(f".{name}")
        else:
            break
        place.append(name)
        value, path = value[name], path[length:]
    return place, path


def _pointer(place: Iterable[str | int]) -> str:
    return "".join(f"/{str(name).replace('~', '~0').replace('/', '~1')}" for name in place)
