"""A gateway as one writes it in an afternoon: `python -m bench.baseline.gateway`."""

from __future__ import annotations

import os
import uuid
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI
from resonate import Resonate

app = FastAPI()
resonate = Resonate.remote(
    group="gateway",
    host=os.environ["RESONATE_HOST"],
    store_port=os.environ["RESONATE_PORT_STORE"],
    message_source_port=os.environ["RESONATE_PORT_MESSAGE_SOURCE"],
    log_level="WARNING",
)


def begin(
    id: str | None = None, function: str = "foo", data: Annotated[Any, Body()] = None
) -> dict[str, Any]:
    """Begin an execution of a function on any worker."""
    id = id or str(uuid.uuid4())
    _ = resonate.options(target="poll://any@worker").begin_rpc(id, function, data)
    return {"promise": id, "status": "pending", "wait": f"/wait?id={id}"}


def wait(id: str) -> dict[str, Any]:
    """Return whether an execution has ended, and its result."""
    handle = resonate.get(id)
    if not handle.done():
        return {"status": "pending", "promise_id": id, "done": False}
    return {"status": "resolved", "promise_id": id, "done": True, "result": handle.result()}


app.add_api_route("/begin", begin, methods=["POST"], status_code=202)
app.add_api_route("/wait", wait, methods=["GET"])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["GATEWAY_PORT"]), log_level="warning", access_log=False)
