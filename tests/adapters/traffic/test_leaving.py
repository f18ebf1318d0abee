"""A rollout that goes to another router, or to another VirtualService, holds nothing behind it."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.traffic.registry import RouterByKind, build_router
from canary_operator.domain.errors import HostConflictError, RouteMissingError
from canary_operator.domain.situation import RouteState, Settings
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.ports import Key, Rollout
from canary_operator.testing.builders import spec

OWN: dict[str, Any] = {"istio": {}}


def naming(name: str) -> dict[str, Any]:
    return {"istio": {"virtualService": {"name": name, "routes": ["pages"]}}}


def given(traffic: dict[str, Any]) -> RolloutSpec:
    return parse_spec(spec(traffic=traffic))


def rollout(name: str, year: int, traffic: dict[str, Any] = OWN) -> Rollout:
    written = spec(traffic=traffic)
    return Rollout(Key("demo", name), f"{name}-uid", "1", 1, written, created=f"{year}-01-01")


class Scene:
    """Two rollouts; VirtualServices come and change as a watch tells it."""

    def __init__(self) -> None:
        self.woken: list[Key] = []
        self.caches = Caches()
        nobody: Client = None  # type: ignore[assignment]  # nothing is written here
        self.router: RouterByKind = build_router(
            nobody, self.caches, Settings(), ("demo",), self.woken.append
        )

    def saw(self, name: str, version: int, *rollouts: str) -> None:
        route = [
            {"destination": {"host": f"{one}-{track}"}, "weight": weight}
            for one in rollouts
            for track, weight in (("stable", 100), ("canary", 0))
        ]
        meta = {"namespace": "demo", "name": name, "uid": name, "resourceVersion": str(version)}
        body = {"metadata": meta, "spec": {"http": [{"name": "pages", "route": route}]}}
        self.caches.virtual_services.saw("MODIFIED", body)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_route_that_was_given_up_is_free_for_those_who_waited_for_it(scene: Scene) -> None:
    router, web, api = scene.router, rollout("web", 2025), rollout("api", 2026)
    scene.saw("shop", 1, "web")
    assert router.contested(web, given(naming("shop"))) is None
    with pytest.raises(HostConflictError):
        await router.claim(api, given(naming("shop")))
    scene.woken.clear()
    assert router.contested(web, given(OWN)) is None
    assert scene.woken == [api.key]
    scene.saw("shop", 2, "api")
    await router.claim(api, given(naming("shop")))


async def test_a_virtual_service_that_was_given_up_is_no_state_and_wakes_nobody(
    scene: Scene,
) -> None:
    web = rollout("web", 2025)
    scene.saw("shop", 1, "web")
    scene.router.contested(web, given(naming("shop")))
    assert scene.router.state(web).exists
    scene.router.contested(web, given(OWN))
    assert scene.router.state(web) == RouteState()
    scene.saw("shop", 2, "web", "other")
    assert scene.woken == []


async def test_hosts_that_were_given_up_are_free_for_those_who_waited_for_them(
    scene: Scene,
) -> None:
    router, web, api = scene.router, rollout("web", 2025), rollout("api", 2026)
    public = {"istio": {"hosts": ["shop.example.com"], "gateways": ["edge"]}}
    assert router.contested(web, given(public)) is None
    assert router.contested(api, given(public)) is not None
    scene.woken.clear()
    scene.saw("shop", 1, "web")
    assert router.contested(web, given(naming("shop"))) is None
    assert api.key in scene.woken
    assert router.contested(api, given(public)) is None


@pytest.mark.parametrize("in_force", [OWN, naming("old")], ids=["of the operator", "another"])
async def test_a_refused_rollout_hears_of_the_virtual_service_that_it_waits_for(
    scene: Scene, in_force: dict[str, Any]
) -> None:
    web = rollout("web", 2025, naming("new"))
    scene.saw("old", 1, "web")
    scene.router.contested(web, given(in_force))
    with pytest.raises(RouteMissingError):
        await scene.router.claim(web, given(naming("new")))
    scene.router.contested(web, given(in_force))  # what is in force is looked at again
    scene.saw("new", 2, "web")
    assert scene.woken == [web.key]
    if in_force is not OWN:
        scene.saw("old", 3, "web", "other")
        assert scene.woken == [web.key, web.key], "and of the one in force"
