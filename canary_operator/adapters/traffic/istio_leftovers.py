"""What routes give the canary that cannot be split as they should: it can be taken, never given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.traffic.istio_claims import full_host, meant_host
from canary_operator.adapters.traffic.istio_http import ALL, Hosts


@dataclass(frozen=True, slots=True)
class Destination:
    """One of our two destinations in a route."""

    path: str
    """JSON Pointer."""
    host: str
    """As it is written."""
    weight: int | None
    """None where none is written, which means 0."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A route that sends requests to the canary, whatever else it lacks."""

    path: str
    name: str | None
    canary: tuple[Destination, ...]
    stable: Destination | None
    """The first that is written so that the mesh knows it."""
    others: tuple[int, ...]
    """Weights of all further destinations."""

    @property
    def is_alone(self) -> bool:
        """Whether the canary is the only one, which gets everything whatever its weight says."""
        return self.stable is None and not self.others

    @property
    def weight(self) -> int:
        """The canary's share in percent, rounded up: what is left of it is not called nothing."""
        if self.is_alone:
            return ALL
        whole = self._given + sum(self.others) + self._stable
        return -(-ALL * self._given // whole) if whole else 0

    @property
    def is_stuck(self) -> bool:
        """Whether the canary has a share and nobody is there to take it."""
        return self.weight > 0 and self.stable is None and sum(self.others) == 0

    def without_canary(self) -> list[tuple[Destination, int]]:
        """Return the weights that leave the canary nothing.

        What it had goes to stable. Where that is not there, the others share it in proportion,
        which needs no change of theirs: Istio reads weights as parts of their sum.
        """
        if self.is_stuck:
            return []
        changed = [(one, 0) for one in self.canary if one.weight]
        if changed and self.stable is not None:
            changed.insert(0, (self.stable, self._stable + self._given))
        return changed

    @property
    def _given(self) -> int:
        return sum(one.weight or 0 for one in self.canary)

    @property
    def _stable(self) -> int:
        return (self.stable.weight or 0) if self.stable is not None else 0


def leftover_in(
    index: int, route: Mapping[str, Any], hosts: Hosts, namespace: str, cluster_domain: str
) -> Leftover | None:
    """Return what the HTTP route at `index` gives the canary; None where it does not name it.

    The canary is found by `web-canary.demo` too: the mesh has no host of that name, but a mesh of
    other rules may, and nobody is served by it otherwise.
    """
    canary: list[Destination] = []
    stable: Destination | None = None
    others: list[int] = []
    for at, entry in enumerate(route.get("route") or ()):
        host, weight = host_of(entry), entry.get("weight")
        one = Destination(f"/spec/http/{index}/route/{at}", host, weight)
        if meant_host(host, namespace, cluster_domain) == hosts.canary:
            canary.append(one)
        elif stable is None and full_host(host, namespace, cluster_domain) == hosts.stable:
            stable = one
        else:
            others.append(weight or 0)
    if not canary:
        return None
    return Leftover(f"/spec/http/{index}", route.get("name"), tuple(canary), stable, tuple(others))


def host_of(entry: Mapping[str, Any]) -> str:
    """Return the host of a destination as it is written; empty where there is none."""
    return (entry.get("destination") or {}).get("host") or ""
