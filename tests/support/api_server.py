"""A real API server of Kubernetes with its etcd, on loopback. No node and no controller runs."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.ports import free_port
from tests.support.processes import Answer, wait_until
from tools.kubernetes.programs import module_file, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.manifests import Object

OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
KEDA = "github.com/kedacore/keda/v2@v2.18.1"
DEFINITIONS = (
    *((OPERATOR, f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml")
      for kind in ("servicemonitors", "podmonitors", "prometheusrules")),
    (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
)  # fmt: skip
"""The definitions of what is for operators, as these ship them."""


@dataclass
class ApiServer:
    """A client of the API server, who may do everything."""

    port: int
    token: str
    _plurals: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    def call(self, path: str, method: str = "GET", body: object = None, kind: str = "") -> Answer:
        """Send a request and return its answer, whatever its status."""
        # It speaks with a certificate that it has made for itself.
        context = ssl._create_unverified_context()
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": kind or "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return Answer(answer.status, _parsed(answer.read()), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parsed(error.read()), dict(error.headers))

    def path(self, it: Object) -> str:
        """Return the path of the objects of this one's kind, in its namespace."""
        version, kind = it["apiVersion"], it["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, kind) not in self._plurals:
            for each in self.call(root).body["resources"]:
                if "/" not in each["name"]:
                    key = (version, each["kind"])
                    self._plurals[key] = (each["name"], each["namespaced"])
        plural, namespaced = self._plurals[version, kind]
        return f"{root}/namespaces/{it['metadata']['namespace']}/{plural}" if namespaced else (
            f"{root}/{plural}"
        )  # fmt: skip

    def apply(self, it: Object, *, dry: bool = False) -> Answer:
        """Apply an object as `kubectl apply --server-side` does; unknown fields are an error."""
        query = "?fieldManager=tests&force=true&fieldValidation=Strict" + "&dryRun=All" * dry
        path = f"{self.path(it)}/{it['metadata']['name']}{query}"
        return self.call(path, "PATCH", it, "application/apply-patch+yaml")

    def create(self, it: Object) -> Answer:
        """Create an object; unknown fields are an error."""
        return self.call(f"{self.path(it)}?fieldValidation=Strict", "POST", it)

    def is_ready(self) -> bool:
        try:
            return self.call("/readyz").status == 200
        except OSError:
            return False


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Run etcd and an API server, which knows the kinds of the operators."""
    ports = [free_port() for _ in range(3)]
    token = secrets.token_hex(16)
    (folder / "tokens").write_text(f'{token},tester,1,"system:masters"\n')
    key = str(folder / "key.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    client, peer = (f"http://127.0.0.1:{port}" for port in ports[:2])
    etcd = [
        str(program("etcd")), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync",
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}",
    ]  # fmt: skip
    server = [
        str(program("kube-apiserver")), "--etcd-servers", client, "--bind-address", "127.0.0.1",
        "--secure-port", str(ports[2]), "--cert-dir", str(folder / "certificates"),
        "--token-auth-file", str(folder / "tokens"), "--authorization-mode", "AlwaysAllow",
        "--service-account-issuer", "https://127.0.0.1", "--service-account-key-file", key,
        "--service-account-signing-key-file", key,
    ]  # fmt: skip
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in (etcd, server):
            log = (folder / f"{len(running)}.log").open("wb")
            running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
            log.close()
        found = ApiServer(ports[2], token)
        wait_until(found.is_ready, seconds=120, what="an API server")
        define(found)
        yield found
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def define(server: ApiServer) -> None:
    """Have the server know the kinds of the operators."""
    for module, path in DEFINITIONS:
        (it,) = yaml.safe_load_all(module_file(module, path).read_text())
        assert server.apply(it).status in {200, 201}
        name = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{it['metadata']['name']}"
        wait_until(lambda: _is_established(server, name), what=it["metadata"]["name"])  # noqa: B023


def _is_established(server: ApiServer, path: str) -> bool:
    conditions = server.call(path).body.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
