"""The same loads by another client, which shows whether our own client is to be believed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from bench.loads.hey import hey
from bench.parts.part import Part, begin_request, forget
from bench.parts.waits import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options
    from bench.stacks.service import Service

POLLED: Final = "polled"


def by_hey(service: Service, options: Options) -> Iterator[Case]:
    """Begin and poll with hey, where it is installed."""
    if shutil.which("hey") is None:
        return
    body = ("-m", "POST", "-T", "application/json", "-d", '{"foo":"load"}')
    yield "begin", hey(f"{service.url}/begin", options.seconds, *body)
    if service.name != "aiohttp":
        forget(service)
    send(service, begin_request(POLLED))
    yield "wait, pending", hey(f"{service.url}/wait?id={POLLED}", options.seconds)
    if service.name != "aiohttp":
        forget(service)


PARTS: Final = (Part("hey", by_hey, ("stock", "ours", "aiohttp"), long=True),)
