"""Who gets a host that several rollouts claim: decided in memory, without a request."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.traffic.istio_claims import MESH, claims_of
from canary_operator.adapters.traffic.istio_rivals import Contender, Rivals
from canary_operator.ports import Key

DOMAIN = "cluster.local"
SHOP = (MESH, "shop.example.com")
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
_versions = count(1)


def contender(name: str, *hosts: str, created: str = EARLY, uid: str = "") -> Contender:
    own = f"{name}.demo.svc.{DOMAIN}"
    claims = claims_of({"hosts": [own, *hosts]}, "demo", DOMAIN)
    mine = frozenset(claim for claim, host in claims.items() if host == own)
    return Contender(Key("demo", name), uid or name, created, claims, mine)


class Scene:
    """Rollouts and VirtualServices as watches tell of them."""

    def __init__(self) -> None:
        self.caches = Caches()
        self.woken: list[str] = []
        self.rivals = Rivals(self.caches, DOMAIN, lambda key: self.woken.append(key.name))

    def routes(self, name: str, *hosts: str, event: str = "MODIFIED") -> None:
        own = f"{name}.demo.svc.{DOMAIN}"
        body = self._body(name, {"hosts": [own, *hosts], "gateways": [MESH]})
        self.caches.virtual_services.saw(event, body)

    def deletes(self, name: str) -> None:
        for cache in (self.caches.rollouts, self.caches.virtual_services):
            cache.saw("ADDED", self._body(name, {}))
            cache.saw("DELETED", self._body(name, {}))

    def winner(self, *contenders: Contender) -> list[str]:
        """Return who of those in force lost nothing."""
        return [one.key.name for one in contenders if not self.rivals.lost(one)]

    def _body(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        labels = {"canary-operator.dev/rollout": name}
        meta = {"namespace": "demo", "name": name, "uid": name, "labels": labels}
        version = str(next(_versions))
        return {"metadata": {**meta, "resourceVersion": version}, "spec": spec}


@pytest.fixture
def scene() -> Scene:
    return Scene()


OLD, YOUNG = contender("z", "shop.example.com"), contender("a", "shop.example.com", created=LATE)


@pytest.mark.parametrize(
    ("routed", "expected"),
    [
        pytest.param((), "z", id="nobody routes it: the older one"),
        pytest.param(("z", "a"), "z", id="both route it: the older one"),
        pytest.param(("a",), "a", id="who routes it keeps it, although it is younger"),
        pytest.param(("z",), "z", id="the older one routes it"),
    ],
)
@pytest.mark.parametrize("order", [(OLD, YOUNG), (YOUNG, OLD)], ids=["old first", "young first"])
def test_one_of_two_gets_a_host(
    scene: Scene, routed: tuple[str, ...], expected: str, order: tuple[Contender, Contender]
) -> None:
    for one in order:
        scene.rivals.follow(one)
    for name in routed:
        scene.routes(name, "shop.example.com")
    assert scene.winner(OLD, YOUNG) == [expected]
    loser = YOUNG if expected == "z" else OLD
    assert scene.rivals.lost(loser) == {SHOP: Key("demo", expected)}


def test_of_the_same_age_the_lower_uid_gets_it(scene: Scene) -> None:
    pair = [contender(name, "shop.example.com", uid=uid) for name, uid in (("a", "2"), ("z", "1"))]
    for one in pair:
        scene.rivals.follow(one)
    assert scene.winner(*pair) == ["z"]


def test_a_service_is_its_own_rollouts_however_young(scene: Scene) -> None:
    other, owner = contender("other", "web.demo"), contender("web", created=LATE)
    for one in (other, owner):
        scene.rivals.follow(one)
    assert scene.winner(other, owner) == ["web"]
    scene.routes("other", "web.demo")
    scene.routes("web")
    assert scene.winner(other, owner) == ["web"]


def test_a_route_counts_although_its_rollout_was_not_looked_at_yet(scene: Scene) -> None:
    scene.routes("young", "shop.example.com")
    assert scene.rivals.lost(OLD) == {SHOP: Key("demo", "young")}
    scene.routes("young")
    assert not scene.rivals.lost(OLD)


def test_other_hosts_wake_nobody(scene: Scene) -> None:
    for name in ("a", "b", "c"):
        scene.rivals.follow(contender(name, f"{name}.example.com"))
        scene.routes(name, f"{name}.example.com")
    scene.rivals.rerouted()
    assert not scene.woken


def test_whoever_already_has_a_host_is_woken_by_the_next_who_claims_it(scene: Scene) -> None:
    scene.rivals.follow(YOUNG)
    assert not scene.woken
    scene.rivals.follow(OLD)
    assert scene.woken == ["a"]
    scene.rivals.follow(OLD)
    assert scene.woken == ["a"]


@pytest.mark.parametrize("way", ["the rollout goes", "its route goes", "it claims less", "edit"])
def test_the_loser_is_woken_when_it_may_have_won(scene: Scene, way: str) -> None:
    for one in (OLD, YOUNG):
        scene.rivals.follow(one)
    assert scene.rivals.lost(YOUNG)
    scene.woken.clear()
    match way:
        case "the rollout goes":
            scene.deletes("z")
        case "its route goes":
            scene.routes("z", "shop.example.com")
            scene.routes("z", "shop.example.com", event="DELETED")
        case "it claims less":
            scene.rivals.follow(contender("z"))
        case _:
            scene.rivals.rerouted()
    assert set(scene.woken) == {"a"}
    assert bool(scene.rivals.lost(YOUNG)) == (way in {"its route goes", "edit"})


def test_a_recreated_rollout_is_another_one(scene: Scene) -> None:
    for one in (OLD, YOUNG):
        scene.rivals.follow(one)
    scene.deletes("z")
    again = replace(OLD, uid="another", created="2026-01-02T00:00:00Z")
    scene.rivals.follow(again)
    assert scene.winner(again, YOUNG) == ["a"]


@pytest.mark.parametrize(
    ("host", "gateway", "meant"),
    [
        pytest.param(host, MESH, "web.demo.svc.cluster.local", id=host)
        for host in ("web", "web.demo", "web.demo.svc", "web.demo.svc.cluster.local")
    ]
    + [
        pytest.param("web.demo.svc.example.org", MESH, "web.demo.svc.example.org", id="elsewhere"),
        pytest.param("*.com", MESH, "*.com", id="wildcard"),
        pytest.param("web.demo", "demo/gw", "web.demo", id="a world's name on a gateway"),
        pytest.param("web", "demo/gw", "web.demo.svc.cluster.local", id="a name on a gateway"),
    ],
)
def test_spellings_of_a_host(host: str, gateway: str, meant: str) -> None:
    spec = {"hosts": [host], "gateways": [gateway]}
    assert claims_of(spec, "demo", DOMAIN) == {(gateway, meant): host}
