"""The containers: what runs, how it is shut in, what survives."""

from __future__ import annotations

import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.compose import PREFIX, docker
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from tests.support.compose import Compose

SERVICES = ["resonate", "gateway", "worker-1", "worker-2", "worker-3"]


def test_all_of_it_becomes_healthy(compose: Compose) -> None:
    """From nothing, with images that are there, every service is healthy within a minute."""
    compose("down")
    began = time.monotonic()

    compose.up()

    assert time.monotonic() - began < 60
    for name in SERVICES:
        assert compose.inspect(name)["State"]["Health"]["Status"] == "healthy"


def test_it_answers_as_the_readme_says(compose: Compose, job: str) -> None:
    """A begun `foo` is resolved a second later."""
    begun = compose.begin(job, body={"foo": "hello"})

    assert (begun.status, begun.body["promise"], begun.body["status"]) == (202, job, "pending")
    assert begun.body["wait"] == f"/wait?id={job}"
    ended = compose.outcome(job)
    assert ended["result"]["result"] == 'Processed: {"foo": "hello"}'


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"])
def test_the_image_has_the_page_to_try_it(compose: Compose, path: str) -> None:
    """The image has the page at /docs with its parts."""
    with urllib.request.urlopen(f"{compose.url}{path}", timeout=10) as answer:
        assert (answer.status, len(answer.read()) > 200) == (200, True)


def test_only_the_gateway_has_a_port(compose: Compose) -> None:
    """Nothing but the gateway is published, and that on loopback."""
    for name in SERVICES:
        bindings = compose.inspect(name)["HostConfig"]["PortBindings"] or {}
        published = [(b["HostIp"], b["HostPort"]) for ports in bindings.values() for b in ports]
        assert published == ([("127.0.0.1", str(compose.port))] if name == "gateway" else [])


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_shut_in(compose: Compose, name: str) -> None:
    """No root, no capability, nothing writable but what must be, bounded memory and logs."""
    container = compose.inspect(name)
    host = container["HostConfig"]

    assert container["Config"]["User"].split(":")[0] not in {"", "0", "root"}
    assert host["ReadonlyRootfs"] is True
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Init"] is True
    assert host["Memory"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert {"max-size", "max-file"} <= host["LogConfig"]["Config"].keys()


@pytest.mark.parametrize(
    ("image", "own", "others"),
    [
        (
            "worker",
            ["durable_http", "shared", "worker"],
            ["gateway", "aiohttp", "uvloop", "pip", "uv"],
        ),
        ("gateway", ["shared", "gateway"], ["durable_http", "worker", "uv"]),
    ],
)
def test_an_image_holds_only_its_own(
    compose: Compose, image: str, own: list[str], others: list[str]
) -> None:
    """Each image has its packages and `shared`, and nothing that only the other side needs."""
    code = (
        "import importlib.util as u, os, sys;"
        "print(*sorted(n for n in os.listdir('/app') if n[0] != '.'));"
        "print(*[n for n in sys.argv[1:] if n in os.listdir('/app/.venv/bin') or n != 'pip'"
        " and u.find_spec(n)])"
    )
    entry = ["run", "--rm", "--entrypoint", "python", f"{PREFIX}durable-http-{image}", "-c", code]

    assert docker(*entry, *others).splitlines() == [" ".join(sorted(own)), ""]


def test_data_survive_a_down_and_an_up(compose: Compose, job: str) -> None:
    """An id that finished before is answered after all containers were made anew."""
    compose.begin(job, body={"n": 1})
    before = compose.outcome(job)

    compose("down")
    compose.up()

    assert compose.state(job) == before
    assert compose.begin(job, body={"n": 1}).body["created"] is False


def test_more_workers_take_jobs(compose: Compose, job: str) -> None:
    """The profile `scale` adds workers, which take their part of the work."""
    up = ["--profile", "scale", "up", "--no-build", "--wait", "--scale", "worker=5"]
    compose(*up)
    try:
        jobs = [f"{job}-{n}" for n in range(200)]
        for id in jobs:
            compose.begin(id, "checkout", {"pace": 0.3})
        workers = {compose.outcome(id, seconds=60)["worker"] for id in jobs}
        assert len(workers - {"worker-1", "worker-2", "worker-3"}) == 5
    finally:
        compose("--profile", "scale", "rm", "--force", "--stop", "worker")


def test_nothing_of_the_store_is_open_to_the_host(compose: Compose) -> None:
    """The server's ports answer to containers only."""
    ports = docker("port", f"{PREFIX}resonate").strip()

    assert ports == ""
    wait_until(lambda: call(f"{compose.url}/readyz").status == 200, what="readiness")
