"""Durations as people write them: `30s`, `15m`, `2h`, `7d`, or ISO 8601 such as `PT15M`."""

from __future__ import annotations

import re
from typing import Final

SHORT: Final = re.compile(r"(\d{1,9})([smhd])")
ISO: Final = re.compile(
    r"P(?:(?P<d>\d{1,6})D)?(?:T(?=\d)(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,9})M)?(?:(?P<s>\d{1,9})S)?)?"
)
_CLOCK: Final = "T([0-9]{1,6}H([0-9]{1,9}M)?([0-9]{1,9}S)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)"
PATTERN: Final = f"^([0-9]{{1,9}}[smhd]|P[0-9]{{1,6}}D({_CLOCK})?|P{_CLOCK})$"
"""Texts that `parse` accepts, in the regular expressions that JSON Schema and browsers share."""

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse(text: str) -> int:
    """Return a duration in seconds. Raises `ValueError` for any other text."""
    if text.isascii() and (match := SHORT.fullmatch(text)):
        return int(match[1]) * SECONDS[match[2]]
    match = ISO.fullmatch(text) if text.isascii() else None
    if match is None or not any(match.groups()):
        raise ValueError("a duration looks like 30s, 15m, 2h, 7d or PT15M")
    return sum(int(value) * SECONDS[unit] for unit, value in match.groupdict("0").items())
