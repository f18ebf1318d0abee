"""One API server, as the person at the keyboard: the kubeconfig says where and who.

    async with connect(target) as cluster:
        web = await cluster.get(ROLLOUTS, cluster.namespace, "web")

Everything that goes wrong leaves as a `PluginError`: one line, and what to do.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import (
    ConfigException,
    list_kube_config_contexts,
    load_incluster_config,
    load_kube_config,
)

from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import (
    AlreadyExistsError,
    ApiError,
    Call,
    ExpiredError,
    NotFoundError,
    Refusal,
    RejectedError,
)
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import ConflictError
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.target import Target

MANAGER = "kubectl-canary"
DEFAULT_FILE = "~/.kube/config"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
            case HTTPStatus.FORBIDDEN:
                return _forbidden(call, refusal)
            case HTTPStatus.TOO_MANY_REQUESTS:
                return OutageError("The API server asks to slow down", "Try again in a moment.")
            case code if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return OutageError(f"The API server failed ({code}): {refusal.message}")
        error = super().refused(call, refusal)
        missing = isinstance(error, NotFoundError) and error.api_missing
        return _crd_missing() if missing and call.resource == ROLLOUTS else error

    def unanswered(self, call: Call, error: Exception) -> Exception:
        """Return what to raise where no answer came."""
        del call
        return OutageError(
            f"No answer from the API server at {self.address}: {_cause(error)}",
            "Does the cluster run, and is it the right context (kubectl config current-context)?",
        )


def _forbidden(call: Call, refusal: Refusal) -> PluginError:
    where = f" in namespace {call.namespace}" if call.namespace else " in all namespaces"
    if "cannot" in refusal.raw_message:
        return PluginError(
            f"You may not {call.verb} {call.counted}{where}",
            f"Ask for the right, or check it with: kubectl auth can-i {call.verb} {call.counted}"
            + (f" -n {call.namespace}" if call.namespace else " -A"),
        )
    return PluginError(f"The API server forbids to {call}: {refusal.message}")


def _crd_missing() -> PluginError:
    return PluginError(
        "This cluster does not know CanaryRollouts: their CRD is not installed",
        "Install the operator, or at least: kubectl apply -f crds/",
    )


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({error.certificate_error})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return (error.os_error.strerror or str(error.os_error)).lower()
    return str(error) or type(error).__name__


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
        raise PluginError(f"The API server refuses: {_words(error)}") from error
    except ConflictError as error:
        raise PluginError(
            "The object was changed by somebody else meanwhile", "Look again and repeat."
        ) from error


def _words(error: ApiError) -> str:
    return error.message or str(error)


async def _open(target: Target) -> Cluster:
    configuration = Configuration()
    files = _files(target)
    present = _is_there(files)
    if not present and files == DEFAULT_FILE and target.context is None:
        try:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except ConfigException:
            raise _no_cluster(files) from None
        namespace = target.namespace or _pod_namespace()
        return _cluster(configuration, namespace, "this pod's service account", target)
    if not present:
        raise _no_cluster(files)
    context = _context(files, target.context)
    await _load(configuration, files, context["name"])
    namespace = target.namespace or context["context"].get("namespace") or "default"
    return _cluster(configuration, namespace, f"context {context['name']}", target)


def _cluster(configuration: Configuration, namespace: str, who: str, target: Target) -> Cluster:
    cluster = Cluster(configuration, namespace, who)
    cluster.timeout_seconds = target.request_timeout.total_seconds()
    if target.as_user:
        cluster.headers = {"Impersonate-User": target.as_user}
        cluster.who = f"user {target.as_user}"
    return cluster


def _is_there(files: str) -> bool:
    return any(Path(one).expanduser().is_file() for one in files.split(os.pathsep) if one)


def _pod_namespace() -> str:
    return _POD_NAMESPACE.read_text(encoding="utf-8").strip()


def _no_cluster(files: str) -> PluginError:
    return PluginError(
        f"No cluster: there is no kubeconfig at {files}",
        "Set KUBECONFIG or --kubeconfig.",
    )


def context_names(target: Target) -> list[str]:
    """Return the names of all contexts of a kubeconfig."""
    contexts, _ = list_kube_config_contexts(_files(target))  # type: ignore[no-untyped-call]
    return [one["name"] for one in contexts]


def _files(target: Target) -> str:
    return str(target.kubeconfig or os.environ.get("KUBECONFIG") or DEFAULT_FILE)


def _context(files: str, name: str | None) -> dict[str, Any]:
    try:
        contexts, active = list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise _wrong(files, error) from error
    if name is None:
        return dict(active)
    found = next((one for one in contexts if one["name"] == name), None)
    if found is None:
        known = ", ".join(sorted(one["name"] for one in contexts)) or "none"
        raise PluginError(f"No context {name} in {files}; there are: {known}")
    return dict(found)


async def _load(configuration: Configuration, files: str, context: str) -> None:
    # A login program that fails is told by our own error, not by the library's log.
    logging.getLogger("kubernetes.aio").setLevel(logging.CRITICAL)
    try:
        await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:
        raise _wrong(files, error) from error


def _wrong(files: str, error: Exception) -> PluginError:
    words = " ".join(str(error).split()) or type(error).__name__
    return PluginError(f"The kubeconfig {files} cannot be used: {words}")
