"""What web pages in a browser may do: which origins may call, and by which host names.

A browser sends requests for any page that its user opens, also to a gateway that only this machine
reaches. A token protects from that, since a page does not have it. A gateway without tokens refuses

1. requests of foreign origins, as the headers `Origin` and `Sec-Fetch-Site` show them;
2. host names that are not its own: a page can have its own name resolve to the gateway's address
   (DNS rebinding), and would then be of the same origin.

https://fetch.spec.whatwg.org/#http-cors-protocol, https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import ForbiddenHost, ForbiddenOrigin
from gateway.http.keys import SETTINGS

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings

HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that answer anybody: they show nothing of executions, and load balancers and Prometheus ask
by names of their own."""

HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{0,5})?")
"""The header `Host`: a name, an IPv4 or a bracketed IPv6 address, and perhaps a port."""

KNOWN_HOSTS: Final = 256
"""Values of the header `Host` that are remembered with what they are."""

OTHER_SITES: Final = frozenset({"cross-site", "same-site"})
"""Values of `Sec-Fetch-Site` for requests of another origin."""

DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
"""Ports that an origin does not name, and a `Host` need not."""

ANY: Final = "*"
PREFLIGHT_SECONDS: Final = "600"
ALLOWED_METHODS: Final = "GET, HEAD, POST"
ALLOWED_HEADERS: Final = ", ".join(
    (
        *("Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "If-None-Match"),
        *("Last-Event-ID", "Prefer", "X-Request-Id", "traceparent", "tracestate"),
    )
)
EXPOSED_HEADERS: Final = ", ".join(
    (
        *("ETag", "Error-Source", "Idempotent-Replayed", "Location", "Preference-Applied"),
        *("Retry-After", "WWW-Authenticate", "X-Request-Id"),
    )
)
"""Headers of answers that a page may read besides those that every page may."""


def preflight_answer(request: web.Request) -> web.Response | None:
    """Refuse what no page may do, and return the answer to a preflight request of those that may.

    All other requests are to be served. Raises `ForbiddenHost` and `ForbiddenOrigin`.
    """
    settings = request.app[SETTINGS]
    if request.path not in HEALTH_PATHS:
        _require_host(request, settings)
        if not settings.tokens:
            _require_origin(request, settings)
    if _is_preflight(request) and _allowed_origin(request, settings):
        return web.Response(status=204, headers=_preflight_headers(request))
    return None


def share(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of the configured origins read an answer: of any status, and streams too."""
    settings = request.app[SETTINGS]
    if not settings.cors_origins:
        return
    response.headers.add("Vary", "Origin")
    allowed = _allowed_origin(request, settings)
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


def _require_host(request: web.Request, settings: GatewaySettings) -> None:
    """Raise `ForbiddenHost` for a name that is not this gateway's.

    A request without `Host` comes from no browser.
    """
    if settings.tokens and not settings.allowed_hosts:
        return
    for host in filter(None, request.headers.getall("Host", ())):
        if ANY not in settings.allowed_hosts and not _is_own(host, settings.allowed_hosts):
            raise ForbiddenHost(
                "The Host is not a name of this gateway; GATEWAY_ALLOWED_HOSTS sets its names."
            )


def _is_own(host: str, configured: tuple[str, ...]) -> bool:
    name, is_address = _name_of(host.strip())
    if is_address or name in configured:
        return True
    return bool(name) and name == socket.gethostname().lower()


@functools.lru_cache(KNOWN_HOSTS)
def _name_of(host: str) -> tuple[str, bool]:
    """Return the name in a header `Host`, and whether no page can have it resolved elsewhere.

    Those are IP addresses and the names of this machine itself. A bad header has an empty name.
    """
    match = HOST.fullmatch(host)
    if match is None:
        return "", False
    name = (match["v6"] or match["name"]).lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return name, True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name, False
    return name, True


def _require_origin(request: web.Request, settings: GatewaySettings) -> None:
    """Raise `ForbiddenOrigin` for a request of a page that is not this gateway's own."""
    if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
        return
    if _allowed_origin(request, settings):
        return
    # The scheme is not compared: behind a proxy with TLS only the page's browser knows it.
    host = request.host.lower()
    own = {f"{scheme}://{host.removesuffix(port)}" for scheme, port in DEFAULT_PORTS.items()}
    foreign = any(origin.lower() not in own for origin in request.headers.getall("Origin", ()))
    site = request.headers.get("Sec-Fetch-Site", "").strip().lower()
    if foreign or (site in OTHER_SITES and not _is_navigation(request)):
        raise ForbiddenOrigin(
            "Pages of other origins may not call this gateway; GATEWAY_CORS_ORIGINS allows some."
        )


def _is_navigation(request: web.Request) -> bool:
    """Return whether a person follows a link: it changes nothing, and its page sees no answer."""
    mode, target = (request.headers.get(f"Sec-Fetch-{name}", "") for name in ("Mode", "Dest"))
    return request.method in {"GET", "HEAD"} and (mode, target) == ("navigate", "document")


def _is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _allowed_origin(request: web.Request, settings: GatewaySettings) -> str | None:
    """Return the value of `Access-Control-Allow-Origin`, None for a page that may not call."""
    origins = request.headers.getall("Origin", ())
    if len(origins) != 1:
        return None
    if ANY in settings.cors_origins:
        return ANY
    return origins[0] if origins[0].lower() in settings.cors_origins else None


def _preflight_headers(request: web.Request) -> dict[str, str]:
    headers = {
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers
