"""Where the API server is and who we are, found as kubectl and kopf find it."""

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_RENEW_SECONDS = 60.0
"""How often credentials of a kubeconfig, such as tokens of a login program, are looked up again."""


def pod_namespace() -> str | None:
    """Return the namespace of the pod that this runs in; None outside a cluster."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    try:
        return _NAMESPACE_FILE.read_text().strip() or None
    except OSError:
        return None


async def load_configuration() -> Configuration:
    """Return how to reach the cluster: as a pod's service account, else by kubeconfig.

    Credentials that expire are renewed while they are used.

    Raises:
        kubernetes.aio.config.ConfigException: there is neither.
    """
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await _load_kubeconfig(configuration)
    return configuration


async def _load_kubeconfig(configuration: Any) -> None:
    # kubernetes.aio reads KUBECONFIG when it is imported, which may be too early.
    file = os.environ.get("KUBECONFIG") or "~/.kube/config"
    loader = await load_kube_config(  # type: ignore[no-untyped-call]
        config_file=file, client_configuration=configuration, persist_config=False
    )
    renew_while_used(configuration, loader.load_and_set)


def renew_while_used(
    configuration: Configuration, renew: Callable[[Configuration], Awaitable[None]]
) -> None:
    """Have credentials looked up again before a request, at most once in a while.

    Args:
        configuration: Whose requests they are for.
        renew: Looks them up and sets them.
    """
    renewed_at = time.monotonic()

    async def renew_if_old(target: Configuration) -> None:
        nonlocal renewed_at
        if time.monotonic() - renewed_at >= _RENEW_SECONDS:
            renewed_at = time.monotonic()
            await renew(target)

    configuration.refresh_api_key_hook = renew_if_old  # type: ignore[assignment]
