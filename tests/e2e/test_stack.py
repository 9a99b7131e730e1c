"""The containers: what runs, how it is shut in, what survives."""

from __future__ import annotations

import re
import time
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.compose import PREFIX, docker
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.compose import Compose

SERVICES = ["resonate", "gateway", "worker-1", "worker-2", "worker-3"]

REFERENCE: Final = re.compile(
    r"""\b(?:(?:href|src)=|from\s*|import\s*|url\()["']([^"':#]+\.(?:js|css|svg|png))["']"""
)
"""Files to which a page, a script or a style sheet refers."""

BUNDLE: Final = "/docs/swagger-ui-bundle.js"
"""Complete in itself: what looks like a reference in this script is none."""


def secret(compose: Compose) -> str:
    """Return the secret with which the gateway and a worker know each other."""
    read = ["python", "-c", "print(open('/presence/secret').read())"]
    (found,) = {docker("exec", PREFIX + name, *read) for name in ("gateway", "worker-1")}
    return found


@dataclass(frozen=True)
class MadeAnew:
    """The containers after a down and an up, and what there was before."""

    compose: Compose
    seconds: float
    """Seconds from the up until all was healthy, as it said."""

    states: Mapping[str, str]
    """What Docker then says of their health."""

    id: str
    ended: Mapping[str, Any]
    """An execution that had finished, and its state."""

    secret: str


@pytest.fixture(name="anew", scope="module")
def _anew(containers: Compose) -> MadeAnew:
    """Make all containers anew, with the volumes that are there."""
    containers.revive()
    id = f"job-{uuid.uuid4().hex[:12]}"
    containers.begin(id, body={"n": 1})
    ended, known = containers.outcome(id), secret(containers)
    containers("down")
    began = time.monotonic()
    containers.up()
    seconds = time.monotonic() - began
    states = {name: containers.inspect(name)["State"]["Health"]["Status"] for name in SERVICES}
    return MadeAnew(containers, seconds, states, id, ended, known)


def test_all_of_it_becomes_healthy(anew: MadeAnew) -> None:
    """From nothing, with images that are there, every service is healthy within a minute."""
    assert anew.states == dict.fromkeys(SERVICES, "healthy")
    assert anew.seconds < 60


def test_data_survive_a_down_and_an_up(anew: MadeAnew) -> None:
    """An id that finished before is answered after all containers were made anew."""
    assert anew.compose.state(anew.id) == anew.ended
    assert anew.compose.begin(anew.id, body={"n": 1}).body["created"] is False


def test_every_start_has_the_same_secret(anew: MadeAnew) -> None:
    """A gateway and workers of different ages know each other."""
    assert secret(anew.compose) == anew.secret


def test_it_answers_as_the_readme_says(compose: Compose, job: str) -> None:
    """A begun `foo` is resolved a second later."""
    begun = compose.begin(job, body={"foo": "hello"})

    assert (begun.status, begun.body["promise"], begun.body["status"]) == (202, job, "pending")
    assert begun.body["wait"] == f"/wait?id={job}"
    ended = compose.outcome(job)
    assert ended["result"]["result"] == 'Processed: {"foo": "hello"}'


def loaded(compose: Compose, page: str) -> dict[str, str]:
    """Return the types of a page and of all files that it loads, by their paths."""
    types: dict[str, str] = {}
    missing = [page]
    while missing:
        path = missing.pop()
        request = urllib.request.Request(f"{compose.url}{path}", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            types[path] = answer.headers.get_content_type()
            text = answer.read().decode(errors="replace")
        if path != BUNDLE:
            files = {urllib.parse.urljoin(path, each) for each in REFERENCE.findall(text)}
            missing += files - {*types, *missing}
    return types


@pytest.mark.parametrize(("page", "files"), [("/", 20), ("/docs", 4)])
def test_the_image_has_the_pages(compose: Compose, page: str, files: int) -> None:
    """The image has each page with all files to which it, its scripts and its styles refer."""
    types = loaded(compose, page)

    assert types.pop(page) == "text/html"
    assert {*types.values()} >= {"text/css", "text/javascript"}
    assert len(types) >= files


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


def test_more_workers_take_jobs(compose: Compose, job: str) -> None:
    """The profile `scale` adds workers, which take their part of the work."""
    up = ["--profile", "scale", "up", "--no-build", "--wait", "--scale", "worker=5"]
    compose(*up)
    try:
        jobs = [f"{job}-{n}" for n in range(200)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda id: compose.begin(id, "checkout", {"pace": 0.3}), jobs))
        workers = {compose.outcome(id, seconds=60)["worker"] for id in jobs}
        assert len(workers - {"worker-1", "worker-2", "worker-3"}) == 5
    finally:
        compose("--profile", "scale", "rm", "--force", "--stop", "worker")


def test_nothing_of_the_store_is_open_to_the_host(compose: Compose) -> None:
    """The server's ports answer to containers only."""
    ports = docker("port", f"{PREFIX}resonate").strip()

    assert ports == ""
    wait_until(lambda: call(f"{compose.url}/readyz").body["status"] == "ok", what="readiness")
