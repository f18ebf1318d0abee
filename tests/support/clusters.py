"""One Kubernetes cluster for tests, embedded or real, behind one interface.

    async def test_something(cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(DEPLOYMENTS, manifest, namespace)
        assert cluster.requests().count(user_agent="kopf", verb="list") == 1

Without `KUBEBUILDER_ASSETS` every test gets an embedded cluster of its own. With it, all tests of
a process share one real control plane: each makes namespaces of its own, while cluster-wide
objects stay. In both, the playground's kubelet makes pods ready.
"""

import asyncio
import itertools
import secrets
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Self, TypeVar

import pytest
import pytest_asyncio
import yaml

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.api.auth import ADMIN
from canary_operator.playground.api.requests import RequestLog
from canary_operator.playground.client import (
    APPLY,
    NAMESPACES,
    ApiStatusError,
    Client,
    Manifest,
    NotFoundError,
    Resource,
)
from canary_operator.playground.controllers.bundle import Controllers
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.kubelet import Kubelet
from canary_operator.playground.controllers.runtime import PodRuntime
from tests.support.audit import AuditLog, Denied
from tests.support.realplane import (
    SERVICE_ACCOUNTS,
    Access,
    RealControlPlane,
    account_access,
    assets_folder,
)

T = TypeVar("T")

DEFINITIONS = Resource("customresourcedefinitions", "apiextensions.k8s.io", namespaced=False)
DEFINITION_FOLDERS = (
    Path(__file__).parents[2] / "crds",
    Path(__file__).parents[2] / "canary_operator" / "playground" / "crds",
)

STARTED = pytest.StashKey[RealControlPlane]()
"""Where the control plane of this process waits for further tests."""

ADMIN_TOKEN = "admin"
"""Of the embedded API, which is on loopback and has nothing to hide."""

FIELD_MANAGER = "tests"
READY_SECONDS = 20.0
CLOSE_SECONDS = 1.0
POLL_SECONDS = 0.02
NOT_YET = (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""What a server says of a resource that it has just begun to serve."""


class Cluster(ABC):
    """An API server, controllers, and a node; use it as an async context manager."""

    collects_garbage = True
    """Whether children go with their owner."""
    client: Client
    """Acts as an administrator."""
    kubelet: Kubelet
    """The node, where tests let pods fail and heal."""

    def __init__(self, access: Access, kubeconfig: Path, runtime: PodRuntime) -> None:
        self.access = access
        self.kubeconfig = kubeconfig
        self._runtime = runtime
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            self.client = await exits.enter_async_context(self.access.client())
            self.kubelet = await self._start(exits)
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    @property
    def url(self) -> str:
        """Address of the API server."""
        return self.access.url

    @property
    def token(self) -> str | None:
        """Bearer token of an administrator, where the server asks for one."""
        return self.access.token

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """Trust for `https`."""
        return self.access.ssl_context()

    async def namespace(self, prefix: str = "test") -> str:
        """Make a namespace that nobody else has, ready for pods, and return its name."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        await self.client.create(NAMESPACES, {"metadata": {"name": name}})
        return name

    @abstractmethod
    def requests(self) -> RequestLog:
        """Return what was asked of the API server since the last `forget_requests`."""

    @abstractmethod
    def forget_requests(self) -> None:
        """Count from here."""

    async def service_account(self, namespace: str, name: str) -> Access:
        """Return the access of an existing ServiceAccount, who may do what RBAC lets them."""
        return await account_access(self.access, namespace, name)

    @abstractmethod
    def denied(self, user: str) -> set[Denied]:
        """Return what a user was not allowed to do, `forget_requests` or not."""

    @abstractmethod
    async def _start(self, exits: AsyncExitStack) -> Kubelet:
        """Start what the API server does not do itself."""


class EmbeddedCluster(Cluster):
    """The playground's own API server and controllers."""

    def __init__(self, api: EmbeddedAPI, kubeconfig: Path, runtime: PodRuntime) -> None:
        super().__init__(Access(api.url, ADMIN_TOKEN), kubeconfig, runtime)
        self.access.write_kubeconfig(kubeconfig)
        api.authorizer.tokens[ADMIN_TOKEN] = ADMIN
        self.api = api
        """Where tests inject faults."""

    def requests(self) -> RequestLog:
        return RequestLog(list(self.api.requests.entries))

    def forget_requests(self) -> None:
        self.api.requests.reset()

    async def service_account(self, namespace: str, name: str) -> Access:
        """Return the access of an existing ServiceAccount; from now on, rights matter.

        They do not before, because kubectl shows its token to no server without TLS.
        """
        self.api.authorizer.enabled = True
        return await super().service_account(namespace, name)

    def denied(self, user: str) -> set[Denied]:
        return {
            Denied(asked.verb, asked.resource)
            for asked in self.api.authorizer.asked
            if asked.user == user and not asked.granted
        }

    async def _start(self, exits: AsyncExitStack) -> Kubelet:
        controllers = Controllers(self.client, runtime=self._runtime)
        return (await exits.enter_async_context(controllers)).kubelet


class RealCluster(Cluster):
    """A real control plane, with a kubelet that only this test has."""

    def __init__(self, plane: RealControlPlane, runtime: PodRuntime) -> None:
        super().__init__(plane.admin, plane.kubeconfig, runtime)
        self.collects_garbage = plane.has_controllers
        self._plane = plane
        self._audit = AuditLog(plane.audit_log)
        self._whole_audit = AuditLog(plane.audit_log)
        self._namespaces: list[str] = []

    async def namespace(self, prefix: str = "test") -> str:
        name = await super().namespace(prefix)
        self._namespaces.append(name)
        if self._plane.has_controllers:  # without this account, pods are refused
            await _answer(self.client, SERVICE_ACCOUNTS.path(name, "default"))
        return name

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        with suppress(TimeoutError):
            await eventually(self._is_disconnected, CLOSE_SECONDS)

    def requests(self) -> RequestLog:
        return self._audit.read()

    def forget_requests(self) -> None:
        self._audit.forget()

    def denied(self, user: str) -> set[Denied]:
        return self._whole_audit.denied(user)

    async def _start(self, exits: AsyncExitStack) -> Kubelet:
        if self._plane.has_controllers:
            kubelet = await exits.enter_async_context(Kubelet(self.client, self._runtime))
        else:
            controllers = Controllers(self.client, runtime=self._runtime)
            kubelet = (await exits.enter_async_context(controllers)).kubelet
        exits.push_async_callback(self._delete_namespaces)
        return kubelet

    async def _is_disconnected(self) -> bool:
        """Return whether the last connection is gone: after `close`, TLS says goodbye first."""
        transports = asyncio.get_running_loop()._transports.values()  # type: ignore[attr-defined]
        ends = [each.get_extra_info("peername") for each in transports if each._sock]
        return all(not end or end[1] != self._plane.port for end in ends)

    async def _delete_namespaces(self) -> None:
        """Ask for it only: the pods go when the next test's kubelet lets them."""
        for name in self._namespaces:
            with suppress(NotFoundError):
                await self.client.delete(NAMESPACES, name)


async def load_definitions(client: Client, *folders: Path) -> None:
    """Apply the CustomResourceDefinitions in `folders` and wait until all are served."""
    definitions = [each for folder in folders for each in _definitions(folder)]
    for each in definitions:
        name = each["metadata"]["name"]
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        await client.patch(DEFINITIONS, name, each, ctype=APPLY, **query)
    for each in definitions:
        await _until_served(client, each)


@cache
def _definitions(folder: Path) -> tuple[Manifest, ...]:
    documents = (yaml.safe_load_all(path.read_text()) for path in sorted(folder.glob("*.yaml")))
    return tuple(each for each in itertools.chain.from_iterable(documents) if each)


async def _until_served(client: Client, definition: Manifest) -> None:
    """Wait until the server both says so and does so."""
    name = definition["metadata"]["name"]

    async def established() -> bool:
        return _is_established(await client.get(DEFINITIONS, name))

    await eventually(established)
    for resource in _resources(definition):
        await _answer(client, resource.path())


def _is_established(definition: Manifest) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def _resources(definition: Manifest) -> Iterator[Resource]:
    spec = definition["spec"]
    for version in spec["versions"]:
        if version["served"]:
            yield Resource(spec["names"]["plural"], spec["group"], version["name"])


async def _answer(client: Client, path: str) -> Manifest:
    """Return the answer to a GET as soon as the server has one."""

    async def ask() -> Manifest | None:
        try:
            return await client.request("GET", path)
        except ApiStatusError as error:
            if error.code in NOT_YET:
                return None
            raise

    return await eventually(ask)


async def eventually(ask: Callable[[], Awaitable[T | None]], seconds: float = READY_SECONDS) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        TimeoutError: it was not within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not (answer := await ask()):  # noqa: ASYNC110 - the other side sends no signal
            await asyncio.sleep(POLL_SECONDS)
        return answer


@pytest.fixture
def pod_runtime() -> PodRuntime:
    """Override it where pods should do more than become ready at once."""
    return InstantRuntime()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_plane(
    pytestconfig: pytest.Config,
) -> AsyncIterator[RealControlPlane | None]:
    """The real control plane of this process, `None` where tests run on the embedded API."""
    folder = assets_folder()
    if folder is None or STARTED in pytestconfig.stash:  # every conftest has this fixture anew
        yield pytestconfig.stash.get(STARTED, None)
        return
    async with RealControlPlane(folder) as plane:
        async with plane.admin.client() as client:
            await load_definitions(client, *DEFINITION_FOLDERS)
        pytestconfig.stash[STARTED] = plane
        yield plane


@pytest_asyncio.fixture
async def cluster(
    control_plane: RealControlPlane | None, pod_runtime: PodRuntime, tmp_path: Path
) -> AsyncIterator[Cluster]:
    """A cluster with the definitions of the project and of the playground."""
    if control_plane:
        async with RealCluster(control_plane, pod_runtime) as real:
            yield real
        return
    async with (
        EmbeddedAPI() as api,
        EmbeddedCluster(api, tmp_path / "kubeconfig", pod_runtime) as embedded,
    ):
        await load_definitions(embedded.client, *DEFINITION_FOLDERS)
        embedded.forget_requests()
        yield embedded
