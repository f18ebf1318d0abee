"""One rollout and what belongs to it, followed by the watch API: nothing polls."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.feed import Change, ChangeKind
from canary_operator.adapters.cluster.resources import ROLLOUTS, Resource
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.family import Family, family_of
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.feeds import Report, follow
from canary_operator.plugin.live.reads import CHILDREN
from canary_operator.plugin.live.records import label_of
from canary_operator.plugin.live.rollouts import changes
from canary_operator.plugin.sight import Sight

TICK_SECONDS = 1.0
"""How often the times that are left are told anew; no request is sent for that."""

RETRY_SECONDS = 5.0
"""How long pods are left alone after an outage when somebody began to look."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to see of a rollout."""

    sight: Sight
    family: Family


@dataclass(slots=True)
class _Watched:
    """What all feeds together have said so far."""

    objects: dict[Resource, dict[str, Manifest]] = field(default_factory=dict)
    hidden: dict[Resource, str] = field(default_factory=dict)
    expected: bool = True
    """Whether the rollout was there when somebody began to look."""
    deleted: bool = False
    failure: Exception | None = None
    """Why nothing more will be seen."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_failure(self, feed: Coroutine[None, None, None]) -> None:
        """Follow a feed, and keep for the one who looks what it ended with."""
        try:
            await feed
        except Exception as error:  # noqa: BLE001 - raised again by the one who looks
            self.failure = error
            self.changed.set()

    def take_in(self, resource: Resource, change: Change) -> None:
        """Remember a change."""
        known = self.objects.setdefault(resource, {})
        if change.kind is ChangeKind.SYNCED and resource is ROLLOUTS:
            self.deleted = self.deleted or (self.expected and not known)
        if change.kind is ChangeKind.DELETED:
            known.pop(change.object["metadata"]["uid"], None)
            self.deleted = self.deleted or resource is ROLLOUTS
        elif change.kind is not ChangeKind.SYNCED:
            known[change.object["metadata"]["uid"]] = change.object
        self.changed.set()

    def hide(self, resource: Resource, error: PluginError) -> None:
        """Remember why objects of a kind cannot be shown."""
        self.hidden[resource] = error.format_message()
        self.changed.set()

    def scene(self) -> Scene | None:
        """Return what there is to see; None before the rollout itself was seen."""
        found = [*self.objects.get(ROLLOUTS, {}).values()]
        if not found:
            return None
        parts = ([*self.objects.get(resource, {}).values()] for resource in CHILDREN)
        deployments, sets, pods = parts
        hidden = "\n".join(self.hidden.values())
        return Scene(Sight.of(found[-1]), family_of(deployments, sets, pods, hidden))


@asynccontextmanager
async def scenes(
    cluster: Cluster,
    name: str,
    *,
    children: Sequence[Resource] = CHILDREN,
    expected: bool = True,
    on_trouble: Report = lambda _: None,
) -> AsyncIterator[AsyncGenerator[Scene | None, None]]:
    """Follow a rollout of the cluster's namespace.

    Args:
        cluster: Whom to ask.
        name: Of the rollout.
        children: What is followed beside it.
        expected: Whether it is an error if there is none, rather than something to wait for.
        on_trouble: Told of each connection that failed, once there was one that did not.

    Yields:
        A generator of scenes: one for each change, and None when a second passed without any.

    Raises:
        PluginError: the rollout is deleted, or following it is in vain.
    """
    watched = _Watched(expected=expected)
    feeds = [_follow_rollout(cluster, name, watched, on_trouble)]
    feeds += [_follow_children(cluster, name, resource, watched) for resource in children]
    tasks = [asyncio.create_task(watched.until_failure(feed)) for feed in feeds]
    try:
        async with aclosing(_look(watched, f"{cluster.namespace}/{name}")) as found:
            yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look(watched: _Watched, key: str) -> AsyncGenerator[Scene | None, None]:
    while True:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await watched.changed.wait()
        except TimeoutError:
            yield None
            continue
        watched.changed.clear()
        if watched.failure is not None:
            raise watched.failure
        if watched.deleted:
            raise PluginError(f"CanaryRollout {key} was deleted while it was watched")
        scene = watched.scene()
        if scene is not None:
            yield scene


async def _follow_rollout(
    cluster: Cluster, name: str, watched: _Watched, on_trouble: Report
) -> None:
    feed = changes(cluster, namespace=cluster.namespace, name=name, on_trouble=on_trouble)
    async with aclosing(feed) as seen:
        async for change in seen:
            watched.take_in(ROLLOUTS, change)


async def _follow_children(
    cluster: Cluster, name: str, resource: Resource, watched: _Watched
) -> None:
    """Follow one kind; a right that is missing hides it and ends nothing."""
    query = {"labelSelector": label_of(name)}
    while True:
        try:
            async with aclosing(follow(cluster, resource, cluster.namespace, query)) as seen:
                async for change in seen:
                    watched.hidden.pop(resource, None)
                    watched.take_in(resource, change)
        except OutageError as error:
            watched.hide(resource, error)
            await asyncio.sleep(RETRY_SECONDS)
        except PluginError as error:
            watched.hide(resource, error)
            return
