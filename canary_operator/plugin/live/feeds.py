"""Objects followed by the watch API: a feed outlives connections, and nothing polls."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.errors import Call, ExpiredError, Refusal
from canary_operator.adapters.cluster.feed import WATCH_SECONDS, Change, ChangeKind, Feed
from canary_operator.adapters.cluster.resources import Resource
from canary_operator.plugin.exits import OutageError
from canary_operator.plugin.live.access import Cluster

Report = Callable[[str], None]
"""Told, in words, why nothing can be seen for now."""

SILENCE_SECONDS = WATCH_SECONDS + 30.0
"""Longest silence of a watch; the server would have ended it before."""


async def follow(
    cluster: Cluster,
    resource: Resource,
    namespace: str | None,
    query: Mapping[str, str],
    on_trouble: Report = lambda _: None,
) -> AsyncGenerator[Change, None]:
    """Report objects as they are, then SYNCED, then every change, for ever.

    Survives ended and broken connections, expired versions (410) and short outages: what was
    missed meanwhile is reported as the difference to what had been seen.

    Args:
        cluster: Whom to ask.
        resource: Their kind.
        namespace: None for all namespaces.
        query: Label and field selectors.
        on_trouble: Told of each connection that failed, once there was one that did not.

    Raises:
        PluginError: what does not heal, such as a missing right, or a first connection that fails.
    """
    feed = Feed(_Source(cluster, resource, namespace), resource.path(namespace), query)
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


@dataclass(frozen=True, slots=True)
class _Source:
    """What a feed asks for, with the words for it."""

    cluster: Cluster
    resource: Resource
    namespace: str | None

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None
    ) -> Manifest:
        """Return the list."""
        del method, path
        return await self.cluster.page(self._call("list"), params or {})

    def lines(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the watch."""
        del path
        return self.cluster.lines(self._call("watch"), params, SILENCE_SECONDS)

    def watch_error(self, status: Mapping[str, Any]) -> Exception:
        """Return what to raise for a `Status` that a watch sends instead of an object."""
        refusal = Refusal(status.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR, status)
        return self.cluster.refused(self._call("watch"), refusal)

    def _call(self, verb: str) -> Call:
        return Call(verb, self.resource, self.namespace, None)
