"""A real Kubernetes control plane on loopback, for as long as a test needs it.

It starts programs that are already there: `etcd`, `kube-apiserver` and, where present,
`kube-controller-manager`, in the folder that the environment variable `KUBEBUILDER_ASSETS` names
(the convention of envtest). There is no kubelet: whoever needs ready pods brings a stand-in.

    async with RealControlPlane(assets) as plane, plane.admin.client() as client:
        print(await client.list(NAMESPACES))

Everything lives in one temporary folder. etcd listens on a Unix socket in it, the API server on a
free port of 127.0.0.1, with a certificate of its own making.
"""

import asyncio
import json
import os
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from canary_operator.playground.client import ApiError, Client, Resource
from canary_operator.playground.daemon import Daemon, DaemonError

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"

SERVICE_ACCOUNTS = Resource("serviceaccounts")

START_SECONDS = 60.0
POLL_SECONDS = 0.05
TOKEN_SECONDS = 3600
AUDIT_MEGABYTES = 10_000
"""More than any test writes: a log that is moved away loses its reader."""

ADMIN = "admin"

ETCD_SOCKET = "unix://etcd:1"
ETCD_PEER_SOCKET = "unix://etcd-peer:1"
"""Files in the folder, since the path of a socket must be short; etcd 3.6 insists on a port."""

ETCD_FLAGS = (
    "--data-dir=etcd",
    f"--listen-client-urls={ETCD_SOCKET}",
    f"--advertise-client-urls={ETCD_SOCKET}",
    f"--listen-peer-urls={ETCD_PEER_SOCKET}",
    f"--initial-advertise-peer-urls={ETCD_PEER_SOCKET}",
    f"--initial-cluster=default={ETCD_PEER_SOCKET}",
    "--unsafe-no-fsync",
)

FURTHER_PLUGINS = ("OwnerReferencesPermissionEnforcement",)
"""Not on by default, but on some clusters, OpenShift among them: rights must be enough there."""

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "serviceaccount-controller",
)
"""Nothing that judges nodes: the node of a stand-in sends no heartbeats."""

CONTROLLER_FLAGS = (
    "--kubeconfig=kubeconfig",
    f"--controllers={','.join(CONTROLLERS)}",
    "--leader-elect=false",
    "--secure-port=0",
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
)

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line per request: watches when they start, the others when they are answered. What the
    # API server asks of itself does not count.
    "rules": [
        {"level": "None", "users": ["system:apiserver"]},
        {
            "level": "Metadata",
            "verbs": ["watch"],
            "omitStages": ["RequestReceived", "ResponseComplete"],
        },
        {"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]},
    ],
}


class MissingAssetsError(RuntimeError):
    """The programs of a control plane are not where they should be."""


@dataclass(frozen=True)
class Access:
    """How one user reaches one API server: address, identity, trust."""

    url: str
    token: str | None = None
    ca_file: Path | None = None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the trust for `https`, `None` for plain `http`."""
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None

    def client(self) -> Client:
        """Return a client that acts as this user; open it with `async with`."""
        return Client(self.url, token=self.token, ssl_context=self.ssl_context())

    def write_kubeconfig(self, path: Path, namespace: str = "default") -> Path:
        """Write a kubeconfig that acts as this user, readable by its owner only."""
        trust = {"certificate-authority": str(self.ca_file)} if self.ca_file else {}
        context = {"cluster": "test", "user": "test", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, **trust}}],
            "users": [{"name": "test", "user": {"token": self.token} if self.token else {}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))
        return path


class RealControlPlane:
    """etcd, kube-apiserver and kube-controller-manager; use it as an async context manager."""

    def __init__(self, assets: Path, users: Mapping[str, Sequence[str]] | None = None) -> None:
        """Prepare, start nothing yet.

        Args:
            assets: Folder of the programs, see `assets_folder`.
            users: Further users, by name, with their groups; they may do nothing until RBAC lets
                them. An API server learns its users at the start.
        """
        self.port = 0
        """Of the API server, on 127.0.0.1; known once it is started."""
        self.has_controllers = _is_program(assets / "kube-controller-manager")
        """Whether it does what `CONTROLLERS` says."""
        self._assets = assets
        self._users = {**(users or {}), ADMIN: ("system:masters",)}
        self._tokens = {user: secrets.token_hex(16) for user in self._users}
        self._stack = AsyncExitStack()
        self._folder = Path()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Address of the API server."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def admin(self) -> Access:
        """Access of an administrator (`system:masters`), to whom RBAC denies nothing."""
        return self.user(ADMIN)

    @property
    def token(self) -> str:
        """Token of the administrator."""
        return self._tokens[ADMIN]

    @property
    def ca_file(self) -> Path:
        """The certificates that vouch for the API server."""
        return self._folder / "certs" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator."""
        return self._folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """What was asked of the API server, one JSON event per request and line."""
        return self._folder / "audit.log"

    def user(self, name: str) -> Access:
        """Return the access of a user that was named at the start."""
        return Access(self.url, self._tokens[name], self.ca_file)

    async def service_account(self, namespace: str, name: str) -> Access:
        """Return the access of an existing ServiceAccount, for an hour."""
        return await account_access(self.admin, namespace, name)

    async def _start(self) -> None:
        folder = TemporaryDirectory(prefix="control-plane-")
        self._folder = Path(self._stack.enter_context(folder))
        self.port = self._stack.enter_context(_reserved_port()).getsockname()[1]
        self._write_files()
        await self._run("etcd", *ETCD_FLAGS)
        api_server = await self._run("kube-apiserver", *self._api_server_flags())
        await _until(self._has_certificate, api_server)
        async with self.admin.client() as client:
            await _until(partial(_is_ready, client), api_server)
            if self.has_controllers:
                controllers = await self._run("kube-controller-manager", *CONTROLLER_FLAGS)
                await _until(partial(_has_default_account, client), controllers)

    def _write_files(self) -> None:
        rows = (
            f'{token},{user},{user},"{",".join(self._users[user])}"\n'
            for user, token in self._tokens.items()
        )
        (self._folder / "tokens.csv").write_text("".join(rows))
        (self._folder / "audit.json").write_text(json.dumps(AUDIT_POLICY))
        self.admin.write_kubeconfig(self.kubeconfig)

    async def _run(self, program: str, *flags: str) -> Daemon:
        command = [str(self._assets / program), *flags]
        daemon = Daemon(command, self._folder / f"{program}.log", directory=self._folder)
        return await self._stack.enter_async_context(daemon)

    def _api_server_flags(self) -> Sequence[str]:
        # Without the controller that makes them, pods cannot ask for a service account.
        unmet = () if self.has_controllers else ("--disable-admission-plugins=ServiceAccount",)
        return (
            f"--etcd-servers={ETCD_SOCKET}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--permit-port-sharing",  # with the socket that keeps the port for us
            "--cert-dir=certs",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={self.url}",
            "--service-account-key-file=certs/apiserver.key",
            "--service-account-signing-key-file=certs/apiserver.key",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--endpoint-reconciler-type=none",
            f"--enable-admission-plugins={','.join(FURTHER_PLUGINS)}",
            "--audit-policy-file=audit.json",
            f"--audit-log-path={self.audit_log}",
            f"--audit-log-maxsize={AUDIT_MEGABYTES}",
            *unmet,
        )

    async def _has_certificate(self) -> bool:
        return (self._folder / "certs" / "apiserver.key").exists()  # written after the certificate


async def account_access(admin: Access, namespace: str, name: str) -> Access:
    """Return the access of an existing ServiceAccount, for an hour."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_SECONDS},
    }
    async with admin.client() as client:
        answer = await client.create(
            SERVICE_ACCOUNTS, request, namespace, name=name, subresource="token"
        )
    return replace(admin, token=answer["status"]["token"])


def assets_folder() -> Path | None:
    """Return the folder of the programs, `None` where nobody asks for a real control plane.

    Raises:
        MissingAssetsError: the folder lacks a program.
    """
    named = os.environ.get(ASSETS_VARIABLE)
    if not named:
        return None
    folder = Path(named).resolve()
    for program in ("etcd", "kube-apiserver"):
        if not _is_program(folder / program):
            raise MissingAssetsError(
                f"{ASSETS_VARIABLE} names {named!r}, where there is no program {program!r}. "
                "Name a folder with etcd and kube-apiserver, or unset the variable."
            )
    return folder


def _is_program(path: Path) -> bool:
    return os.access(path, os.X_OK)


def _reserved_port() -> socket.socket:
    """Return a socket that keeps a port free for the one who shares it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


async def _until(condition: Callable[[], Awaitable[bool]], daemon: Daemon) -> None:
    """Ask again and again until `condition` holds; a dead program ends the wait."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await condition():
                daemon.check()
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        message = f"{daemon.name} is not ready after {START_SECONDS:.0f} s:\n{daemon.tail()}"
        raise DaemonError(message) from error


async def _is_ready(client: Client) -> bool:
    try:
        async with aclosing(client.lines("/readyz", {})) as answer:
            _ = [line async for line in answer]
    except ApiError:
        return False
    return True


async def _has_default_account(client: Client) -> bool:
    """Return whether the controllers work: they make this account first of all."""
    try:
        await client.get(SERVICE_ACCOUNTS, "default", "default")
    except ApiError:
        return False
    return True
