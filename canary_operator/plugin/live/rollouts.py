"""CanaryRollouts as a person finds and follows them.

    web = await find(cluster, "web")
    async for change in changes(cluster, namespace="demo", name="web"):
        ...

A feed outlives connections; what it cannot outlive is said in one line.
"""

import difflib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.feed import Change, ChangeKind
from canary_operator.adapters.cluster.resources import NAMESPACES, ROLLOUTS, Resource
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.feeds import Report, follow
from canary_operator.plugin.sight import Sight

MOST_NAMES = 5


async def find(cluster: Cluster, name: str) -> Sight:
    """Return one CanaryRollout of the cluster's namespace.

    Raises:
        PluginError: there is none of that name here; says where there is one, or what is meant.
    """
    return Sight.of(await find_object(cluster, ROLLOUTS, name))


async def find_object(cluster: Cluster, resource: Resource, name: str) -> Manifest:
    """Return one object of the cluster's namespace.

    Raises:
        PluginError: there is none of that name here; says where there is one, or what is meant.
    """
    try:
        return await cluster.get(resource, cluster.namespace, name)
    except NotFoundError:
        raise await _missing(cluster, resource, name) from None


async def _missing(cluster: Cluster, resource: Resource, name: str) -> PluginError:
    where = cluster.namespace
    named = {"fieldSelector": f"metadata.name={name}"}
    places = [
        one["metadata"]["namespace"] async for one in _visible(cluster, resource, None, **named)
    ]
    here = [one["metadata"]["name"] async for one in _visible(cluster, resource, where)]
    what = f"No {resource.kind} {name} in namespace {where}"
    if not here and await _is_absent(cluster, where):
        what = f"{what}, which does not exist"
    return missing(what, name, sorted(places), sorted(here))


def missing(what: str, name: str, places: list[str], here: list[str]) -> PluginError:
    """Return what to say about an object that is not there.

    Args:
        what: The fact, without a full stop.
        name: What was looked for.
        places: Namespaces that have one of that name.
        here: Names in the namespace that was looked at.
    """
    if places:
        known = ", ".join(places[:MOST_NAMES])
        more = " and others" if places[MOST_NAMES:] else ""
        one = "there is one" if not places[1:] else "there are some"
        return PluginError(f"{what}; {one} in {known}{more}", f"Choose it with: -n {places[0]}")
    close = difflib.get_close_matches(name, here, n=1)
    if close:
        return PluginError(f"{what}; did you mean {close[0]}?")
    if here and len(here) <= MOST_NAMES:
        return PluginError(f"{what}; there: {', '.join(here)}")
    return PluginError(what, "" if here else "Choose another with: -n NAMESPACE")


async def _visible(
    cluster: Cluster, resource: Resource, namespace: str | None, **selectors: str
) -> AsyncIterator[Manifest]:
    """Yield what this person may see; nothing where they may not."""
    with suppress(PluginError, NotFoundError):
        async for one in cluster.list(resource, namespace, **selectors):
            yield one


async def _is_absent(cluster: Cluster, namespace: str) -> bool:
    try:
        await cluster.get(NAMESPACES, "", namespace)
    except NotFoundError:
        return True
    except PluginError:  # not for this person to know
        return False
    return False


async def changes(
    cluster: Cluster,
    *,
    namespace: str | None,
    name: str | None = None,
    on_trouble: Report = lambda _: None,
) -> AsyncGenerator[Change, None]:
    """Report CanaryRollouts as `follow` does.

    Args:
        cluster: Whom to ask.
        namespace: None for all namespaces.
        name: Of the only one that matters; None for all.
        on_trouble: Told of each connection that failed, once there was one that did not.

    Raises:
        PluginError: as `follow`.
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    async with aclosing(follow(cluster, ROLLOUTS, namespace, query, on_trouble)) as seen:
        async for change in seen:
            yield change


async def looks(
    cluster: Cluster, name: str, on_trouble: Report = lambda _: None
) -> AsyncGenerator[Sight | None, None]:
    """Yield how one rollout of the cluster's namespace looks, at each change; None: it is gone.

    Raises:
        PluginError: as `changes`.
    """
    present = False
    seen = changes(cluster, namespace=cluster.namespace, name=name, on_trouble=on_trouble)
    async with aclosing(seen):
        async for change in seen:
            if change.kind is not ChangeKind.SYNCED:
                present = change.kind is not ChangeKind.DELETED
                yield Sight.of(change.object) if present else None
            elif not present:
                yield None
