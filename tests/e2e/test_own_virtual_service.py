"""A VirtualService of the user's own: its weights follow the rollout, and all else is theirs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary_operator.playground.client import (
    APPLY,
    MERGE,
    ChangeKind,
    Manifest,
    NotFoundError,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, condition, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

FINALIZER = "canary-operator.dev/restore"
MARK = "rejected.canary-operator.dev/web"
REPAIRED_WITHIN_SECONDS = 2.0
NAMESPACES = Resource("namespaces")
OWN = {"istio": {"virtualService": {"name": "shop", "routes": ["pages"]}}}
LONG = {
    "strategy": {
        "steps": [{"weight": 20, "hold": "10m"}],
        "progressDeadline": "30m",
        "scaleDownDelay": "1s",
    }
}


def shop(namespace: str) -> Manifest:
    """Return what a user has in Git: several routes, of which one is split."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": namespace, "labels": {"team": "shop"}},
        "spec": {
            "hosts": ["shop.example.com"],
            "gateways": ["edge"],
            "http": [
                {
                    "name": "testers",
                    "match": [{"headers": {"x-tester": {"exact": "yes"}}}],
                    "route": [{"destination": {"host": "web-canary"}}],
                },
                {
                    "name": "pages",
                    "match": [{"uri": {"prefix": "/"}}],
                    "timeout": "3s",
                    "route": [
                        {"destination": {"host": "web-stable"}, "weight": 100},
                        {"destination": {"host": "web-canary"}, "weight": 0},
                    ],
                },
                {"name": "rest", "route": [{"destination": {"host": "rest"}, "weight": 100}]},
            ],
        },
    }


def split(route: Manifest) -> tuple[int, ...]:
    """Return the weights of the route that is split."""
    found = next(one for one in route["spec"]["http"] if one["name"] == "pages")
    return tuple(entry.get("weight", 0) for entry in found["route"])


def essence(route: Manifest) -> Any:
    """Return everything that is the user's."""
    body = deepcopy(route)
    annotations = body["metadata"].get("annotations", {})
    for entry in next(one for one in body["spec"]["http"] if one["name"] == "pages")["route"]:
        entry.pop("weight", None)
    theirs = {name: annotations[name] for name in annotations if name != MARK}
    return body["spec"], body["metadata"]["labels"], theirs


@dataclass
class Sight:
    """What a watch told of the user's VirtualService, and when."""

    told: list[tuple[float, Manifest | None]] = field(default_factory=list)

    @property
    def splits(self) -> list[tuple[int, ...]]:
        """Return the weights, one after the other."""
        return [split(body) for _, body in self.told if body is not None]


@asynccontextmanager
async def watching(release: Release) -> AsyncIterator[Sight]:
    sight, clock = Sight(), asyncio.get_running_loop().time

    async def follow() -> None:
        async for change in release.bed.client.watch(VIRTUAL_SERVICES, release.namespace):
            if change.kind is not ChangeKind.SYNCED:
                gone = change.kind is ChangeKind.DELETED
                sight.told.append((clock(), None if gone else change.object))

    task = asyncio.create_task(follow())
    try:
        await eventually(lambda: _done(bool(sight.told)))
        yield sight
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _done(value: bool) -> bool:
    return value


async def get(release: Release) -> Manifest:
    found: Manifest = await release.bed.client.get(VIRTUAL_SERVICES, "shop", release.namespace)
    return found


async def apply(release: Release) -> None:
    """Apply what is in Git, as a GitOps tool does."""
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "shop",
        shop(release.namespace),
        release.namespace,
        ctype=APPLY,
        fieldManager="gitops",
        force="true",
    )


async def serving(bed: Bed, **changes: Any) -> Release:
    """Return a rollout that waited for its VirtualService, and serves."""
    release = await bed.release(wait=False, traffic=OWN, **changes)
    await release.until(lambda status: condition(status, "Stalled")["reason"] == "InvalidSpec")
    await apply(release)
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
    return release


async def finalizers(release: Release) -> list[str]:
    return list((await release.get())["metadata"].get("finalizers") or ())


async def until_split(release: Release, *wanted: int) -> Manifest:
    async def look() -> Manifest | None:
        found = await get(release)
        return found if split(found) == wanted else None

    found: Manifest = await eventually(look)
    return found


async def until_gone(release: Release) -> None:
    async def gone() -> bool:
        try:
            await release.get()
        except NotFoundError:
            return True
        return False

    await eventually(gone)


async def test_a_whole_rollout_changes_the_weights_of_one_route_and_nothing_else(
    bed: Bed,
) -> None:
    release = await serving(bed)
    assert (await release.status())["borrowed"] == [
        {"kind": "VirtualService", "name": "shop", "part": "pages"}
    ]
    assert await finalizers(release) == [FINALIZER]
    before = await get(release)
    async with watching(release) as sight:
        await release.apply(template=template("v2"))
        await release.until(lambda status: status.get("weight") == 20)
        await release.until(
            lambda status: status["phase"] == "Stable" and len(status["history"]) == 1
        )
    assert [one for one in sight.splits if one != (100, 0)] == [(80, 20), (50, 50)]
    assert sight.splits[-1] == (100, 0)
    assert all(essence(body) == essence(before) for _, body in sight.told if body)


async def test_a_rollback_takes_the_traffic_and_leaves_a_mark_in_one_write(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    async with watching(release) as sight:
        await release.ask("abort")
        await release.until_phase("RolledBack")
    first = next(body for _, body in sight.told if body is not None and split(body) == (100, 0))
    status = await release.status()
    assert first["metadata"]["annotations"][MARK] == f"{status['rejectedRevision']}/Aborted"
    await apply(release)
    assert split(await get(release)) == (100, 0)


async def test_another_route_after_a_rollback_keeps_the_mark_and_blames_nobody(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    body = shop(release.namespace)
    body["spec"]["http"][2] = {**deepcopy(body["spec"]["http"][1]), "name": "rest"}
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "shop",
        {"spec": body["spec"]},
        release.namespace,
        ctype=MERGE,
        fieldManager="by-hand",
    )
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await release.ask("abort")
    await release.until_phase("RolledBack")
    mark = (await get(release))["metadata"]["annotations"][MARK]
    async with watching(release) as sight:
        routes = {"name": "shop", "routes": ["rest"]}
        await release.apply(traffic={"istio": {"virtualService": routes}})
        await release.until(
            lambda status: [loan["part"] for loan in status["borrowed"]] == ["rest"]
        )
        marks = [body["metadata"]["annotations"][MARK] for _, body in sight.told if body]
    assert set(marks) == {mark}
    assert "DriftRepaired" not in await release.event_reasons()


async def test_what_gitops_applies_again_in_the_middle_is_repaired_at_once_and_told_once(
    bed: Bed,
) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    async with watching(release) as sight:
        await apply(release)
        await eventually(lambda: _done(sight.splits[-2:] == [(100, 0), (80, 20)]))
        await release.until_event("DriftRepaired")
    (reset, _), (repaired, _) = sight.told[-2:]
    assert repaired - reset < REPAIRED_WITHIN_SECONDS
    assert (await release.event_reasons()).count("DriftRepaired") == 1
    assert (await release.status())["weight"] == 20


async def test_a_route_that_is_taken_away_stops_the_canary_until_it_is_back(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    renamed = shop(release.namespace)
    renamed["spec"]["http"][1]["name"] = "other"
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "shop",
        {"spec": renamed["spec"]},
        release.namespace,
        ctype=MERGE,
        fieldManager="by-hand",
    )
    status = await release.until(lambda status: status["weight"] == 0)
    status = await release.until(lambda status: condition(status, "Stalled")["status"] == "True")
    assert condition(status, "Ready")["reason"] == "InvalidSpec"
    assert "VirtualService shop" in status["message"]
    assert "no HTTP route named pages" in status["message"]
    await apply(release)
    await until_split(release, 80, 20)
    await release.until(lambda status: condition(status, "Stalled")["status"] != "True")


async def damage(release: Release, change: Callable[[Manifest], None]) -> None:
    """Edit the route that is split, and leave the rest as it is, weights included."""
    body = await get(release)
    change(body["spec"]["http"][1])
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "shop",
        {"spec": {"http": body["spec"]["http"]}},
        release.namespace,
        ctype=MERGE,
        fieldManager="by-hand",
    )


def rename(route: Manifest) -> None:
    route["name"] = "other"


def split_the_canary(route: Manifest) -> None:
    stable, canary = route["route"]
    route["route"] = [stable, {**canary, "weight": 15}, {**canary, "weight": 5}]


def replace_stable(route: Manifest) -> None:
    route["route"][0]["destination"]["host"] = "legacy"


@pytest.mark.parametrize("change", [rename, split_the_canary, replace_stable])
async def test_a_route_that_breaks_but_keeps_its_weights_gives_the_canary_nothing(
    bed: Bed, change: Callable[[Manifest], None]
) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await damage(release, change)

    async def is_taken() -> bool:
        route = (await get(release))["spec"]["http"][1]["route"]
        return not any(
            entry["weight"]
            for entry in route
            if entry["destination"]["host"].startswith("web-canary")
        )

    await eventually(is_taken)
    await release.until(lambda status: status["weight"] == 0)
    await apply(release)
    await until_split(release, 80, 20)


async def test_a_rollback_waits_for_a_route_that_leaves_only_the_canary(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await damage(release, lambda route: route["route"].pop(0))
    words = "leaves nobody to take the 100 % of web-canary"
    await release.until(lambda status: words in status["message"])
    await release.ask("abort")
    status = await release.until(lambda status: status["phase"] == "RollingBack")
    assert status["weight"] == 20, "nothing was taken"
    assert words in condition(status, "Ready")["message"]
    await apply(release)
    await release.until(lambda status: status["phase"] == "RolledBack")
    assert split(await get(release)) == (100, 0)


async def test_a_revert_ends_the_trial_although_it_names_another_virtual_service(
    bed: Bed,
) -> None:
    release = await serving(bed, **LONG)
    other = shop(release.namespace)
    other["metadata"]["name"] = "new"
    await release.bed.client.create(VIRTUAL_SERVICES, other, release.namespace)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    renamed = {"istio": {"virtualService": {"name": "new", "routes": ["pages"]}}}
    await release.apply(template=template("v1"), traffic=renamed)
    await until_split(release, 100, 0)
    status = await release.until(
        lambda status: [loan["name"] for loan in status.get("borrowed", ())] == ["new"]
    )
    assert "canaryRevision" not in status


async def test_a_rollout_that_is_deleted_in_the_middle_gives_the_weights_back(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    before = await get(release)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await release.bed.client.delete(ROLLOUTS, release.name, release.namespace)
    await until_gone(release)
    after = await get(release)
    assert split(after) == (100, 0)
    assert essence(after) == essence(before)
    assert MARK not in after["metadata"].get("annotations", {})


async def test_a_rollout_goes_at_once_where_its_virtual_service_is_gone(bed: Bed) -> None:
    release = await serving(bed)
    await release.bed.client.delete(VIRTUAL_SERVICES, "shop", release.namespace)
    await release.bed.client.delete(ROLLOUTS, release.name, release.namespace)
    await until_gone(release)


async def test_a_namespace_goes_with_a_rollout_in_the_middle(bed: Bed) -> None:
    release = await serving(bed, **LONG)
    await release.apply(template=template("v2"))
    await until_split(release, 80, 20)
    await release.bed.client.delete(NAMESPACES, release.namespace)
    await until_gone(release)


async def test_a_route_of_the_operators_own_takes_over_and_the_finalizer_goes(bed: Bed) -> None:
    release = await serving(bed)
    await release.apply(traffic={"istio": {"gateways": ["edge"]}})

    async def released() -> bool:
        return not await finalizers(release) and await release.route_weight() == 0

    await eventually(released)
    assert "borrowed" not in await release.status()
    assert split(await get(release)) == (100, 0)
    await release.bed.client.delete(ROLLOUTS, release.name, release.namespace)
    await until_gone(release)
