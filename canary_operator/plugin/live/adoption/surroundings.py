"""What the cluster has around a Deployment, read once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import (
    DEPLOYMENTS,
    ROLLOUTS,
    SERVICES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.rollouts import find_object

SCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")

Manifests = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One Deployment, and what else its namespace has."""

    namespace: str
    deployment: Mapping[str, Any]
    services: Manifests = ()
    deployments: Manifests = ()
    rollouts: Manifests = ()
    routes: Manifests = ()
    """VirtualServices."""
    scalers: Manifests = ()
    budgets: Manifests = ()
    policies: Manifests = ()
    ingresses: Manifests = ()
    istio: bool = True
    """Whether the cluster knows VirtualServices."""
    unseen: tuple[str, ...] = ()
    """Why some kinds could not be looked at."""

    @property
    def name(self) -> str:
        """Name of the Deployment."""
        return name_of(self.deployment)

    @property
    def template(self) -> Mapping[str, Any]:
        """The pod template that runs."""
        template: Mapping[str, Any] = (self.deployment.get("spec") or {}).get("template") or {}
        return template

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the pods."""
        return (self.template.get("metadata") or {}).get("labels") or {}


def name_of(manifest: Mapping[str, Any]) -> str:
    """Return the name of an object."""
    return (manifest.get("metadata") or {}).get("name") or ""


def controller_of(manifest: Mapping[str, Any]) -> str | None:
    """Return who made an object and keeps it as it is, such as `Rollout shop`."""
    references = (manifest.get("metadata") or {}).get("ownerReferences") or ()
    owner = next((one for one in references if one.get("controller")), None)
    return f"{owner.get('kind')} {owner.get('name')}" if owner else None


@dataclass(frozen=True, slots=True)
class _Listed:
    """The objects of one kind, as far as this person may see them."""

    items: Manifests = ()
    known: bool = True
    """Whether the cluster has this kind at all."""
    trouble: str | None = None


async def survey(cluster: Cluster, name: str) -> Surroundings:
    """Read a Deployment and what is around it; kinds that cannot be read are left out.

    Raises:
        PluginError: there is no such Deployment, or Services cannot be read.
    """
    where = cluster.namespace
    deployment = await find_object(cluster, DEPLOYMENTS, name)
    services = [one async for one in cluster.list(SERVICES, where)]
    kinds = (DEPLOYMENTS, ROLLOUTS, VIRTUAL_SERVICES, SCALERS, BUDGETS, POLICIES, INGRESSES)
    found = await asyncio.gather(*(_list(cluster, kind) for kind in kinds))
    deployments, rollouts, routes, scalers, budgets, policies, ingresses = found
    return Surroundings(
        namespace=where,
        deployment=deployment,
        services=tuple(services),
        deployments=deployments.items,
        rollouts=rollouts.items,
        routes=routes.items,
        scalers=scalers.items,
        budgets=budgets.items,
        policies=policies.items,
        ingresses=ingresses.items,
        istio=routes.known,
        unseen=tuple(one.trouble for one in found if one.trouble),
    )


async def _list(cluster: Cluster, resource: Resource) -> _Listed:
    try:
        items = [one async for one in cluster.list(resource, cluster.namespace)]
    except NotFoundError:
        return _Listed(known=False)
    except PluginError as error:
        return _Listed(trouble=f"{resource.kind}s could not be seen: {error.format_message()}")
    return _Listed(tuple(items))
