"""Reads settings from environment variables and collects their faults.

All faults are reported together, each with its variable's name, so that one failed start shows
everything that needs a correction. No fault shows a secret.
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
"""A bearer token: the characters of RFC 6750, and long enough not to be guessed."""

HOST_GRAMMAR = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d*)?/?")
"""A name, an IPv4 or a bracketed IPv6 address; a port matches only to get a fault of its own."""

SIGNING_PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
"""Lengths, in bytes, that Standard Webhooks allows for a secret."""


class SettingsError(Exception):
    """The environment cannot be used; `faults` has one line for each variable at fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class EnvironmentReader:
    """Reads typed values; a wrong value adds a fault, and `finish` raises all faults at once."""

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
        if "@" in value:  # the value is not shown: the part before the @ is a secret
            self.faults.append(
                f"{name} must not contain a user: set RESONATE_USERNAME and RESONATE_PASSWORD"
            )
        elif not HOST_GRAMMAR.fullmatch(value):
            self.faults.append(f"{name} must look like http://host, got {value!r}")
        elif ":" in urlsplit(value).netloc.rpartition("]")[2]:
            self.faults.append(
                f"{name} must not contain a port: set RESONATE_PORT_STORE and"
                f" RESONATE_PORT_MESSAGE_SOURCE, got {value!r}"
            )
        return value.rstrip("/")

    def tokens(self, name: str) -> tuple[str, ...]:
        tokens = [part.strip() for part in self.text(name, "").split(",")]
        for number, token in enumerate(tokens, 1):
            if token and not TOKEN_GRAMMAR.fullmatch(token):  # not shown: it is a secret
                self.faults.append(f"{name}: token {number} must match {TOKEN_GRAMMAR.pattern}")
        return tuple(filter(None, tokens))

    def names(self, name: str) -> list[str]:
        """Return a comma-separated list in lower case, without blanks."""
        parts = [part.strip() for part in self.text(name, "").lower().split(",")]
        return list(filter(None, parts))

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
            self.faults.append(
                f"{name} must be a list of hosts, addresses and networks, got {str(error)!r}"
            )
            return Destinations()

    def finish(self) -> None:
        if self.faults:
            raise SettingsError(self.faults)
