"""Where a webhook may go: public addresses, and those private ones that the operator allows.

Clients name the URL. Without a rule they could have the service call what only it can reach: its
own ports, the operator's network, a cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL: Final = 2048
HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
VISIBLE: Final = re.compile(r"[!-~]+")
PORTS: Final = {"http": 80, "https": 443}


class Forbidden(Exception):
    """Nothing is sent there; the text says why, for whoever named the URL."""


class Unresolved(Exception):
    """It cannot be found out right now where the host is."""


@dataclass(frozen=True)
class Target:
    """The parts of a URL that a request needs; `path` has the query, `port` is always there."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Take a URL apart. Raises `Forbidden` if it is none that a webhook can have."""
        if len(url) > LONGEST_URL or not VISIBLE.fullmatch(url):
            raise Forbidden(f"it must be at most {LONGEST_URL} visible ASCII characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Forbidden("it is no URL") from error
        if parts.scheme not in PORTS:
            raise Forbidden("it must begin with https:// or http://")
        if "@" in parts.netloc:
            raise Forbidden("it must hold no user or password")
        if port == 0:
            raise Forbidden("it names no port")
        if not host or not (HOST.fullmatch(host) or ":" in host):
            raise Forbidden("it names no host")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, host, port or PORTS[parts.scheme], f"{parts.path or '/'}{query}")


@dataclass(frozen=True)
class Destinations:
    """Which addresses may be called: public ones, those in `networks`, and any of `hosts`."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, entries: Iterable[str]) -> Destinations:
        """Allow host names, addresses and networks too. Raises `ValueError` with what is none."""
        hosts, networks = set[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if not HOST.fullmatch(entry) or entry.replace(".", "").isdigit():
                    raise ValueError(entry) from None
                hosts.add(_plain(entry))
        return cls(frozenset(hosts), tuple(networks))

    def resolve(self, host: str, port: int) -> list[Address]:
        """Return the host's addresses, each of which may be called; asks the resolver, and waits.

        Raises `Forbidden` if it has none, or one that may not be called, `Unresolved` if the
        resolver does not answer.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY}:
                raise Unresolved(f"{host} cannot be looked up right now") from error
            raise Forbidden(f"there is no host {host}") from error
        except (OSError, UnicodeError) as error:
            raise Forbidden(f"there is no host {host}") from error
        addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
        for address in addresses:
            if not self._allows(host, address):
                raise Forbidden(f"{host} is not a public address")
        return list(dict.fromkeys(addresses))

    def _allows(self, host: str, address: Address) -> bool:
        if _plain(host) in self.hosts or any(address in network for network in self.networks):
            return True
        mapped = getattr(address, "ipv4_mapped", None)
        return self._allows(host, mapped) if mapped is not None else _is_public(address)


def _is_public(address: Address) -> bool:
    """Tell whether everybody can reach it; addresses that carry another one inside count as not."""
    odd = address.is_multicast or address.is_reserved or address.is_unspecified
    if isinstance(address, ipaddress.IPv6Address):
        carries = address.sixtofour is not None or address.teredo is not None
        odd = odd or carries or address.is_site_local
    return address.is_global and not odd


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
