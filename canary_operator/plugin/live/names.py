"""Names for shell completion: never an error, never a long wait."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from canary_operator.plugin.target import Target

PATIENCE = timedelta(seconds=2)


def complete_names(kind: str, parameters: Mapping[str, Any], beginning: str) -> list[str]:
    """Return names that begin with `beginning`; none where the cluster cannot be asked.

    Args:
        kind: `rollouts`, `namespaces` or `contexts`.
        parameters: What the command line says so far.
        beginning: What was typed.
    """
    target = Target(
        kubeconfig=parameters.get("kubeconfig"),
        context=parameters.get("context"),
        namespace=parameters.get("namespace"),
        as_user=parameters.get("as_user"),
        request_timeout=PATIENCE,
        as_groups=tuple(parameters.get("as_groups") or ()),
    )
    with suppress(Exception):  # a shell that waits for a name wants no error
        return sorted(name for name in _names(kind, target) if name.startswith(beginning))
    return []


def _names(kind: str, target: Target) -> list[str]:
    from canary_operator.plugin.live.kubeconfig import Kubeconfig, files_of

    if kind == "contexts":
        return [*Kubeconfig.read(files_of(target)).contexts]
    return asyncio.run(_from_cluster(kind, target))


async def _from_cluster(kind: str, target: Target) -> list[str]:
    from canary_operator.adapters.cluster.resources import NAMESPACES, ROLLOUTS
    from canary_operator.plugin.live.access import connect

    async with asyncio.timeout(PATIENCE.total_seconds()), connect(target) as cluster:
        if kind == "namespaces":
            found = cluster.list(NAMESPACES, None)
        else:
            found = cluster.list(ROLLOUTS, cluster.namespace)
        return [one["metadata"]["name"] async for one in found]
