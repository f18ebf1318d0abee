"""A VirtualService that a user owns: how it stands, and what its user does to it.

What the canary gets is read from the object by code that shares nothing with the router's.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import RouteState
from canary_operator.testing.memory import World

Manifest = dict[str, Any]
Route = dict[str, Any]

NAME, PRIMARY, SECOND = "shop", "primary", "second"
OURS = {PRIMARY: "1s", SECOND: "2s"}
"""Timeouts of the routes that a rollout may split: by them a route is known whatever its name."""
MARK = "rejected.canary-operator.dev/web"
STABLE, CANARY = "web-stable", "web-canary"


def entry(host: str, weight: int) -> dict[str, Any]:
    """Return a destination."""
    return {"destination": {"host": host}, "weight": weight}


def shop() -> list[Route]:
    """Return the HTTP routes as the user's repository has them."""
    ours = [
        {"name": name, "timeout": OURS[name], "route": [entry(STABLE, 100), entry(CANARY, 0)]}
        for name in (PRIMARY, SECOND)
    ]
    return [{"name": "images", "route": [{"destination": {"host": "images"}}]}, *ours]


def share_in(route: Route) -> int:
    """Return the percentage of the requests that the canary gets by a route, rounded up."""
    entries = route["route"]
    weights = [one.get("weight", 0) for one in entries]
    if len(entries) == 1:
        weights = [1]  # everything goes there, whatever is written
    canary = sum(
        weight
        for one, weight in zip(entries, weights, strict=True)
        if one["destination"]["host"] == CANARY
    )
    return -(-100 * canary // sum(weights)) if canary else 0


def is_stuck(route: Route) -> bool:
    """Whether nobody but the canary is there to take a request."""
    others = [one for one in route["route"] if one["destination"]["host"] != CANARY]
    stable = any(one["destination"]["host"] == STABLE for one in others)
    return share_in(route) > 0 and not stable and not any(one.get("weight") for one in others)


def _rename(http: list[Route], index: int) -> None:
    http[index]["name"] = "renamed-" + http[index].get("name", "")


def _take_name(http: list[Route], index: int) -> None:
    http[index].pop("name", None)


def _name_canary_twice(http: list[Route], index: int) -> None:
    http[index]["route"].append(entry(CANARY, 5))


def _add_another(http: list[Route], index: int) -> None:
    http[index]["route"].append(entry("web-old", 10))


def _replace_stable(http: list[Route], index: int) -> None:
    for one in http[index]["route"]:
        if one["destination"]["host"] == STABLE:
            one["destination"]["host"] = "web-old"
            one["weight"] = max(1, one["weight"])


def _remove(host: str) -> Callable[[list[Route], int], None]:
    def remove(http: list[Route], index: int) -> None:
        left = [one for one in http[index]["route"] if one["destination"]["host"] != host]
        http[index]["route"] = left or [entry("web-old", 100)]

    return remove


def _move(http: list[Route], index: int) -> None:
    http.insert(0, http.pop(index))


def _add_in_front(http: list[Route], index: int) -> None:
    http.insert(0, {"name": "front", "route": [{"destination": {"host": "front"}}]})


BREAKS: Mapping[str, Callable[[list[Route], int], None]] = {
    "renamed": _rename,
    "unnamed": _take_name,
    "canary twice": _name_canary_twice,
    "another beside": _add_another,
    "stable replaced": _replace_stable,
    "stable gone": _remove(STABLE),
    "canary gone": _remove(CANARY),
    "moved": _move,
    "another in front": _add_in_front,
}
"""What users do to the route at an index, in ways that the router has to notice or to bear."""


class OwnRoute:
    """The VirtualService, as its user and the API server have it."""

    def __init__(self, world: World, split: Sequence[str]) -> None:
        self.world = world
        self.split = split
        """Names of the routes that the rollout was ever asked to split."""
        self.manifest: Manifest | None = None
        self.edits = 0
        """How often its user changed it."""
        self._version = self._uid = 0
        self.create()

    def create(self) -> None:
        """Create it, if it is not there, as the user's repository has it."""
        if self.manifest is None:
            self._uid += 1
            self.edits += 1
            self.put({"metadata": {"uid": f"uid-{self._uid}"}, "spec": {"http": shop()}})

    def put(self, manifest: Manifest | None) -> None:
        """Have it stand like this from now on; None for not at all."""
        self._version += 1
        if manifest is not None:
            manifest = deepcopy(manifest)
            meta = {"namespace": "demo", "name": NAME, "resourceVersion": str(self._version)}
            manifest["metadata"] = {**manifest["metadata"], **meta}
        self.manifest = manifest
        self.world.route = self.read(manifest)

    def delete(self) -> None:
        """Let its user delete it."""
        if self.manifest is not None:
            self.edits += 1
            self.put(None)

    @property
    def http(self) -> list[Route]:
        """Its HTTP routes; not to be changed."""
        routes: list[Route] = self.manifest["spec"]["http"] if self.manifest else []
        return routes

    def edit(self, http: Sequence[Route]) -> None:
        """Let its user write other routes."""
        if self.manifest is not None and self.http != http:
            self.edits += 1
            self.put({**self.manifest, "spec": {"http": list(http)}})

    def ours(self, manifest: Manifest | None) -> list[Route]:
        """Return the routes that are the rollout's to split, whatever they are called by now."""
        timeouts = {OURS[name] for name in self.split}
        routes = manifest["spec"]["http"] if manifest else []
        return [route for route in routes if route.get("timeout") in timeouts]

    def read(self, manifest: Manifest | None) -> RouteState:
        """Return what a VirtualService gives the canary; `broken` where nobody could take it."""
        routes = self.ours(manifest)
        share = max(map(share_in, routes), default=0)
        named = [one for one in routes if one.get("name") in OURS and CANARY in str(one["route"])]
        if manifest is None or not (named or share):
            return RouteState(exists=False, weight=0)
        marks = manifest["metadata"].get("annotations") or {}
        rejected, _, because = marks.get(MARK, "").partition("/")
        return RouteState(
            exists=True,
            weight=share,
            rejected=rejected or None,
            rejected_because=Reason(because) if because else None,
            broken=any(map(is_stuck, routes)),
        )
