"""A client of the service, for the other tools."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUEST_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.05
"""Seconds between two looks at a condition."""


class NotAnsweredError(Exception):
    """The gateway did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """The status of an answer and its decoded body."""

    status: int
    body: dict[str, Any]


class Api:
    """One gateway at `url`, which has `seconds` to answer; `token` is sent unless it is empty."""

    def __init__(self, url: str, token: str = "", seconds: float = REQUEST_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._seconds = seconds
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Make one request. Raises `NotAnsweredError`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is the user's own
            self.url + path, data, self._headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=self._seconds) as response:  # noqa: S310
                return Answer(response.status, json.loads(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _body_of(error))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotAnsweredError(f"{self.url}{path}: {error}") from error

    def begin(self, id: str, function: str = "foo", body: object = None) -> Answer:
        return self.ask("POST", f"/begin?id={id}&function={function}", body)

    def state(self, id: str) -> dict[str, Any] | None:
        """Return the answer of /wait with all steps, or None if it is no 200 or does not come."""
        try:
            answer = self.ask("GET", f"/wait?id={id}&include=steps")
        except NotAnsweredError:
            return None
        return answer.body if answer.status == 200 else None

    def is_ready(self) -> bool:
        """Return whether the gateway answers, and the server answers it."""
        try:
            answer = self.ask("GET", "/readyz")
            return answer.status == 200 and answer.body["status"] == "ok"
        except NotAnsweredError:
            return False


def _body_of(error: urllib.error.HTTPError) -> dict[str, Any]:
    """Return the body of a refusal, which is empty if something before the gateway refused."""
    try:
        body = json.loads(error.read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def from_environment(environment: Mapping[str, str] = os.environ) -> Api:
    """Return the gateway at GATEWAY_URL, or at GATEWAY_PORT on this machine."""
    local = f"http://localhost:{environment.get('GATEWAY_PORT') or 5001}"
    tokens = environment.get("GATEWAY_TOKENS", "").split(",")
    return Api(environment.get("GATEWAY_URL") or local, tokens[0].strip())


def wait_for[T](condition: Callable[[], T], seconds: float) -> T | None:
    """Return the first truthy value of the condition, or None after the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(PAUSE_SECONDS)
    return None
