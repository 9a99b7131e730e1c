"""Reads settings from environment variables, and remembers what is wrong with them.

Every fault is collected and reported together, each naming its variable, so that one start shows
all there is to mend. No fault shows a secret.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.destinations import Destinations

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_GRAMMAR = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
"""What a bearer token may hold (RFC 6750), and long enough not to be guessed."""

HOST_GRAMMAR = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d*)?/?")
"""A name, an IPv4 or a bracketed IPv6 address; the port is recognised only to be refused."""

SIGNING_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""How long a secret of Standard Webhooks may be."""


class SettingsError(Exception):
    """The environment does not make sense; `faults` holds one line for each variable at fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Reader:
    """Reads typed values and remembers what was wrong instead of stopping at the first fault."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []

    def text(self, name: str, default: str, grammar: re.Pattern[str] | None = None) -> str:
        value = self._environment.get(name, "").strip() or default
        if grammar is not None and not grammar.fullmatch(value):
            self.faults.append(f"{name} must match {grammar.pattern}, got {value!r}")
        return value

    def choice(self, name: str, default: str, *allowed: str) -> str:
        value = self.text(name, default).lower()
        if value not in allowed:
            self.faults.append(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        return value

    def number(self, name: str, default: float, low: float, high: float, unit: str) -> float:
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self.faults.append(f"{name} must be {low:g} to {high:g} {unit}, got {raw!r}")
            return default
        return value

    def integer(self, name: str, default: int, low: int, high: int, unit: str) -> int:
        value = self.number(name, default, low, high, unit)
        if not value.is_integer():
            self.faults.append(f"{name} must be a whole number, got {value!r}")
        return int(value)

    def port(self, name: str, default: int, low: int = 1) -> int:
        return self.integer(name, default, low, 65535, "(a TCP port)")

    def url(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if "@" in value:  # not shown: what stands before it is a secret
            self.faults.append(
                f"{name} must hold no user: RESONATE_USERNAME and RESONATE_PASSWORD say it"
            )
        elif not HOST_GRAMMAR.fullmatch(value):
            self.faults.append(f"{name} must look like http://host, got {value!r}")
        elif ":" in urlsplit(value).netloc.rpartition("]")[2]:
            self.faults.append(
                f"{name} must have no port: RESONATE_PORT_STORE and RESONATE_PORT_MESSAGE_SOURCE"
                f" say it, got {value!r}"
            )
        return value.rstrip("/")

    def tokens(self, name: str) -> tuple[str, ...]:
        given = [part.strip() for part in self.text(name, "").split(",")]
        for number, token in enumerate(given, 1):
            if token and not TOKEN_GRAMMAR.fullmatch(token):  # not shown: it is a secret
                self.faults.append(f"{name}: token {number} must match {TOKEN_GRAMMAR.pattern}")
        return tuple(filter(None, given))

    def secret(self, name: str) -> str:
        value = self.text(name, "")
        try:
            raw = base64.b64decode(value.removeprefix(SIGNING_PREFIX), validate=True)
        except ValueError:
            raw = b""
        if value and not (value.startswith(SIGNING_PREFIX) and len(raw) in SECRET_BYTES):
            self.faults.append(
                f"{name} must be {SIGNING_PREFIX} and the base64 of {SECRET_BYTES[0]} to"
                f" {SECRET_BYTES[-1]} random bytes"
            )
        return value

    def destinations(self, name: str) -> Destinations:
        entries = [part.strip() for part in self.text(name, "").split(",")]
        try:
            return Destinations.allowing(filter(None, entries))
        except ValueError as error:
            self.faults.append(f"{name} takes hosts, addresses and networks, got {str(error)!r}")
            return Destinations()

    def finish(self) -> None:
        if self.faults:
            raise SettingsError(self.faults)
