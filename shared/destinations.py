"""Addresses that webhooks may call: public ones, and private ones that the operator allows.

Clients choose the URL. Without this rule a client could make the service call addresses that only
the service can reach: its own ports, the operator's network, a cloud's metadata service.
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
    """A webhook may not call this URL; the text is the reason, for the client that sent the URL."""


class Unresolved(Exception):
    """The host's name could not be resolved now; a later attempt may succeed."""


@dataclass(frozen=True)
class Target:
    """The parts of a URL that a request needs; `path` includes the query, `port` is always set."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Return the parts of a URL. Raises `Forbidden` for a URL that no webhook can have."""
        if len(url) > LONGEST_URL or not VISIBLE.fullmatch(url):
            raise Forbidden(f"must be at most {LONGEST_URL} visible ASCII characters")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise Forbidden("must be a URL") from error
        if parts.scheme not in PORTS:
            raise Forbidden("must begin with https:// or http://")
        if "@" in parts.netloc:
            raise Forbidden("must not contain a user or password")
        if port == 0:
            raise Forbidden("port 0 cannot be called")
        if not host or not (HOST.fullmatch(host) or ":" in host):
            raise Forbidden("must have a valid host name or address")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, host, port or PORTS[parts.scheme], f"{parts.path or '/'}{query}")


@dataclass(frozen=True)
class Destinations:
    """Addresses that may be called: public ones, those in `networks`, and all of `hosts`."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def allowing(cls, entries: Iterable[str]) -> Destinations:
        """Allow hosts, addresses and networks as well. Raises `ValueError` with any other entry."""
        hosts, networks = set[str](), list[Network]()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                if not HOST.fullmatch(entry) or entry.replace(".", "").isdigit():
                    raise ValueError(entry) from None
                hosts.add(_normalized(entry))
        return cls(frozenset(hosts), tuple(networks))

    def resolve(self, host: str, port: int) -> list[Address]:
        """Return the host's addresses, all of which may be called. Blocks for the resolver.

        Raises `Forbidden` if the host has no address or one that may not be called, and
        `Unresolved` if the resolver does not answer.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in {socket.EAI_AGAIN, socket.EAI_SYSTEM, socket.EAI_MEMORY}:
                raise Unresolved(f"{host} cannot be resolved now") from error
            raise Forbidden(f"host {host} does not exist") from error
        except (OSError, UnicodeError) as error:
            raise Forbidden(f"host {host} does not exist") from error
        addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
        for address in addresses:
            if not self._allows(host, address):
                raise Forbidden(f"{host} is not a public address")
        return list(dict.fromkeys(addresses))

    def _allows(self, host: str, address: Address) -> bool:
        if _normalized(host) in self.hosts or any(address in network for network in self.networks):
            return True
        mapped = getattr(address, "ipv4_mapped", None)
        return self._allows(host, mapped) if mapped is not None else _is_public(address)


def _is_public(address: Address) -> bool:
    """Return whether an address is public: global, of ordinary use, no tunnel to another one."""
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    if isinstance(address, ipaddress.IPv6Address):
        # 6to4 and Teredo addresses contain an IPv4 address, which may be a private one.
        tunnel = address.sixtofour is not None or address.teredo is not None
        special = special or tunnel or address.is_site_local
    return address.is_global and not special


def _normalized(host: str) -> str:
    return host.lower().rstrip(".")
