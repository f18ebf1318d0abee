"""Every kind of router, and the one that picks among them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.traffic.istio import IstioRouter
from canary_operator.adapters.traffic.istio_foreign import RouteLender
from canary_operator.adapters.traffic.istio_referenced import ReferencedRouter
from canary_operator.adapters.traffic.replicas import ReplicasRouter
from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.loans import VIRTUAL_SERVICE
from canary_operator.domain.situation import RouteState, Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Lender, Rollout, TrafficRouter

DEFAULT_KIND = "istio"


class RouterOfAKind(TrafficRouter, Protocol):
    """A router that rollouts come to, and go from."""

    def leave(self, rollout: Rollout) -> None:
        """Take in that the spec in force names another router: it holds nothing here any more.

        Called again and again; those that waited for what it held are woken.
        """
        ...


Wake = Callable[[Key], None]
"""Has a rollout looked at again."""
Build = Callable[[Client, Caches, Settings, Sequence[str], Wake], RouterOfAKind]
"""Makes a router from the client, the caches, the operator's settings, the namespaces that are
watched (none means all), and what wakes a rollout."""


def _istio(
    client: Client, caches: Caches, settings: Settings, namespaces: Sequence[str], wake: Wake
) -> RouterOfAKind:
    return IstioRouter(
        client,
        caches,
        cluster_domain=settings.cluster_domain,
        namespaces=tuple(namespaces),
        wake=wake,
    )


def _referenced(
    client: Client, caches: Caches, settings: Settings, _: Sequence[str], wake: Wake
) -> RouterOfAKind:
    return ReferencedRouter(client, caches, cluster_domain=settings.cluster_domain, wake=wake)


ROUTERS: Mapping[str, Build] = {
    "istio": _istio,
    "istio.virtual_service": _referenced,
    "replicas": lambda client, caches, *_: ReplicasRouter(client, caches),
}
"""By their field of `spec.traffic`; of two that are given, the one with more dots is meant."""


def build_lenders(client: Client, caches: Caches, settings: Settings) -> Mapping[str, Lender]:
    """Return what gives back what routers borrowed, by the kind of objects."""
    return {VIRTUAL_SERVICE: RouteLender(client, caches, cluster_domain=settings.cluster_domain)}


def build_router(
    client: Client,
    caches: Caches,
    settings: Settings,
    namespaces: Sequence[str] = (),
    wake: Wake = lambda _: None,
) -> "RouterByKind":
    """Return the router of all rollouts."""
    return RouterByKind(
        {kind: build(client, caches, settings, namespaces, wake) for kind, build in ROUTERS.items()}
    )


class RouterByKind:
    """Port `TrafficRouter`: hands on to the router that `spec.traffic` names."""

    def __init__(self, routers: Mapping[str, RouterOfAKind]) -> None:
        """Remember the routers by their field of `spec.traffic`; `istio` is the default."""
        self._routers = routers

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the router was told, as last seen.

        The one that has an object is asked: the newest spec, which may be refused, names another.
        Where none has, one may know that it should.
        """
        found = [router.state(rollout, spec) for router in self._routers.values()]
        return max(found, key=lambda state: (state.exists, state.broken))

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that nobody else routes its hosts."""
        await self._chosen(spec).claim(rollout, spec)

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:
        """Return which host of the spec in force is left to another rollout, if one is."""
        chosen = self._chosen(spec)
        for router in self._routers.values():
            if router is not chosen:
                router.leave(rollout)
        return chosen.contested(rollout, spec)

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written."""
        return await self._chosen(spec).set(rollout, spec, target)

    def is_finished(self, rollout: Rollout) -> bool:
        """Whether the last `set` did all of it; else it goes on by itself and is repeated."""
        return all(router.is_finished(rollout) for router in self._routers.values())

    def _chosen(self, spec: RolloutSpec) -> RouterOfAKind:
        given = (kind for kind in self._routers if _is_given(kind, spec))
        return self._routers[max(given, key=lambda kind: kind.count("."), default=DEFAULT_KIND)]


def _is_given(kind: str, spec: RolloutSpec) -> bool:
    part: object = spec.traffic
    for field in kind.split("."):
        part = getattr(part, field, None)
    return part is not None
