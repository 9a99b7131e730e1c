"""POST requests to URLs that clients name: where they may go, and for how long."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpcore

from shared.destinations import Forbidden, Target, Unresolved
from worker.webhooks.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from httpcore import SOCKET_OPTION, NetworkStream

    from shared.destinations import Destinations

ATTEMPT_SECONDS: Final = 15.0
"""Seconds for the lookup, the connection, the request and the head of the answer together."""


@dataclass(frozen=True)
class Answer:
    """The status of a receiver's answer, and the seconds of its `Retry-After`, None without one."""

    status: int
    retry_after: float | None


class NotDelivered(Exception):
    """The receiver did not accept a webhook; the text says why, and names only the host."""


class Poster:
    """Makes POST requests to the allowed destinations. Safe to use from any thread."""

    def __init__(self, allowed: Destinations, seconds: float = ATTEMPT_SECONDS) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the receiver's answer, or raise `NotDelivered`.

        The connection goes to the address that was checked, even if the name resolves to another
        one a moment later. Redirects are not followed and no proxy is used.
        """
        try:
            return self._post(Target.of(url), headers, body)
        except (Forbidden, Unresolved) as error:
            raise NotDelivered(str(error)) from error
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise NotDelivered(f"no answer within {self._seconds:g} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise NotDelivered(f"the connection failed: {type(error).__name__}") from error

    def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        with (
            httpcore.ConnectionPool(
                ssl_context=self._tls,
                network_backend=GuardedBackend(self._allowed, self._seconds),
            ) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body) as answer,
        ):
            received = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in answer.headers
            }
            return Answer(answer.status, retry_after(received))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects only to allowed addresses, and ends all waits at one deadline."""

    def __init__(self, allowed: Destinations, seconds: float) -> None:
        self._allowed = allowed
        self._deadline = time.monotonic() + seconds
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is for all waits
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        last_error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._allowed.resolve(host, port):
            try:
                stream = self._backend.connect_tcp(
                    str(address), port, _left(self._deadline), local_address, socket_options
                )
            except httpcore.NetworkError as error:
                last_error = error
            else:
                return _Stream(stream, self._deadline)
        raise last_error


class _Stream(httpcore.NetworkStream):
    """A connection that ends all waits at one deadline, even if a receiver sends byte by byte."""

    def __init__(self, stream: NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
