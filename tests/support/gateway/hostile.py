"""Queries with an invalid `id`, as in a URL: every route must refuse each."""

import string
from typing import Final
from urllib.parse import quote

ALLOWED: Final = (string.ascii_letters + string.digits + "_-").encode()

OF_THE_SERVER: Final = tuple(
    f"id={quote(id, safe='')}"
    for id in (
        "../tasks/claim/__invoke:victim/1",
        "../poll/worker/evil",
        "../promises?id=*",
        "../schedules/x",
        "victim?x",
        "victim#x",
        "x/../victim",
        "a%41",
        "a#b",
        "Å",
        "☃",
        " a",
        "A.1",
        "__resume:root:leaf",
        "x" * 5_000,
    )
)
"""Ids that reach other routes of the server, or end its SDK, where nobody checks them."""

EVERY_OTHER_BYTE: Final = tuple(f"id=a%{n:02X}b" for n in range(256) if n not in ALLOWED)

HAND_MADE: Final = (
    "id",
    "id=",
    "id=&id=a",
    "id=a&id=a",
    "id=a&id=b",
    "id=a&%69d=b",
    "id=.",
    "id=..",
    "id=../../etc/passwd",
    "id=..%2F..%2Fetc%2Fpasswd",
    "id=%2e%2e%2f",
    "id=%252e%252e%252f",
    "id=a/b",
    "id=a%2Fb",
    "id=/",
    "id=a%5Cb",
    "id=a.1",
    "id=a.attempt.1",
    "id=a:b",
    "id=a%3Ab",
    "id=a%0A",
    "id=%0Aa",
    "id=a%0D%0AX-Evil:%201",
    "id=a%00",
    "id=%00",
    "id=a%09b",
    "id=a%20b",
    "id=a+b",
    "id=%20",
    "id=a%7F",
    "id=a%1Bb",
    "id=%C3%A9",
    "id=%EF%BC%A1",
    "id=%D9%A1",
    "id=%E2%80%AEa",
    "id=%E2%80%8B",
    "id=%F0%9F%98%80",
    "id=%C0%AE",
    "id=%FF",
    "id=%",
    "id=%zz",
    "id=a%25",
    "id=a*",
    "id=*",
    "id=a%3Fb",
    "id=a%23b",
    "id=a%26b",
    "id=a;id=b",
    "id=a,b",
    "id=a'--",
    "id=%22a%22",
    "id=%3Cscript%3E",
    "id=$%7Bjndi%7D",
    "id=a@b",
    "id=~a",
    "id=a=b",
    "id[]=a",
    f"id={'x' * 129}",
    f"id={'x' * 4000}",
)

HOSTILE: Final = tuple(dict.fromkeys((*HAND_MADE, *OF_THE_SERVER, *EVERY_OTHER_BYTE)))


def short(data: str | bytes) -> str:
    """Return a short name for a parameter that may be long."""
    return f"{len(data)}-{data[:24]!r}"
