"""How long a client is ready to wait for an answer: `Prefer: wait=20` (RFC 7240) or `wait=20s`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.api.inputs import seconds_of

if TYPE_CHECKING:
    from aiohttp import web

LONGEST_WAIT: Final = 25
"""Seconds; shorter than the 30 s after which many clients and proxies give up."""

ANY: Final = 10**15
"""More seconds than a duration can say: none is too long, it only counts as less."""

WAIT: Final = re.compile(r"wait\s*=\s*\"?(\d{1,100})\"?", re.IGNORECASE)


def preferred_wait(request: web.Request) -> int | None:
    """Return the seconds of `Prefer: wait=`, at most `LONGEST_WAIT`, or None."""
    for header in request.headers.getall("Prefer", ()):
        for preference in header.split(","):
            if match := WAIT.fullmatch(preference.split(";")[0].strip()):
                return min(int(match[1]), LONGEST_WAIT)
    return None


def wanted_wait(request: web.Request, parameter: str | None) -> tuple[int, dict[str, str]]:
    """Return the seconds to wait by the parameter or the header, and headers that say what counts.

    Raises `InvalidRequest` for a parameter that is no duration.
    """
    preferred = preferred_wait(request)
    if parameter is not None:
        seconds = seconds_of("wait", parameter, least=0, most=ANY)
        preferred = min(seconds, LONGEST_WAIT)
    if preferred is None:
        return 0, {}
    return preferred, {"Preference-Applied": f"wait={preferred}"}
