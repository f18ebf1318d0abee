"""What commands read of a rollout beside the object itself."""

from collections.abc import Mapping
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.resources import (
    DEPLOYMENTS,
    EVENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    Resource,
)
from canary_operator.domain.objects import KIND
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.family import Family, family_of
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.records import label_of, records_of
from canary_operator.plugin.sight import Sight

CHILDREN = (DEPLOYMENTS, REPLICA_SETS, PODS)


async def rollouts(cluster: Cluster, *, everywhere: bool) -> list[Manifest]:
    """Return the rollouts of a namespace, or of all, in the order of their names."""
    namespace = None if everywhere else cluster.namespace
    found = [one async for one in cluster.list(ROLLOUTS, namespace)]
    return sorted(found, key=lambda one: (one["metadata"]["namespace"], one["metadata"]["name"]))


async def family(cluster: Cluster, sight: Sight) -> Family:
    """Return what belongs to a rollout; a right that is missing hides its part and is said."""
    found: dict[Resource, list[Manifest]] = {}
    hidden = []
    for resource in CHILDREN:
        try:
            found[resource] = await _labelled(cluster, resource, sight)
        except PluginError as error:
            hidden.append(error.format_message())
    deployments, sets, pods = (found.get(resource, []) for resource in CHILDREN)
    return family_of(deployments, sets, pods, "\n".join(hidden))


async def events(cluster: Cluster, sight: Sight) -> list[Manifest]:
    """Return the Events about a rollout, in no order."""
    selector = f"involvedObject.kind={KIND},involvedObject.name={sight.name}"
    found = cluster.list(EVENTS, sight.namespace, fieldSelector=selector)
    return [one async for one in found if _is_about(one, sight)]


def _is_about(event: Mapping[str, Any], sight: Sight) -> bool:
    uid = (event.get("involvedObject") or {}).get("uid")
    return not uid or uid == sight.uid  # one of the same name may have been deleted


async def images(cluster: Cluster, sight: Sight) -> dict[str, str]:
    """Return the images of each recorded revision, as one text; none without the right."""
    try:
        return {one.revision: one.images for one in await records_of(cluster, sight)}
    except PluginError:
        return {}


async def _labelled(cluster: Cluster, resource: Resource, sight: Sight) -> list[Manifest]:
    found = cluster.list(resource, sight.namespace, labelSelector=label_of(sight.name))
    return [one async for one in found]
