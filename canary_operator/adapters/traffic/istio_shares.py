"""Shares in somebody else's VirtualService: where they stand, and the patch that changes them.

Everything here is computed from what was read. A patch tests all that it relies on, and changes
weights and our own annotation; so whatever else is written there stays, byte for byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary_operator.adapters.traffic.istio_claims import full_host
from canary_operator.adapters.traffic.istio_http import ALL, Hosts
from canary_operator.domain.objects import GROUP
from canary_operator.domain.reasons import REASONS, Reason
from canary_operator.domain.target import RouteTarget

Operation = dict[str, Any]
"""One operation of a JSON Patch."""

_MARKS = f"rejected.{GROUP}"
"""Prefix of the annotations that say what was rolled back; the rest is the name of the rollout, as
several may have routes in one VirtualService."""


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

    @property
    def weight(self) -> int | None:
        """The canary's share; the highest where routes differ, None where one cannot be read."""
        weights = [split.weight for split in self.splits]
        if self.problem is not None or None in weights:
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
        return Found(splits, self._words("; ".join(problems)) if problems else None)

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
            host = _host(entry)
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
            host = _host(entry)
            full = full_host(host, self.namespace, self.cluster_domain)
            if full not in {self.hosts.stable, self.hosts.canary} and entry.get("weight"):
                yield host


def _host(entry: Mapping[str, Any]) -> str:
    return (entry.get("destination") or {}).get("host") or ""


def _short(host: str) -> str:
    return host.partition(".")[0]


def _called(name: str | None) -> str:
    return f"its HTTP route {name}" if name else "its HTTP route"


def weight_operations(splits: Sequence[Split], share: int) -> list[Operation]:
    """Return the operations that give the canary `share` percent; none where it has that."""
    operations: list[Operation] = []
    for split in splits:
        pairs = zip((split.stable, split.canary), split.weights(share), strict=True)
        changed = [(one, weight) for one, weight in pairs if (one.weight or 0) != weight]
        if changed and split.name is not None:
            operations.append(_test(f"{split.path}/name", split.name))
        for one, weight in changed:
            operations += _change(one, weight)
    return operations


def _change(one: Destination, weight: int) -> Iterator[Operation]:
    yield _test(f"{one.path}/destination/host", one.host)
    if one.weight is not None:
        yield _test(f"{one.path}/weight", one.weight)
    yield {"op": "add", "path": f"{one.path}/weight", "value": weight}


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def mark_of(rollout: str, annotations: Mapping[str, str]) -> tuple[str | None, Reason | None]:
    """Return which revision of a rollout was rolled back, and why, by the annotation."""
    revision, _, because = annotations.get(f"{_MARKS}/{rollout}", "").partition("/")
    return revision or None, Reason(because) if because in REASONS else None


def mark_operations(
    rollout: str, annotations: Mapping[str, str] | None, target: RouteTarget
) -> list[Operation]:
    """Return the operations that set, change or remove the mark of a rollback.

    Args:
        rollout: Whose mark.
        annotations: Those that there are; None where the object has none at all.
        target: What is to be marked.
    """
    key = f"{_MARKS}/{rollout}"
    path = "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")
    present = (annotations or {}).get(key)
    wanted = f"{target.rejected}/{target.rejected_because or ''}" if target.rejected else None
    if present == wanted:
        return []
    if wanted is None:
        return [_test(path, present), {"op": "remove", "path": path}]
    first = [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    return [*first, {"op": "add", "path": path, "value": wanted}]
