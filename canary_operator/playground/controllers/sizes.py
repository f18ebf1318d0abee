"""How many pods each ReplicaSet of a Deployment gets next.

The arithmetic of Kubernetes' Deployment controller. Nothing here reads or writes; every answer
maps the names of ReplicaSets to their new sizes and leaves out those that stay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

IntOrPercent = int | str
"""A number of pods, or a share of the replicas such as `"25%"`."""

DEFAULT_SHARE = "25%"
"""What apps/v1 sets for maxSurge and maxUnavailable."""


@dataclass(frozen=True)
class Limits:
    """What a rolling update may do to a Deployment of `replicas` pods."""

    replicas: int
    surge: int
    """Pods that may exist beyond `replicas`."""
    unavailable: int
    """Pods that may be missing from `replicas`."""

    @property
    def most(self) -> int:
        """Pods that may exist at once; nothing surges over a Deployment without pods."""
        return self.replicas + self.surge if self.replicas else 0

    @property
    def fewest_available(self) -> int:
        """Pods that must stay available."""
        return self.replicas - self.unavailable


@dataclass(frozen=True)
class Sized:
    """One ReplicaSet as the arithmetic sees it."""

    name: str
    wanted: int
    """`spec.replicas`."""
    available: int = 0
    """`status.availableReplicas`."""
    created: str = ""
    """RFC 3339 time: text that sorts like the time."""
    most_when_sized: int = 0
    """`Limits.most` at the time of the last change of size; 0 where unknown."""


def rounded(value: IntOrPercent, of: int, *, up: bool) -> int:
    """Return a number of pods.

    Example:
        >>> rounded("25%", 10, up=True), rounded("25%", 10, up=False), rounded(3, 10, up=True)
        (3, 2, 3)
    """
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * of / 100
    return ceil(share) if up else floor(share)


def rolling_limits(replicas: int, max_surge: IntOrPercent, max_unavailable: IntOrPercent) -> Limits:
    """Return the limits of a rolling update.

    Surge rounds up and unavailability down, so that a share errs on the side of more pods. Where
    both come to nothing one pod may be unavailable, or the update could never move.
    """
    surge = rounded(max_surge, replicas, up=True)
    unavailable = rounded(max_unavailable, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))


def size_of_new(limits: Limits, new: int, total: int) -> int:
    """Return the next size of the new ReplicaSet in a rolling update.

    Args:
        limits: What the update may do.
        new: Its present size.
        total: Present size of all ReplicaSets together, the new one included.
    """
    if new >= limits.replicas:
        return limits.replicas
    room = max(0, limits.replicas + limits.surge - total)
    return new + min(room, limits.replicas - new)


def sizes_of_old(limits: Limits, new: Sized, old: Sequence[Sized]) -> dict[str, int]:
    """Return the next sizes of the old ReplicaSets in a rolling update.

    Pods that are not available go first, for nobody misses them. Then available ones, as many as
    keep `limits.fewest_available` available. New pods that are not available yet count against
    both, or a broken template would eat up the old ReplicaSets pod by pod.

    With 10 replicas, 2 unavailable, 3 surge: 8 must stay available, so 2 old pods may go at once;
    once 5 new pods exist and none is available, 13 - 8 - 5 = 0 more may go.
    """
    total = new.wanted + sum(each.wanted for each in old)
    may_go = total - limits.fewest_available - (new.wanted - new.available)
    if may_go <= 0:
        return {}
    oldest_first = sorted(old, key=lambda each: each.created)
    sizes = _taken(oldest_first, may_go, {each.name: _unavailable(each) for each in old})
    spare = new.available + sum(each.available for each in old) - limits.fewest_available
    left = {each.name: sizes.get(each.name, each.wanted) for each in old}
    after = [Sized(each.name, left[each.name], created=each.created) for each in oldest_first]
    return sizes | _taken(after, spare, left)


def _unavailable(one: Sized) -> int:
    return max(0, one.wanted - one.available)


def _taken(order: Iterable[Sized], may_go: int, from_each: Mapping[str, int]) -> dict[str, int]:
    """Return sizes after taking up to `may_go` pods in `order`, up to `from_each` of each."""
    sizes: dict[str, int] = {}
    for one in order:
        count = min(may_go, from_each[one.name])
        if count > 0:
            sizes[one.name] = one.wanted - count
            may_go -= count
    return sizes


def proportional_sizes(limits: Limits, sets: Sequence[Sized]) -> dict[str, int]:
    """Return sizes after a Deployment was scaled in the middle of a rolling update.

    Each ReplicaSet grows or shrinks by its share, so that the mix of versions stays; what rounding
    leaves over goes to the largest.
    """
    to_add = limits.most - sum(each.wanted for each in sets)
    if to_add == 0:
        return {}
    growing = to_add > 0
    order = sorted(sets, key=lambda each: each.created, reverse=growing)
    order.sort(key=lambda each: each.wanted, reverse=True)
    sizes: dict[str, int] = {}
    left = to_add
    for each in order:
        share = _share(limits, each)
        share = min(share, left) if growing else max(share, left)
        sizes[each.name] = each.wanted + (share if each.wanted else 0)
        left -= share if each.wanted else 0
    if order:
        sizes[order[0].name] = max(0, sizes[order[0].name] + left)
    return {each.name: sizes[each.name] for each in sets if sizes[each.name] != each.wanted}


def _share(limits: Limits, one: Sized) -> int:
    """Return by how much `one` grows (or shrinks) when all grow to `limits.most`."""
    if limits.replicas == 0:
        return -one.wanted
    before = one.most_when_sized or limits.most
    return floor(one.wanted * limits.most / before + 0.5) - one.wanted
