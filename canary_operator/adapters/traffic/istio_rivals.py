"""Which of several rollouts gets a host that all of them claim.

Who routes a host keeps it. Of two that both route it, or both do not yet, the one whose own Service
it is gets it, then the older one, then the one with the lower uid. So nobody loses requests to
somebody who comes later, and two that come at the same moment agree without asking each other.

All of this comes from what is in memory: specs in force, as ticks bring them here, and the cache of
VirtualServices. A rollout that lost is woken when something changes that it lost by.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.cluster.cache import Caches, Held, Place
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.adapters.traffic.istio_claims import Claim, claims_of
from canary_operator.ports import Key


@dataclass(frozen=True, slots=True)
class Contender:
    """What a rollout claims by its spec, and what decides whether it gets it."""

    key: Key
    uid: str
    created: str
    """Creation time of the CanaryRollout, as Kubernetes writes it, so that texts sort by age."""
    claims: Mapping[Claim, str]
    """Everything that it claims, and each host as it is written."""
    own: frozenset[Claim]
    """Those of its own Service; never lost."""


class Rivals:
    """Knows who claims what."""

    def __init__(
        self, caches: Caches, cluster_domain: str, wake: Callable[[Key], None] = lambda _: None
    ) -> None:
        """Start without knowing anybody; the first tick of each rollout brings it here.

        Args:
            caches: VirtualServices that are routed, and news of rollouts that are gone.
            cluster_domain: End of the names of Services.
            wake: Has a rollout looked at again.
        """
        self._routes = caches.virtual_services
        self._domain = cluster_domain
        self._wake = wake
        self._in_force: dict[Key, Contender] = {}
        self._by_claim: defaultdict[Claim, set[Key]] = defaultdict(set)
        self._losers: set[Key] = set()
        """Who lost, now or before. Being woken in vain costs no request."""
        self._read: dict[Place, tuple[bytes, Mapping[Claim, str]]] = {}
        caches.virtual_services.on_removal(self._route_is_gone)
        caches.rollouts.on_removal(self._rollout_is_gone)

    def follow(self, contender: Contender) -> None:
        """Take in what the spec in force of a rollout claims."""
        before = self._in_force.get(contender.key)
        if before == contender:
            return
        self._forget(contender.key)
        self._in_force[contender.key] = contender
        affected = set(self._losers) if before else set()
        for claim in contender.claims:
            affected |= self._by_claim[claim]
            self._by_claim[claim].add(contender.key)
        self._wake_all(affected - {contender.key})

    def leave(self, key: Key) -> None:
        """Take in that a rollout's spec in force claims nothing any more."""
        if key in self._in_force:
            self._rollout_is_gone((key.namespace, key.name))

    def lost(self, contender: Contender) -> dict[Claim, Key]:
        """Return which claims are left to somebody else, and to whom."""
        found: dict[Claim, Key] = {}
        for claim in contender.claims.keys() - contender.own:
            winner = self._winner(contender, claim)
            if winner is not None:
                found[claim] = winner
        if found:
            self._losers.add(contender.key)
        return found

    def rerouted(self) -> None:
        """Take in that the hosts of some VirtualService changed."""
        self._wake_all(self._losers)

    def _winner(self, contender: Contender, claim: Claim) -> Key | None:
        keys = self._by_claim.get(claim, set()) - {contender.key}
        all_who_claim = (contender, *(self._in_force[key] for key in keys))
        first = min(all_who_claim, key=lambda one: self._rank(one, claim))
        if first is not contender:
            return first.key
        mine = self._routes_it(contender.key, claim)
        return None if mine else self._routing(contender.key, claim)

    def _rank(self, one: Contender, claim: Claim) -> tuple[bool, bool, str, str]:
        """Return what sorts those who claim the same: first who gets it."""
        not_routed = not self._routes_it(one.key, claim)
        return not_routed, claim not in one.own, one.created, one.uid

    def _routes_it(self, key: Key, claim: Claim) -> bool:
        held = self._routes.get(key.namespace, key.name)
        return held is not None and held.rollout == key and claim in self._claims(held)

    def _routing(self, key: Key, claim: Claim) -> Key | None:
        """Return another rollout whose VirtualService has a claim, whatever its spec says.

        Its spec may not have been looked at since the start, or may have just changed.
        """
        for held in self._routes:
            other = Key(held.namespace, held.name)
            is_of_another = held.rollout is not None and other != key
            if is_of_another and claim in self._claims(held):
                return other
        return None

    def _claims(self, held: Held[SeenManifest]) -> Mapping[Claim, str]:
        place, manifest = (held.namespace, held.name), held.content.manifest
        known = self._read.get(place)
        if known is not None and known[0] == manifest:
            return known[1]
        spec: Mapping[str, Any] = unpack(manifest)["spec"]
        claims = claims_of(spec, held.namespace, self._domain)
        self._read[place] = manifest, claims
        return claims

    def _route_is_gone(self, place: Place) -> None:
        self._read.pop(place, None)
        self._wake_all(self._losers)

    def _rollout_is_gone(self, place: Place) -> None:
        key = Key(*place)
        self._forget(key)
        self._losers.discard(key)
        self._wake_all(self._losers)

    def _forget(self, key: Key) -> None:
        gone = self._in_force.pop(key, None)
        for claim in gone.claims if gone else ():
            self._by_claim[claim].discard(key)
            if not self._by_claim[claim]:
                del self._by_claim[claim]

    def _wake_all(self, keys: set[Key]) -> None:
        for key in sorted(keys):
            self._wake(key)
