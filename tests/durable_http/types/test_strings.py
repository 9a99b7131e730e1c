"""The patterns of texts allow exactly what is converted."""

import calendar
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from durable_http.types import JsonType, strings

PATTERNS: list[tuple[Any, str]] = [
    (date, strings.DATE),
    (time, strings.time(tz=None)),
    (Annotated[time, Meta(tz=True)], strings.time(tz=True)),
    (datetime, strings.date_time(tz=None)),
    (Annotated[datetime, Meta(tz=False)], strings.date_time(tz=False)),
    (UUID, strings.UUID),
    (Decimal, strings.DECIMAL),
]


@pytest.mark.parametrize(("annotation", "pattern"), PATTERNS)
@given(data=st.data())
def test_each_text_of_a_pattern_is_converted(
    annotation: Any, pattern: str, data: st.DataObject
) -> None:
    """A pattern allows nothing that the conversion refuses."""
    text = data.draw(st.from_regex(pattern, fullmatch=True))
    type = JsonType(annotation)
    assert jsonschema_rs.Draft202012Validator(type.schema).is_valid(text)
    type.convert(text)


@given(st.dates())
def test_each_date_is_let_through(day: date) -> None:
    """A pattern allows every date that Python has."""
    assert jsonschema_rs.Draft202012Validator(JsonType(date).schema).is_valid(day.isoformat())


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_each_time_that_python_writes_is_let_through(moment: datetime) -> None:
    """A pattern allows every moment, with an offset or without."""
    offset = moment.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        return  # an offset of seconds, as before 1900, is no RFC 3339
    assert jsonschema_rs.Draft202012Validator(JsonType(datetime).schema).is_valid(
        moment.isoformat()
    )


def test_the_last_day_of_february_is_let_through_in_leap_years_only() -> None:
    """The pattern knows the calendar."""
    validator = jsonschema_rs.Draft202012Validator(JsonType(date).schema)
    let_through = [year for year in range(10_000) if validator.is_valid(f"{year:04}-02-29")]
    assert let_through == [year for year in range(1, 10_000) if calendar.isleap(year)]


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_each_decimal_is_let_through_as_text(number: Decimal) -> None:
    """A pattern allows every finite number."""
    type = JsonType(Decimal)
    assert jsonschema_rs.Draft202012Validator(type.schema).is_valid(str(number))
    assert type.convert(str(number)) == number


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", " 1", "1_0", "1e999999999999999999999", "\u0661"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """Python reads more texts as numbers than other languages."""
    assert not jsonschema_rs.Draft202012Validator(JsonType(Decimal).schema).is_valid(text)
