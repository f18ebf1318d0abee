"""What was last seen of the objects that concern us: from watches, and from our own writes.

A write goes into the cache with the server's answer, so the tick after it sees it even when the
watch lags. The newer version of an object wins; what a watch repeats or tells late is ignored.

Names and uids are interned: a rollout has about ten objects, which all name it and its namespace.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from sys import intern
from typing import Any, Generic, TypeVar

from canary_operator.adapters.cluster.ownership import ownership_of
from canary_operator.adapters.cluster.seen import (
    SeenAutoscaler,
    SeenDeployment,
    SeenManifest,
    SeenPod,
    SeenRecord,
    SeenRollout,
    may_be_split,
    see_autoscaler,
    see_deployment,
    see_manifest,
    see_pod,
    see_record,
    see_rollout,
    see_route,
)
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.ports import Key

Content = TypeVar("Content")
Place = tuple[str, str]
"""Namespace and name."""

_GRAVES = 10_000
"""Deleted objects that are remembered, so that a late event does not bring them back."""


@dataclass(frozen=True, slots=True)
class Held(Generic[Content]):
    """One object in a cache."""

    namespace: str
    name: str
    uid: str
    version: int
    rollout: Key | None
    """Rollout that the object says it belongs to; only `owner_uid` proves it."""
    owner_uid: str | None
    """uid of the controlling owner, also where only its anchor is left."""
    owner: str
    """Kind and name of the controlling owner, for messages."""
    content: Content
    anchor: str | None = None
    """uid of the anchor that it is owned by as well."""

    def looks_like(self, other: "Held[Content]") -> bool:
        """Whether nothing but the version differs."""
        return replace(self, version=other.version) == other


def own_key(body: Mapping[str, Any]) -> Key | None:
    """Return which CanaryRollout `body` is."""
    meta = body["metadata"]
    return Key(intern(meta["namespace"]), intern(meta["name"]))


def labelled_key(body: Mapping[str, Any]) -> Key | None:
    """Return which CanaryRollout the label of an object names."""
    meta = body["metadata"]
    name = (meta.get("labels") or {}).get(ROLLOUT_LABEL)
    return Key(intern(meta["namespace"]), intern(name)) if name else None


class ObjectCache(Generic[Content]):
    """The objects of one kind."""

    def __init__(
        self,
        see: Callable[[Mapping[str, Any]], Content],
        key_of: Callable[[Mapping[str, Any]], Key | None] = labelled_key,
        concerns: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> None:
        """Start empty.

        Args:
            see: Makes of an object what is kept of it.
            key_of: Says which rollout an object belongs to.
            concerns: Whether an object that a watch tells of may be of interest at all.
        """
        self._see = see
        self._key_of = key_of
        self._concerns = concerns
        self._followers: defaultdict[Place, set[Key]] = defaultdict(set)
        """Rollouts that look at an object of somebody else."""
        self._followed: dict[Key, frozenset[Place]] = {}
        self._listeners: list[Callable[[Key], None]] = []
        self._held: dict[Place, Held[Content]] = {}
        self._by_rollout: dict[Key, tuple[Held[Content], ...]] = {}
        self._news: dict[Place, int] = {}
        self._graves: OrderedDict[str, int] = OrderedDict()
        self._removal_listeners: list[Callable[[Place], None]] = []
        self._unconfirmed: set[str] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held[Content]]:
        return iter(self._held.values())

    def get(self, namespace: str, name: str) -> Held[Content] | None:
        """Return an object as last seen; None when it is not there."""
        return self._held.get((namespace, name))

    def take(self, namespace: str, name: str) -> Held[Content] | None:
        """Return an object to somebody who acts on it now: what is still told of it is no news."""
        held = self.get(namespace, name)
        self._news.pop((namespace, name), None)
        return held

    def of(self, key: Key) -> list[Held[Content]]:
        """Return the objects that name `key` as their rollout, and those that it follows."""
        places = sorted(self._followed.get(key, ()))
        followed = [self._held[place] for place in places if place in self._held]
        return [*self._by_rollout.get(key, ()), *(one for one in followed if one.rollout != key)]

    def follow(self, key: Key, names: Iterable[str]) -> None:
        """Have a rollout woken by what happens to objects of somebody else in its namespace.

        Those of `names` only, whatever it followed before.
        """
        wanted = frozenset((key.namespace, name) for name in names)
        before = self._followed.pop(key, frozenset())
        for place in before - wanted:
            self._followers[place].discard(key)
            if not self._followers[place]:
                del self._followers[place]
        for place in wanted - before:
            self._followers[place].add(key)
        if wanted:
            self._followed[key] = wanted

    def on_news(self, listener: Callable[[Key], None]) -> None:
        """Tell `listener` of every follower whose object changed, came or went."""
        self._listeners.append(listener)

    def await_confirmation(self) -> None:
        """Begin to note which of the present objects a watch has told of."""
        self._unconfirmed = {held.uid for held in self}

    @property
    def is_confirmed(self) -> bool:
        """Whether a watch has told of all of them; the others may be gone."""
        return not self._unconfirmed

    def saw(self, event_type: str | None, body: Mapping[str, Any]) -> Key | None:
        """Take in what a watch said.

        Returns:
            The rollout to wake: the same for every repetition of an event, and None for an event
            that changes nothing we keep, or that is older than what we know.
        """
        meta = body["metadata"]
        before = self.get(meta["namespace"], meta["name"])
        if before is None and not self._concerns(body):
            return None
        held = self.read(body)
        self._unconfirmed.discard(held.uid)
        if event_type == "DELETED":
            self.bury(held)
        else:
            self._accept(held)
            if self._news.get(_place(held)) != held.version:
                return None
            self._tell_followers(_place(held))
        return held.rollout or (before.rollout if before else None)

    def learned(self, body: Mapping[str, Any]) -> Held[Content]:
        """Take in an answer of the API server, and return the newest that is known now.

        The watch's echo of it wakes the rollout, unless somebody took the object meanwhile: the
        answer may contain changes of others, whose own event the watch may have left out.
        """
        held = self.read(body)
        known = self._accept(held, is_news=True)
        return known or held

    def on_removal(self, listener: Callable[[Place], None]) -> None:
        """Tell `listener` of every object that is gone for good."""
        self._removal_listeners.append(listener)

    def drop(self, held: Held[Content]) -> None:
        """Forget an object that the server says is gone."""
        if self._held.get(_place(held)) is held:
            self._remove(held)
            self._tell_removal(held)

    def _tell_followers(self, place: Place) -> None:
        for key in sorted(self._followers.get(place, ())):
            for listener in self._listeners:
                listener(key)

    def _accept(self, held: Held[Content], *, is_news: bool = False) -> Held[Content] | None:
        """Keep `held` unless what is known is as new; return what is known then."""
        place = _place(held)
        known = self._held.get(place)
        if held.version <= self._graves.get(held.uid, -1):
            return known
        if known is not None and known.version >= held.version:
            return known
        same = known is not None and known.looks_like(held)
        if known is not None:
            self._remove(known)
        self._held[place] = held
        if held.rollout is not None:
            self._by_rollout[held.rollout] = (*self._by_rollout.get(held.rollout, ()), held)
        if is_news or not same:
            self._news[place] = held.version
        return held

    def bury(self, held: Held[Content]) -> None:
        """Forget what is gone for good: what a watch tells late does not bring it back."""
        self._graves[held.uid] = max(held.version, self._graves.pop(held.uid, -1))
        if len(self._graves) > _GRAVES:
            self._graves.popitem(last=False)
        known = self._held.get(_place(held))
        if known is not None and known.uid == held.uid and known.version <= held.version:
            self._remove(known)
            self._tell_removal(known)

    def _remove(self, held: Held[Content]) -> None:
        place = _place(held)
        self._held.pop(place, None)
        self._news.pop(place, None)
        if held.rollout is not None:
            mates = self._by_rollout.pop(held.rollout, ())
            left = tuple(mate for mate in mates if mate is not held)
            if left:
                self._by_rollout[held.rollout] = left

    def _tell_removal(self, held: Held[Content]) -> None:
        for listener in self._removal_listeners:
            listener(_place(held))
        self._tell_followers(_place(held))

    def read(self, body: Mapping[str, Any]) -> Held[Content]:
        """Return `body` in the form of this cache, without keeping it.

        What is known already, as from the answer to a write that a watch repeats, is not read.
        """
        meta = body["metadata"]
        version = int(meta["resourceVersion"])
        known = self._held.get((meta["namespace"], meta["name"]))
        if known is not None and (known.uid, known.version) == (meta["uid"], version):
            return known
        rollout = self._key_of(body)
        owner = ownership_of(meta.get("ownerReferences") or (), rollout)
        return Held(
            namespace=intern(meta["namespace"]),
            name=intern(meta["name"]),
            uid=meta["uid"],
            version=version,
            rollout=rollout,
            owner_uid=owner.uid,
            owner=owner.name,
            content=self._see(body),
            anchor=owner.anchor,
        )


def _place(held: Held[Any]) -> Place:
    return held.namespace, held.name


class Caches:
    """One cache for each kind; a watch of the same kind feeds it."""

    def __init__(self) -> None:
        self.rollouts = ObjectCache[SeenRollout](see_rollout, own_key)
        self.deployments = ObjectCache[SeenDeployment](see_deployment)
        self.autoscalers = ObjectCache[SeenAutoscaler](see_autoscaler)
        self.services = ObjectCache[SeenManifest](see_manifest)
        self.records = ObjectCache[SeenRecord](see_record)
        self.pods = ObjectCache[SeenPod](see_pod)
        self.destination_rules = ObjectCache[SeenManifest](see_manifest)
        self.virtual_services = ObjectCache[SeenManifest](see_route, concerns=may_be_split)

    def versions_of(self, key: Key) -> tuple[int, ...]:
        """Return the versions of everything that a rollout owns, but for its pods.

        The same ones again mean that nothing was changed, made or deleted since.
        """
        made = self.deployments, self.autoscalers, self.services, self.records
        routes = self.virtual_services, self.destination_rules
        return tuple(held.version for cache in (*made, *routes) for held in cache.of(key))

    def all_rollouts(self) -> list[Key]:
        """Return every CanaryRollout that was seen."""
        return [Key(held.namespace, held.name) for held in self.rollouts]
