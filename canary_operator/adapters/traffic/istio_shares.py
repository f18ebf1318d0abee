"""Shares in somebody else's VirtualService: where they stand, and what keeps them from being told.

Everything here is computed from what was read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary_operator.adapters.traffic.istio_claims import full_host
from canary_operator.adapters.traffic.istio_http import ALL, Hosts
from canary_operator.adapters.traffic.istio_leftovers import (
    Destination,
    Leftover,
    host_of,
    leftover_in,
)


@dataclass(frozen=True, slots=True)
class Split:
    """A route between the two."""

    path: str
    name: str | None
    stable: Destination
    canary: Destination
    is_ours: bool
    """Whether no other destination has a weight."""

    @property
    def weight(self) -> int | None:
        """The canary's share in percent; None where the weights do not sum to 100."""
        canary = self.canary.weight or 0
        whole = (self.stable.weight or 0) + canary
        return canary if self.is_ours and whole == ALL else None

    def weights(self, share: int) -> tuple[int, int]:
        """Return the weights of stable and canary that give the canary `share` percent.

        Beside others with a weight, the canary's can only go to stable.
        """
        if self.is_ours:
            return ALL - share, share
        return (self.stable.weight or 0) + (self.canary.weight or 0), 0


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of the routes that a rollout splits."""

    splits: tuple[Split, ...] = ()
    problem: str | None = None
    """What keeps them from being split, in words that name it; None if nothing."""
    leftovers: tuple[Leftover, ...] = ()
    """What the canary gets nevertheless, where something keeps them from being split."""

    @property
    def exists(self) -> bool:
        """Whether there is a route that may give the canary something."""
        return bool(self.splits or self.leftovers)

    @property
    def is_stuck(self) -> bool:
        """Whether the canary has a share that nobody is there to take."""
        return any(one.is_stuck for one in self.leftovers)

    @property
    def weight(self) -> int | None:
        """The canary's share; the highest where routes differ, None where one cannot be read."""
        if self.problem is not None:
            return max((one.weight for one in self.leftovers), default=None)
        weights = [split.weight for split in self.splits]
        if None in weights:
            return None
        return max((weight for weight in weights if weight is not None), default=None)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which routes of which VirtualService are to be split between which Services."""

    name: str
    routes: tuple[str, ...]
    """Empty for the only one."""
    hosts: Hosts
    namespace: str
    cluster_domain: str
    told: frozenset[int] = field(default=frozenset(), compare=False)
    """Shares above 0 that the canary may have, by what was told and what is recorded. Of several
    routes of which none is named, one with such a share is ours; others are their owner's."""

    def find(self, spec: Mapping[str, Any] | None) -> Found:
        """Look for the routes in the spec of the VirtualService; None where there is none."""
        if spec is None:
            words = f"there is none of that name that sends requests to {self._both}"
            return Found(problem=self._words(words))
        listed = list(enumerate(spec.get("http") or ()))
        chosen, problems = self._chosen(listed)
        read = [self._split(index, route) for index, route in chosen]
        splits = tuple(one for one in read if isinstance(one, Split))
        problems = problems or [
            problem
            for one, (_, route) in zip(read, chosen, strict=True)
            if (problem := one if isinstance(one, str) else self._beside(one, route))
        ]
        if not problems:
            return Found(splits)
        left = tuple(self._leftovers(listed, {index for index, _ in chosen}))
        stuck = [
            f"{_called(one.name)} leaves nobody to take the {one.weight} % of "
            f"{_short(self.hosts.canary)} from it"
            for one in left
            if one.is_stuck
        ]
        return Found(splits, self._words("; ".join([*problems, *stuck])), left)

    def _leftovers(
        self, listed: Sequence[tuple[int, Mapping[str, Any]]], chosen: set[int]
    ) -> Iterator[Leftover]:
        """Find what the canary may still get by the routes that are meant, as far as is known.

        A route that is not there by its name may be there by another one, while a canary has a
        share. One that sends everything to the canary was never split, unless just that is meant.
        """
        present = {one.get("name") for _, one in listed}
        astray = bool(self.told) and not present.issuperset(self.routes)
        certain = bool(self.routes) or len(listed) == 1
        for index, route in listed:
            found = leftover_in(index, route, self.hosts, self.namespace, self.cluster_domain)
            if found is None or (index not in chosen and not astray):
                continue
            if not found.is_alone or (certain and index in chosen):
                yield found

    def _words(self, what: str) -> str:
        return (
            f"spec.traffic.istio.virtualService: VirtualService {self.name} in namespace "
            f"{self.namespace} cannot be split: {what}. Mend the VirtualService, or name another."
        )

    @property
    def _both(self) -> str:
        return f"{_short(self.hosts.stable)} and {_short(self.hosts.canary)}"

    def _chosen(
        self, listed: Sequence[tuple[int, Mapping[str, Any]]]
    ) -> tuple[Sequence[tuple[int, Mapping[str, Any]]], list[str]]:
        """Return the routes that are meant, and what is wrong with their names.

        Where one of several is meant and nobody says which, requests can be taken from the canary
        in the one that was split, and nothing else.
        """
        if self.routes:
            chosen = [(index, one) for index, one in listed if one.get("name") in self.routes]
            names = [route["name"] for _, route in chosen]
            missing = [name for name in self.routes if name not in names]
            return chosen, [f"it has no HTTP route named {name}" for name in missing]
        if len(listed) == 1:
            return listed, []
        words = (
            f"it has {len(listed)} HTTP routes, so spec.traffic.istio.virtualService.routes must "
            "name those to be split"
        )
        return self._split_before(listed), [words]

    def _split_before(
        self, listed: Sequence[tuple[int, Mapping[str, Any]]]
    ) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """Return the routes that have the canary's share.

        At rest none is ours to change: what the canary gets in one is its owner's will. Nor where
        one gives it nothing: its share was taken. Else, while a canary is on trial, all may be
        ours, as it must not keep a share that nobody measures.
        """
        shares: dict[int, list[tuple[int, Mapping[str, Any]]]] = {}
        for index, route in listed:
            split = self._split(index, route)
            if isinstance(split, Split):
                shares.setdefault(split.canary.weight or 0, []).append((index, route))
        if not self.told:
            return []
        ours = [route for share in self.told for route in shares.get(share, ())]
        return ours or ([] if 0 in shares else listed)

    def _split(self, index: int, route: Mapping[str, Any]) -> Split | str:
        """Return the split of a route, or what keeps it from being one."""
        path, name = f"/spec/http/{index}", route.get("name")
        ours: dict[str, Destination] = {}
        for at, entry in enumerate(route.get("route") or ()):
            host = host_of(entry)
            full = full_host(host, self.namespace, self.cluster_domain)
            if full not in {self.hosts.stable, self.hosts.canary}:
                continue
            if full in ours:
                return f"{_called(name)} sends requests to {_short(full)} twice"
            ours[full] = Destination(f"{path}/route/{at}", host, entry.get("weight"))
        for full in (self.hosts.stable, self.hosts.canary):
            if full not in ours:
                return f"{_called(name)} has no destination {_short(full)}, written so or as {full}"
        stable, canary = ours[self.hosts.stable], ours[self.hosts.canary]
        is_ours = not any(self._others(route))
        return Split(path, name, stable, canary, is_ours)

    def _beside(self, split: Split, route: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the other destinations of a route, if anything."""
        if split.is_ours:
            return None
        others = ", ".join(self._others(route))
        return (
            f"{_called(split.name)} also gives a weight to {others}, and stable and canary have to "
            "share everything"
        )

    def _others(self, route: Mapping[str, Any]) -> Iterator[str]:
        for entry in route.get("route") or ():
            host = host_of(entry)
            full = full_host(host, self.namespace, self.cluster_domain)
            if full not in {self.hosts.stable, self.hosts.canary} and entry.get("weight"):
                yield host


def _short(host: str) -> str:
    return host.partition(".")[0]


def _called(name: str | None) -> str:
    return f"its HTTP route {name}" if name else "its HTTP route"
