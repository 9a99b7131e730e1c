"""Services that send webhooks to receivers on this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from standardwebhooks import Webhook

from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.receiver import Receiver
    from tests.support.stack import Stack

SECRET = "whsec_" + "c2VjcmV0" * 4
WEBHOOKS = {"WEBHOOK_SECRET": SECRET, "GATEWAY_CALLBACK_ALLOW": "127.0.0.1"}


@contextlib.contextmanager
def calling_back(directory: Path, workers: int = 2) -> Iterator[Stack]:
    """Run a service whose webhooks may reach this machine."""
    with running_stack(directory, workers=0, gateway=WEBHOOKS) as stack:
        for number in range(1, workers + 1):
            stack.add_worker(f"worker-{number}", **WEBHOOKS)
        yield stack


def begin(
    stack: Stack,
    id: str,
    url: str,
    function: str = "checkout",
    *,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> None:
    """Begin an execution with a callback; `more` is its `body`, and further parameters."""
    body = more.pop("body", None)
    query = {"id": id, "function": function, "callback": url, **more}
    answer = call(f"{stack.url}/begin?{urlencode(query)}", "POST", body, headers=headers)
    assert answer.status == 202, answer


def delivered(receiver: Receiver, count: int = 1, seconds: float = 20) -> list[dict[str, object]]:
    """Wait for `count` calls; verify their signatures and return their bodies."""
    wait_until(lambda: len(receiver.calls) >= count, seconds=seconds, what=f"{count} calls")
    webhook = Webhook(SECRET)
    return [webhook.verify(call.body, call.headers) for call in receiver.calls]
