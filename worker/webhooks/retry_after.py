"""Reads `Retry-After`, with which a receiver says when it takes the next request (RFC 9110)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)

LONGEST_SECONDS: Final = 24 * 60 * 60.0
"""Seconds of a `Retry-After` at most, a longer one counts as this: the longest pause of our own, so
that a receiver is asked several times before its webhook is given up."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer's `Retry-After` asks for, None if it has no valid one.

    `headers` have names in lower case. A date counts from the answer's own `Date`, if it has one,
    so that it makes no difference which of the two clocks is wrong.
    """
    value = headers.get("retry-after", "").strip()
    if SECONDS.fullmatch(value):
        return min(float(value), LONGEST_SECONDS)
    date = _date(value)
    if date is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return min(max(0.0, (date - now).total_seconds()), LONGEST_SECONDS)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the second for an offset beyond all numbers
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
