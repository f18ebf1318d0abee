"""One API server, as the person at the keyboard: the kubeconfig says where and who.

    async with connect(target) as cluster:
        web = await cluster.get(ROLLOUTS, cluster.namespace, "web")

Everything that goes wrong leaves as a `PluginError`: one line, and what to do.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.client import Client, Query
from canary_operator.adapters.cluster.errors import (
    AlreadyExistsError,
    Call,
    ExpiredError,
    NotFoundError,
    Refusal,
    RejectedError,
)
from canary_operator.domain.errors import ConflictError, UnavailableError
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.live.answers import (
    cause,
    first_line,
    is_status,
    is_unknown_api,
    meaning,
)
from canary_operator.plugin.live.kubeconfig import Kubeconfig, files_of
from canary_operator.plugin.live.login import one_line
from canary_operator.plugin.target import Target

MANAGER = "kubectl-canary"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_LONGEST_REFUSAL = 1000
_NO_OBJECT = "something else than an object"


class Cluster(Client):
    """Requests as a person; answers that say no are sentences for that person."""

    manager = MANAGER

    def __init__(self, configuration: Configuration, namespace: str, who: str) -> None:
        """Remember where and as whom.

        Args:
            configuration: How to reach the API server.
            namespace: What commands mean when they name none.
            who: Context or user, for messages.
        """
        super().__init__(configuration)
        self.namespace = namespace
        self.who = who
        self.address: str = configuration.host
        self.groups: tuple[str, ...] = ()
        """Sent with every request, to act as a member of them."""

    def refused(self, call: Call, refusal: Refusal) -> Exception:
        """Return what to raise for an answer that is not a success.

        `NotFoundError`, `ConflictError`, `ExpiredError`, `AlreadyExistsError` and `RejectedError`
        are left to the caller, who knows what they mean.
        """
        match refusal.code:
            case HTTPStatus.UNAUTHORIZED:
                return PluginError(
                    f"The API server at {self.address} does not accept the credentials of "
                    f"{self.who}: they are wrong or expired",
                    "Log in again, or choose another --context.",
                )
            case HTTPStatus.TOO_MANY_REQUESTS:
                return OutageError("The API server asks to slow down", "Try again in a moment.")
            case code if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                words = first_line(refusal.raw_message)
                return OutageError(f"The API server failed ({code}): {words}".rstrip(": "))
            case code if not (is_status(refusal) or is_unknown_api(refusal)):
                return self._no_kubernetes(code, refusal.raw_message)
        return meaning(call, refusal)

    def unanswered(self, call: Call, error: Exception) -> Exception:
        """Return what to raise where no answer came."""
        del call
        return OutageError(
            f"No answer from the API server at {self.address}: {cause(error)}",
            "Does the cluster run, and is it the right context (kubectl config current-context)?",
        )

    async def lines(
        self, call: Call, query: Query, idle_seconds: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a watch; a page of something else is no watch."""
        async with aclosing(super().lines(call, query, idle_seconds)) as lines:
            async for line in lines:
                if not line.startswith(b"{"):
                    raise self._no_kubernetes(HTTPStatus.OK, line.decode(errors="replace"))
                yield line

    async def _send(self, method: str, call: Call, *content: Any, **query: Any) -> Manifest:
        try:
            answer = await super()._send(method, call, *content, **query)
        except UnavailableError:  # no JSON; what the server itself refuses went through `refused`
            raise self._no_kubernetes(HTTPStatus.OK, _NO_OBJECT) from None
        if answer.keys().isdisjoint({"kind", "metadata"}):
            raise self._no_kubernetes(HTTPStatus.OK, _NO_OBJECT)
        return answer

    def _open_session(self) -> aiohttp.ClientSession:
        is_new = self._session is None
        session = super()._open_session()
        for group in self.groups if is_new else ():
            session.headers.add("Impersonate-Group", group)
        return session

    def _no_kubernetes(self, code: int, text: str) -> PluginError:
        said = " and ".join(filter(None, (str(int(code)), first_line(text))))
        return OutageError(
            f"What answers at {self.address} is no Kubernetes API: it says {said}",
            "Is a login page or a proxy in between, or the address in the kubeconfig wrong?",
        )


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Cluster]:
    """Open the cluster that a command line means.

    Raises:
        PluginError: there is no such cluster or context, or the kubeconfig is wrong.
    """
    cluster = await _open(target)
    try:
        async with cluster:
            yield cluster
    except (NotFoundError, RejectedError, AlreadyExistsError, ExpiredError) as error:
        words = one_line(error.message or error, _LONGEST_REFUSAL)
        raise PluginError(f"The API server refuses: {words}") from error
    except ConflictError as error:
        raise PluginError(
            "The object was changed by somebody else meanwhile", "Look again and repeat."
        ) from error


async def _open(target: Target) -> Cluster:
    files = files_of(target)
    if any(file.exists() for file in files):
        chosen = Kubeconfig.read(files).choose(target.context)
        configuration, namespace = await chosen.configuration(), chosen.namespace
        who = f"context {chosen.context}"
    else:
        configuration, namespace = _of_pod(target, os.pathsep.join(map(str, files)))
        who = "this pod's service account"
    cluster = Cluster(configuration, target.namespace or namespace, who)
    cluster.timeout_seconds = target.request_timeout.total_seconds()
    if target.as_user:
        cluster.headers = {"Impersonate-User": target.as_user}
        cluster.groups = target.as_groups
        cluster.who = f"user {target.as_user}"
    return cluster


def _of_pod(target: Target, files: str) -> tuple[Configuration, str]:
    """Return how a pod reaches its own cluster, and its namespace."""
    configuration = Configuration()
    nothing = PluginError(
        f"No cluster: there is no kubeconfig at {files}", "Set KUBECONFIG or --kubeconfig."
    )
    if target.kubeconfig or target.context or os.environ.get("KUBECONFIG"):
        raise nothing
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        raise nothing from None
    return configuration, _POD_NAMESPACE.read_text(encoding="utf-8").strip()
