"""Patterns of the texts that stand for dates, times and the like.

A validator of JSON Schema takes `format` for a remark. So the patterns say exactly what can be
converted. They use only what all dialects of regular expressions have.
"""

from __future__ import annotations

from typing import Final

_YEAR: Final = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})"
_LEAP_YEAR: Final = (
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
)
_DAY: Final = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DATE: Final = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_HOUR: Final = "(?:[01][0-9]|2[0-3])"
_TIME: Final = rf"{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_OFFSET: Final = f"(?:[Zz]|[+-]{_HOUR}:?[0-5][0-9])"

DATE: Final = f"^{_DATE}$"

UUID: Final = "^(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})$"

DECIMAL: Final = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,5})?$"


def time(*, tz: bool | None) -> str:
    """Return the pattern of times of day: with an offset for True, without for False, or either."""
    return f"^{_TIME}{_offset(tz=tz)}$"


def date_time(*, tz: bool | None) -> str:
    """Return the pattern of dates with times; `tz` is as in `time`."""
    return f"^{_DATE}[Tt ]{_TIME}{_offset(tz=tz)}$"


def _offset(*, tz: bool | None) -> str:
    return {True: _OFFSET, False: "", None: f"{_OFFSET}?"}[tz]
