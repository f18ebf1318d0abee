"""A stage for a VirtualService of a user: the router is the real one, its API server in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

from canary_operator.adapters.cluster.cache import Caches as RealCaches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.convergence import Convergence
from canary_operator.adapters.cluster.errors import Call, NotFoundError, Refusal, RejectedError
from canary_operator.adapters.cluster.resources import Resource
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_referenced import ReferencedRouter
from canary_operator.domain.loans import FINALIZER, VIRTUAL_SERVICE
from canary_operator.domain.phase import Phase
from canary_operator.domain.situation import RouteState
from canary_operator.playground.api.errors import APIError
from canary_operator.playground.api.patches import json_patch
from canary_operator.ports import Key, Ports, Rollout, Rollouts
from canary_operator.testing.memory import START, World
from canary_operator.testing.sight import KINDS, ROUTE, Caches, Watches
from tests.histories.invariants import BrokenInvariantError
from tests.histories.own_route import (
    BREAKS,
    CANARY,
    NAME,
    OURS,
    PRIMARY,
    STABLE,
    Manifest,
    OwnRoute,
    entry,
    share_in,
    shop,
)
from tests.histories.process import Process
from tests.histories.stage import Stage


class Server:
    """As much of a client as the router uses; its writes may fail as all others do."""

    def __init__(self, own: OwnRoute, sight: Caches) -> None:
        self._own, self._sight = own, sight

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest:
        """Return the VirtualService."""
        return self._there(Call("get", resource, namespace, name))

    async def patch(
        self, resource: Resource, namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> Manifest:
        """Apply a JSON Patch."""
        call = Call("patch", resource, namespace, name)

        def change() -> None:
            try:
                patched = json_patch(self._there(call), operations)
            except APIError as error:
                raise RejectedError(call, _refusal(422)) from error
            self._own.put(patched)

        await self._own.world.write("route", change)
        self._sight.learned(ROUTE)
        return self._there(call)

    def _there(self, call: Call) -> Manifest:
        if self._own.manifest is None or call.name != NAME:
            raise NotFoundError(call, _refusal(404))
        return deepcopy(self._own.manifest)


def _refusal(code: int) -> Refusal:
    return Refusal(code, {"kind": "Status", "message": "refused", "details": {"name": NAME}})


class OwnRouteWatches(Watches):
    """Watches of which one tells of the VirtualService as a whole."""

    def __init__(self, own: OwnRoute) -> None:
        self.own = own
        super().__init__(own.world)

    def _objects(self) -> Iterator[tuple[str, Any]]:
        for place, content in super()._objects():
            if place != ROUTE:
                yield place, content
        if self.own.manifest is not None:
            yield ROUTE, self.own.manifest


class OwnRouteCaches(Caches):
    """What a process has seen; the router's own cache is fed by the same watch."""

    def __init__(self, watches: OwnRouteWatches) -> None:
        self.real = RealCaches()
        self._own = watches.own
        self._known: Manifest | None = None
        super().__init__(watches)
        self._feed(self._content(ROUTE))

    def _take_in(self, told: Any) -> None:
        super()._take_in(told)
        if told.place == ROUTE:
            self._feed(told.content)

    def _feed(self, manifest: Manifest | None) -> None:
        cache = self.real.virtual_services
        if manifest is not None:
            self._known = manifest
            cache.saw("MODIFIED", manifest)
        elif self._known is not None:
            meta = self._known["metadata"]
            gone = {**meta, "resourceVersion": str(int(meta["resourceVersion"]) + 1)}
            cache.saw("DELETED", {**self._known, "metadata": gone})

    def route(self) -> RouteState:
        """Return what the canary got when the VirtualService was last seen."""
        return self._own.read(self._content(ROUTE))


class _Versioned:
    """Port `Rollouts`, whose `objects` change with every change of the VirtualService."""

    def __init__(self, rollouts: Rollouts, caches: RealCaches) -> None:
        self._rollouts, self._caches = rollouts, caches

    def get(self, key: Key) -> Rollout | None:
        found = self._rollouts.get(key)
        versions = self._caches.versions_of(key)
        return found and replace(found, objects=(found.objects, versions))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rollouts, name)


class OwnRouteProcess(Process):
    """A process with the router and the lender that there are in a cluster."""

    def __init__(self, own: OwnRoute, watches: OwnRouteWatches) -> None:
        self._own = own
        super().__init__(own.world, watches)

    def connect(self, world: World, watches: Watches) -> tuple[Caches, Ports]:
        """Return what this process sees, and what it works with."""
        caches = OwnRouteCaches(cast("OwnRouteWatches", watches))
        client, real = cast("Client", Server(self._own, caches)), caches.real
        ports, router = world.ports(caches), ReferencedRouter(client, real, wake=self.wake)

        def seconds() -> float:
            return (world.now - START).total_seconds()

        router._convergence = Convergence(seconds)
        return caches, replace(
            ports,
            rollouts=cast("Rollouts", _Versioned(ports.rollouts, real)),
            router=router,
            lenders={VIRTUAL_SERVICE: RouteLender(client, real, cluster_domain="cluster.local")},
        )


class OwnRouteStage(Stage):
    """Where a history of somebody else's VirtualService is played."""

    def __init__(
        self, census: Counter[str] | None = None, routes: Sequence[str] = (PRIMARY,), **changes: Any
    ) -> None:
        self.routes = list(routes)
        reference = {"virtualService": {"name": NAME, "routes": self.routes}}
        super().__init__(census, traffic={"istio": reference}, **changes)

    def watch(self) -> Watches:
        """Begin to note what happens to the world, which has a VirtualService now."""
        self.own = OwnRoute(self.world, self.routes)
        return OwnRouteWatches(self.own)

    def start(self) -> Process:
        """Return a process with nothing in memory."""
        return OwnRouteProcess(self.own, cast("OwnRouteWatches", self.watches))

    def deliver(self) -> None:
        """Let watches tell; who follows a VirtualService is woken by the cache alone."""
        for kind in KINDS:
            if kind not in self.held_back and self.process.caches.tell(kind) and kind != "route":
                self.process.wake()

    def _after_write(self, name: str) -> None:
        self._check(name)
        super()._after_write(name)

    def _check(self, name: str) -> None:
        before, after, world = self.witness.before, self.witness.moment(), self.world
        share = 0 if self.process.caches.behind("route") else after.route.weight
        if name == "route" and FINALIZER not in world.finalizers:
            raise BrokenInvariantError("loan", "a route was changed that nobody would set back")
        if name == "canary" and share and before.canary.pods:
            revisions = before.canary.revision, after.canary.revision
            if after.canary.replicas == 0 or revisions[0] != revisions[1]:
                words = f"{share} % lead to pods that go: {before.canary} → {after.canary}"
                raise BrokenInvariantError("pods", words)
        if name == "release" and share and not after.route.broken:
            raise BrokenInvariantError("loan", f"let go, and the canary still gets {share} %")
        if name == "release" and after.route.rejected and not self.process.caches.behind("route"):
            raise BrokenInvariantError("loan", "let go, and our mark is still there")
        if name == "release" and world.is_gone:  # the garbage collector does the rest
            world.deployments.clear()
            world.records, world.services = [], False

    def _check_rest(self) -> None:
        new = self.phase in {None, Phase.INITIALIZING}  # nobody serves yet
        if not (new or self.world.deleting):
            super()._check_rest()

    def edit_weight(self, weight: int | None) -> None:
        """Change all weights of stable and canary by hand; None for some that sum to 150."""
        share = 50 if weight is None else weight
        weights = {STABLE: 100 if weight is None else 100 - share, CANARY: share}
        http = deepcopy(self.own.http)
        for route in self.own.ours({"spec": {"http": http}}):
            if not self.is_on_trial and route.get("name") not in OURS:
                continue  # what it gives the canary is its owner's will
            for one in route["route"]:
                one["weight"] = weights.get(one["destination"]["host"], one["weight"])
        self.own.edit(http)
        self.changed()

    @property
    def is_on_trial(self) -> bool:
        """Whether a share is recorded; a canary has it wherever its route is by now."""
        return bool(self.world.status.get("weight"))

    def break_route(self, name: str, how: str) -> None:
        """Let the user write one of the routes so that it cannot be split, or is elsewhere.

        At rest all else is as in the repository: what the canary has then in a route of another
        name is its owner's will.
        """
        http = deepcopy(self.own.http)
        for index, route in enumerate(http):
            if route.get("timeout") == OURS[name]:
                if not self.is_on_trial:
                    route["name"] = name
                    route["route"] = [entry(STABLE, 100), entry(CANARY, 0)]
                BREAKS[how](http, index)
                break
        self.own.edit(http)
        self.changed()

    def mend_route(self, *, keeps_share: bool) -> None:
        """Let the user apply what the repository has, with the present weights or without."""
        shares = {route["timeout"]: share_in(route) for route in self.own.ours(self.own.manifest)}
        http = shop()
        for route in http:
            share = shares.get(route.get("timeout", ""), 0)
            if keeps_share and share:
                route["route"] = [entry(STABLE, 100 - share), entry(CANARY, share)]
        self.own.edit(http)
        self.create_route()

    def delete_route(self) -> None:
        """Let the user delete the VirtualService."""
        self.own.delete()
        self.changed()

    def create_route(self) -> None:
        """Let the user create it again."""
        self.own.create()
        self.changed()
