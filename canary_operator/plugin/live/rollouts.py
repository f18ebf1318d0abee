"""CanaryRollouts as a person finds and follows them.

    web = await find(cluster, "web")
    async for change in changes(cluster, namespace="demo", name="web"):
        ...

A feed outlives connections; what it cannot outlive is said in one line.
"""

import difflib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from canary_operator.adapters.cluster.client import Manifest
from canary_operator.adapters.cluster.errors import Call, ExpiredError, NotFoundError, Refusal
from canary_operator.adapters.cluster.feed import WATCH_SECONDS, Change, ChangeKind, Feed
from canary_operator.adapters.cluster.resources import NAMESPACES, ROLLOUTS, Resource
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.sight import Sight

Report = Callable[[str], None]
"""Told, in words, why nothing can be seen for now."""

SILENCE_SECONDS = WATCH_SECONDS + 30.0
"""Longest silence of a watch; the server would have ended it before."""
MOST_NAMES = 5


class OutageError(PluginError):
    """The API server does not answer, or not as it should: tried again, it may."""


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
    """Report every CanaryRollout as it is, then SYNCED, then every change, for ever.

    Survives ended and broken connections, expired versions (410) and short outages: what was
    missed meanwhile is reported as the difference to what had been seen.

    Args:
        cluster: Whom to ask.
        namespace: None for all namespaces.
        name: Of the only one that matters; None for all.
        on_trouble: Told of each connection that failed, once there was one that did not.

    Raises:
        PluginError: what does not heal, such as a missing right, or a first connection that fails.
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    async with aclosing(follow(cluster, ROLLOUTS, namespace, query, on_trouble)) as seen:
        async for change in seen:
            yield change


async def follow(
    cluster: Cluster,
    resource: Resource,
    namespace: str | None,
    query: Mapping[str, str],
    on_trouble: Report = lambda _: None,
) -> AsyncGenerator[Change, None]:
    """Report objects of any kind as `changes` does; `query` has the selectors."""
    async with _Follower(cluster) as follower:
        feed = Feed(_Source(follower, resource, namespace), resource.path(namespace), query)
        reached = False
        while True:
            try:
                async with aclosing(feed.until_interrupted()) as seen:
                    async for change in seen:
                        reached = reached or change.kind is ChangeKind.SYNCED
                        yield change
            except ExpiredError:
                feed.version = None
            except OutageError as error:
                if not reached:
                    raise
                on_trouble(error.format_message())
            await feed.back_off()


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


class _Follower(Cluster):
    """The same person on connections of its own, for whom an outage is not the end."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster._configuration, cluster.namespace, cluster.who)  # noqa: SLF001 - of the same class
        self.timeout_seconds = cluster.timeout_seconds
        self.headers = cluster.headers

    async def page(self, call: Call, query: Mapping[str, str]) -> Manifest:
        """Return a whole list with its version."""
        return await self._send("GET", call, query=query)

    def refused(self, call: Call, refusal: Refusal) -> Exception:
        """Return what to raise for an answer that is not a success."""
        error = super().refused(call, refusal)
        heals = refusal.code >= HTTPStatus.INTERNAL_SERVER_ERROR
        return _outage(error) if heals or refusal.code == HTTPStatus.TOO_MANY_REQUESTS else error

    def unanswered(self, call: Call, error: Exception) -> Exception:
        """Return what to raise where no answer came."""
        return _outage(super().unanswered(call, error))


def _outage(error: Exception) -> Exception:
    return OutageError(error.format_message()) if isinstance(error, PluginError) else error


@dataclass(frozen=True, slots=True)
class _Source:
    """What a feed asks for, with the words for it."""

    follower: _Follower
    resource: Resource
    namespace: str | None

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None
    ) -> Manifest:
        """Return the list."""
        del method, path
        return await self.follower.page(self._call("list"), params or {})

    def lines(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the watch."""
        del path
        return self.follower.lines(self._call("watch"), params, SILENCE_SECONDS)

    def watch_error(self, status: Mapping[str, Any]) -> Exception:
        """Return what to raise for a `Status` that a watch sends instead of an object."""
        refusal = Refusal(status.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR, status)
        return self.follower.refused(self._call("watch"), refusal)

    def _call(self, verb: str) -> Call:
        return Call(verb, self.resource, self.namespace, None)
