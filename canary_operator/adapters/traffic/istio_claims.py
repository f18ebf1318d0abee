"""Which VirtualServices route which hosts: two for one host would merge in no useful way."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError
from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.domain.errors import ForbiddenError, HostConflictError
from canary_operator.domain.objects import KIND
from canary_operator.ports import Rollout

logger = logging.getLogger(__name__)

MESH = "mesh"
"""Istio's name for all sidecars."""

Claim = tuple[str, str]
"""Gateway and host, each in the one form that all its spellings come down to."""

_NAME_AND_NAMESPACE = 2


def full_host(host: str, namespace: str, cluster_domain: str) -> str:
    """Return the host as Istio reads it: a name without dots is a Service of the namespace.

    Example:
        >>> full_host("web", "demo", "cluster.local")
        'web.demo.svc.cluster.local'
        >>> full_host("shop.example.com", "demo", "cluster.local")
        'shop.example.com'
    """
    return host if "." in host else f"{host}.{namespace}.svc.{cluster_domain}"


def meant_host(host: str, namespace: str, cluster_domain: str) -> str:
    """Return the host that sidecars answer to: they serve each Service by its short names, too.

    Example:
        >>> [meant_host(host, "demo", "cluster.local") for host in ("web", "web.demo.svc")]
        ['web.demo.svc.cluster.local', 'web.demo.svc.cluster.local']
        >>> meant_host("web.demo", "elsewhere", "cluster.local")
        'web.demo.svc.cluster.local'
        >>> meant_host("shop.example.com", "demo", "cluster.local")
        'shop.example.com'
    """
    labels = host.split(".")
    if "*" in labels:
        return host
    if len(labels) == _NAME_AND_NAMESPACE:
        return f"{host}.svc.{cluster_domain}"
    if len(labels) == _NAME_AND_NAMESPACE + 1 and labels[-1] == "svc":
        return f"{host}.{cluster_domain}"
    return full_host(host, namespace, cluster_domain)


def claims_of(spec: Mapping[str, Any], namespace: str, cluster_domain: str) -> dict[Claim, str]:
    """Return what a VirtualService of `namespace` claims, and each host as it is written there.

    The short names of a Service are the same host in the mesh only: a gateway compares what callers
    say, and there `web.dev` is what the whole world calls by that name.
    """
    gateways = [_full_gateway(name, namespace) for name in spec.get("gateways") or [MESH]]
    return {
        (gateway, read(host, namespace, cluster_domain)): host
        for gateway in gateways
        for read in (meant_host if gateway == MESH else full_host,)
        for host in spec.get("hosts") or ()
    }


def _full_gateway(name: str, namespace: str) -> str:
    return name if name == MESH or "/" in name else f"{namespace}/{name}"


class Claims:
    """Looks for others that route the hosts of a rollout."""

    def __init__(self, client: Client, cluster_domain: str, namespaces: Iterable[str]) -> None:
        self._client = client
        self._domain = cluster_domain
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)

    async def check(
        self, rollout: Rollout, wanted: Mapping[str, Any], present: Mapping[str, Any]
    ) -> None:
        """Refuse hosts that another VirtualService claims on the same gateway.

        Args:
            rollout: Who claims.
            wanted: Spec of the VirtualService that it will have.
            present: Spec of the one that it has; what that one claims is its own already.

        Raises:
            HostConflictError: names the host and who has it.
        """
        namespace = rollout.key.namespace
        ours = claims_of(present, namespace, self._domain)
        new = claims_of(wanted, namespace, self._domain)
        new = {claim: host for claim, host in new.items() if claim not in ours}
        if not new:
            return
        try:
            async for other in self._others(rollout):
                self._compare(new, other)
        except (ForbiddenError, ApiError) as error:
            # Not installed, or not ours to see: writing the VirtualService will tell.
            facts = {"rollout": str(rollout.key)}
            logger.debug("Hosts could not be compared: %s", error, extra=facts)

    async def _others(self, rollout: Rollout) -> AsyncIterator[Mapping[str, Any]]:
        for namespace in self._namespaces:
            async for other in self._client.list(VIRTUAL_SERVICES, namespace):
                if not _is_of(rollout, other["metadata"]):
                    yield other

    def _compare(self, new: Mapping[Claim, str], other: Mapping[str, Any]) -> None:
        meta = other["metadata"]
        theirs = claims_of(other.get("spec") or {}, meta["namespace"], self._domain)
        for claim in sorted(new.keys() & theirs.keys()):
            raise HostConflictError(
                f"VirtualService {meta['namespace']}/{meta['name']} already routes host "
                f"{new[claim]} on gateway {claim[0]}. Remove the host there, or delete that "
                "VirtualService."
            )


def _is_of(rollout: Rollout, meta: Mapping[str, Any]) -> bool:
    """Whether a VirtualService is the rollout's, or of a deleted one of the same name.

    The latter has our name and is in the way by that, which is told when it is to be written.
    """
    us = KIND, rollout.key.name, rollout.key.namespace
    return any(
        owner["uid"] == rollout.uid or (owner["kind"], owner["name"], meta["namespace"]) == us
        for owner in meta.get("ownerReferences") or ()
    )
