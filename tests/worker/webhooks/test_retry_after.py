"""`Retry-After` of receivers of webhooks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from worker.webhooks.retry_after import LONGEST_SECONDS, retry_after

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 007 ", 7),
        ("86401", LONGEST_SECONDS),
        ("999999999999", LONGEST_SECONDS),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun Nov  6 08:50:07 1994", 30),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_SECONDS),
    ],
)
def test_seconds_and_dates_are_understood(value: str, seconds: float) -> None:
    """Seconds, and dates in all forms of HTTP; a past one is now, a far one is a day away."""
    assert retry_after({"retry-after": value, "date": DATE}) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "-1", "+5", "1.5", "1e3", "1_0", "\u0663", "NaN", "inf", "9" * 400, "9" * 14),
        *("soon", "30 s", "5, 10", "06 Nov"),
        *("Sun, 99 Nov 1994 08:50:07 GMT", "Sun, 06 Nov 99999 08:50:07 GMT"),
        "Sun, 06 Nov 1994 08:50:07 +99999999999999999999999",
    ],
)
def test_nonsense_counts_as_no_header(value: str) -> None:
    """What is neither whole seconds nor a date of HTTP is as if it were not there."""
    assert retry_after({"retry-after": value}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize("own_date", [{}, {"date": "nonsense"}])
def test_a_date_without_a_date_to_compare_counts_from_now(own_date: dict[str, str]) -> None:
    """Without the receiver's own clock, the date counts by the worker's."""
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    seconds = retry_after({"retry-after": soon, **own_date})

    assert seconds is not None
    assert 3000 < seconds <= 3600
