"""VirtualServices of users, as rollouts split them: read from the cache, patched in place."""

from collections.abc import Callable, Collection
from typing import Any

from canary_operator.adapters.cluster.cache import Caches, Held
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError, RejectedError
from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.traffic.istio_patches import (
    Operation,
    mark_operations,
    taking_operations,
    weight_operations,
)
from canary_operator.adapters.traffic.istio_routes import destinations
from canary_operator.adapters.traffic.istio_shares import Found, Wish
from canary_operator.domain.errors import (
    ConflictError,
    RouteMissingError,
    RouterUnavailableError,
)
from canary_operator.domain.loans import Loan
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

_TRIES = 3
"""How often a patch is computed anew, as somebody was quicker each time."""

Present = Held[SeenManifest]
Operations = Callable[[dict[str, Any]], list[Operation]]
"""Computes what is to be changed in a VirtualService; nothing where it is as wished."""


class ForeignRoutes:
    """VirtualServices of users: read from the cache, patched in place."""

    def __init__(self, client: Client, caches: Caches, cluster_domain: str) -> None:
        """Remember where to write; `virtual_services` of `caches` must be watched."""
        self._client = client
        self._cache = caches.virtual_services
        self._domain = cluster_domain

    def wish(self, rollout: Rollout, name: str, routes: tuple[str, ...], told: int = 0) -> Wish:
        """Return which routes a rollout splits.

        Args:
            rollout: Which one.
            name: Of the VirtualService.
            routes: Their names; none for the only one.
            told: The canary's share that it was told last, which may not be recorded.
        """
        key, recorded = rollout.key, rollout.status.get("weight") or 0
        hosts = destinations(key, self._domain)
        shares = frozenset(share for share in (told, recorded) if share)
        return Wish(name, routes, hosts, key.namespace, self._domain, shares)

    def seen(self, wish: Wish) -> dict[str, Any] | None:
        """Return a VirtualService as last seen: metadata and spec; not to be changed."""
        held = self._held(wish)
        manifest: dict[str, Any] | None = unpack(held.content.manifest) if held else None
        return manifest

    def find(self, wish: Wish) -> Found:
        """Return where its routes stand."""
        seen = self.seen(wish)
        return wish.find(seen["spec"] if seen else None)

    def _held(self, wish: Wish) -> Present | None:
        return self._cache.get(wish.namespace, wish.name)

    async def change(self, wish: Wish, operations: Operations) -> bool:
        """Patch the VirtualService, if it is there; return whether something was written.

        Raises:
            RouterUnavailableError: the API server refuses it.
            ConflictError: somebody was quicker, again and again.
        """
        held = self._held(wish)
        for _ in range(_TRIES):
            changes = operations(unpack(held.content.manifest)) if held else []
            if held is None or not changes:
                return False
            sure = [
                {"op": "test", "path": "/metadata/uid", "value": held.uid},
                {"op": "test", "path": "/metadata/resourceVersion", "value": str(held.version)},
            ]
            try:
                answer = await self._client.patch(
                    VIRTUAL_SERVICES, wish.namespace, wish.name, [*sure, *changes]
                )
            except (RejectedError, NotFoundError, ConflictError) as error:
                held = await self._newer(wish, held, error)
                continue
            except ApiError as error:
                raise _refused(wish, error) from error
            self._cache.learned(answer)
            return True
        raise ConflictError(f"VirtualService {wish.name} changes all the time")

    async def look(self, wish: Wish) -> None:
        """Read the VirtualService anew; for who acts on it for the last time."""
        try:
            body = await self._client.get(VIRTUAL_SERVICES, wish.namespace, wish.name)
        except NotFoundError:
            held = self._held(wish)
            if held is not None:
                self._cache.drop(held)
        else:
            self._cache.learned(body)

    async def _newer(self, wish: Wish, held: Present, error: Exception) -> Present | None:
        """Return what changed since it was read; None where it is gone.

        A failed test of a patch looks as any other refusal, so it takes a look to tell.
        """
        try:
            body = await self._client.get(VIRTUAL_SERVICES, wish.namespace, wish.name)
        except NotFoundError:
            self._cache.drop(held)
            return None
        newest = self._cache.learned(body)
        if isinstance(error, ApiError) and (newest.uid, newest.version) == (held.uid, held.version):
            raise _refused(wish, error) from error
        return newest


def _refused(wish: Wish, error: ApiError) -> RouterUnavailableError:
    return RouterUnavailableError(
        f"The API server refuses to change weights in VirtualService {wish.name}: {error.message}"
    )


def operations_for(
    wish: Wish, key: Key, seen: dict[str, Any], target: RouteTarget
) -> list[Operation]:
    """Return what is to be changed in a VirtualService so that it says what `target` does."""
    marks = mark_operations(key.name, seen["metadata"]["annotations"], target)
    return [*_weights(wish, seen, target.weight), *marks]


def _weights(wish: Wish, seen: dict[str, Any], share: int) -> list[Operation]:
    """What is broken is told nothing but 0, by whoever asks."""
    found = wish.find(seen["spec"])
    if found.problem is None:
        return weight_operations(found.splits, share)
    return taking_operations(found.leftovers)


class RouteLender:
    """Port `Lender`: routes of users get back what stable and canary had at first, 100 and 0."""

    def __init__(self, client: Client, caches: Caches, *, cluster_domain: str) -> None:
        """Remember where to write."""
        self._routes = ForeignRoutes(client, caches, cluster_domain)

    async def give_back(self, rollout: Rollout, loan: Loan, kept: Collection[Loan] = ()) -> bool:
        """Give all requests of a route to stable, and take our mark away with the last route.

        Nobody looks at it again for this rollout, so what a watch has still to tell counts too.

        Raises:
            RouteMissingError: the canary keeps a share that nobody is there to take.
        """
        routes = (loan.part,) if loan.part is not None else ()
        wish = self._routes.wish(rollout, loan.name, routes)
        await self._routes.look(wish)
        is_last = (loan.kind, loan.name) not in {(one.kind, one.name) for one in kept}

        def operations(seen: dict[str, Any]) -> list[Operation]:
            changes = _weights(wish, seen, 0)
            return [*changes, *_unmark(rollout.key, seen)] if is_last else changes

        written = await self._routes.change(wish, operations)
        left = self._routes.find(wish)
        if left.is_stuck and left.problem is not None:
            raise RouteMissingError(left.problem)
        return written


def _unmark(key: Key, seen: dict[str, Any]) -> list[Operation]:
    return mark_operations(key.name, seen["metadata"]["annotations"], RouteTarget(0))
