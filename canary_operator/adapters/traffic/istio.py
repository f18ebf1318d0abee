"""Istio: one VirtualService for each rollout, whose weights always sum to 100."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.drift import Rules
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, RejectedError
from canary_operator.adapters.cluster.owned import OwnedObjects
from canary_operator.adapters.cluster.resources import VIRTUAL_SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.traffic.istio_claims import Claims, claims_of, full_host
from canary_operator.adapters.traffic.istio_group import GroupServices
from canary_operator.adapters.traffic.istio_policies import Policies
from canary_operator.adapters.traffic.istio_rivals import Contender, Rivals
from canary_operator.adapters.traffic.istio_routes import (
    GIVEN_ANNOTATION,
    ROUTE_KINDS,
    canary_weight,
    has_settings,
    hosts_of,
    names_group,
    virtual_service,
)
from canary_operator.adapters.traffic.istio_writes import writing
from canary_operator.domain.errors import (
    ConflictError,
    DriftConflictError,
    ForbiddenError,
    HostConflictError,
    RefusedRouteError,
)
from canary_operator.domain.objects import REJECTED_ANNOTATION, REJECTED_BECAUSE_ANNOTATION
from canary_operator.domain.reasons import REASONS, Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

logger = logging.getLogger(__name__)

_NOTHING: Mapping[str, Any] = {"metadata": {"labels": {}, "annotations": {}}, "spec": {}}
_WEBHOOK_PAUSE = timedelta(seconds=30)
_RULES = Rules(
    exact=frozenset({"spec.hosts", "spec.gateways", "spec.http", "spec.tcp", "spec.tls"})
)
"""Lists of a VirtualService are one value each for the API server."""


class IstioRouter:
    """Port `TrafficRouter`."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        *,
        cluster_domain: str = "cluster.local",
        namespaces: tuple[str, ...] = (),
        wake: Callable[[Key], None] = lambda _: None,
    ) -> None:
        """Remember where to write.

        Args:
            client: The API server.
            caches: Their `virtual_services` must be watched.
            cluster_domain: End of the names of Services.
            namespaces: Where to look for others that route the same hosts; none means everywhere.
            wake: Has a rollout looked at again that may get a host now, or has to give one up.
        """
        self._domain = cluster_domain
        self._client = client
        self._objects = OwnedObjects[SeenManifest](
            client, VIRTUAL_SERVICES, caches.virtual_services, _RULES
        )
        self._group = GroupServices(client, caches, wake)
        self._policies = Policies(client, caches, cluster_domain)
        self._claims = Claims(client, cluster_domain, namespaces)
        self._rivals = Rivals(caches, cluster_domain, wake)

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the router was told, as last seen."""
        focused = spec is not None and spec.strategy.is_focused
        held = self._objects.get(rollout, rollout.key.name)
        if held is None:
            return RouteState()
        manifest = unpack(held.content.manifest)
        annotations = manifest["metadata"]["annotations"]
        because = annotations.get(REJECTED_BECAUSE_ANNOTATION)
        return RouteState(
            exists=True,
            weight=canary_weight(manifest["spec"], rollout.key, self._domain, focused=focused),
            rejected=annotations.get(REJECTED_ANNOTATION) or None,
            rejected_because=Reason(because) if because in REASONS else None,
            hosts=frozenset(manifest["spec"].get("hosts") or ()),
        )

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that nobody else routes its hosts."""
        conflict = self._conflict(contender_of(rollout, spec, self._domain))
        if conflict is not None:
            raise conflict
        wanted = hosts_of(rollout.key, spec, self._domain)
        await self._claims.check(rollout, wanted, self._present(rollout)["spec"])
        await self._try_out(rollout, spec)

    async def _try_out(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Ask the API server, and Istio's webhook where it is, whether they take the route.

        What is refused only when it is to be written would stand in the way of a rollback.

        Raises:
            RefusedRouteError: one of them does not; the message is theirs.
            NameConflictError: an object of that name is somebody else's.
        """
        if rollout.deleting or not has_settings(spec):
            return
        try:
            wanted = virtual_service(rollout, spec, RouteTarget(0), self._domain)
            await self._objects.try_out(rollout, wanted)
            await self._policies.try_out(rollout, spec)
        except RejectedError as error:
            raise RefusedRouteError(
                f"spec.traffic.istio: the API server refuses VirtualService {rollout.key.name}: "
                f"{error.message}"
            ) from error
        except (ApiError, ConflictError, ForbiddenError) as error:
            # Not installed, not ours, or not ours to write: writing it will tell.
            facts = {"rollout": str(rollout.key)}
            logger.debug("The route could not be tried out: %s", error, extra=facts)

    def _present(self, rollout: Rollout) -> Mapping[str, Any]:
        held = self._objects.get(rollout, rollout.key.name)
        manifest: Mapping[str, Any] = unpack(held.content.manifest) if held else _NOTHING
        return manifest

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> HostConflictError | None:
        """Return which host of the spec in force is left to another rollout, if one is."""
        contender = contender_of(rollout, spec, self._domain)
        self._rivals.follow(contender)
        return self._conflict(contender)

    def leave(self, rollout: Rollout) -> None:
        """Take in that the spec in force names another router."""
        self._rivals.leave(rollout.key)

    def _conflict(self, contender: Contender) -> HostConflictError | None:
        lost = self._rivals.lost(contender)
        if not lost:
            return None
        claim = min(lost)
        return HostConflictError(
            f"CanaryRollout {lost[claim]} claims host {contender.claims[claim]} on gateway "
            f"{claim[0]} too, and comes first. Remove the host in one of the two, or delete "
            "that one with its VirtualService.",
            is_watched=True,
        )

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written.

        Hosts that another rollout comes first for are left out.
        """
        contender = contender_of(rollout, spec, self._domain)
        lost = {contender.claims[claim] for claim in self._rivals.lost(contender)}
        present = self._present(rollout)
        with_group = spec.strategy.is_focused and self._group.settle(rollout)
        wanted = virtual_service(
            rollout, spec, target, self._domain, without=lost, with_group=with_group
        )
        _take_away(wanted, present)
        if not present["spec"]:  # callers must not meet destinations without their policy
            await self._policies.write(rollout, spec)
        told = self.state(rollout, spec).weight
        urgent = told is None or told > target.weight
        with writing(VIRTUAL_SERVICES, rollout.key.name):
            written = await self._objects.ensure(rollout, wanted, urgent=urgent)
        after = self._present(rollout)["spec"]
        if frozenset(after.get("hosts") or ()) != frozenset(present["spec"].get("hosts") or ()):
            self._rivals.rerouted()
        self._check_weight(rollout, spec, target)
        # That a route begins to name the Service, or ends to, is nothing that somebody did.
        drifted = written and with_group == names_group(present["spec"], rollout.key, self._domain)
        return await self._beside(rollout, spec, after) or drifted

    def is_finished(self, rollout: Rollout) -> bool:
        """Whether the last `set` did all of it; else it goes on by itself and is repeated."""
        return self._group.is_finished(rollout)

    async def _beside(self, rollout: Rollout, spec: RolloutSpec, route: Mapping[str, Any]) -> bool:
        """Write what belongs to the route; the route comes first, as it may take traffic away."""
        focused = spec.strategy.is_focused
        written = await self._group.ensure(rollout, spec) if focused else False
        written = await self._policies.write(rollout, spec) or written
        await self._policies.remove_others(rollout, spec)
        if not focused and not names_group(route, rollout.key, self._domain):
            await self._group.remove(rollout)
        return written

    def _check_weight(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> None:
        """Notice a webhook that changes what we write."""
        if self.state(rollout, spec).weight != target.weight and not rollout.deleting:
            raise DriftConflictError(
                f"VirtualService {rollout.key.name} was told {target.weight} % and does not have "
                "it: an admission webhook changes it. Exclude it from that webhook.",
                retry_after=_WEBHOOK_PAUSE,
            )


def _take_away(wanted: dict[str, Any], present: Mapping[str, Any]) -> None:
    """Ask for the absence of what is there and not wanted, so that it counts as a difference.

    Of kinds that we have no routes of, those are somebody else's routes. Of metadata, those are
    labels and annotations that the spec gave before; the server takes them away with any write.
    """
    wanted["spec"] = {kind: [] for kind in ROUTE_KINDS if kind in present["spec"]} | wanted["spec"]
    if present["metadata"]["annotations"].get(GIVEN_ANNOTATION):
        wanted["metadata"]["annotations"].setdefault(GIVEN_ANNOTATION, "")


def contender_of(rollout: Rollout, spec: RolloutSpec, cluster_domain: str) -> Contender:
    """Return what a rollout claims."""
    key = rollout.key
    own = full_host(key.name, key.namespace, cluster_domain)
    claims = claims_of(hosts_of(key, spec, cluster_domain), key.namespace, cluster_domain)
    return Contender(
        key=key,
        uid=rollout.uid,
        created=rollout.created,
        claims=claims,
        own=frozenset(claim for claim, host in claims.items() if host == own),
    )
