"""Watches: where they begin, what selectors make of changes, and how they end."""

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map

pytestmark = pytest.mark.asyncio
MINE = {"labelSelector": "mine"}


async def make(kube_api: Kube, name: str, **labels: str) -> None:
    body = config_map(name, labels={"mine": "", **labels})
    assert (await kube_api.create(CONFIG_MAPS, body)).status == 201


async def test_a_watch_continues_after_a_list(kube_api: Kube) -> None:
    await make(kube_api, "a")
    version = (await kube_api.get(CONFIG_MAPS)).version
    await make(kube_api, "b")
    async with kube_api.watch(CONFIG_MAPS, resourceVersion=version, **MINE) as watch:
        assert await watch.seen(1) == [("ADDED", "b")]
        await kube_api.patch(f"{CONFIG_MAPS}/b", {"data": {"x": "1"}})
        await kube_api.delete(f"{CONFIG_MAPS}/b")
        assert await watch.seen(2) == [("MODIFIED", "b"), ("DELETED", "b")]


async def test_a_watch_without_a_version_begins_with_what_exists(kube_api: Kube) -> None:
    await make(kube_api, "a")
    async with kube_api.watch(CONFIG_MAPS, **MINE) as watch:
        assert await watch.seen(1) == [("ADDED", "a")]


async def test_versions_of_events_grow_also_for_deletions(kube_api: Kube) -> None:
    async with kube_api.watch(CONFIG_MAPS, **MINE) as watch:
        await make(kube_api, "a")
        await kube_api.delete(f"{CONFIG_MAPS}/a")
        events = [await watch.next(), await watch.next()]
    versions = [int(event[1]["metadata"]["resourceVersion"]) for event in events if event]
    assert versions[0] < versions[1]


async def test_objects_enter_and_leave_a_selector(kube_api: Kube) -> None:
    path = f"{CONFIG_MAPS}/a"
    async with kube_api.watch(CONFIG_MAPS, labelSelector="on=1") as watch:
        await make(kube_api, "a")
        await kube_api.patch(path, {"metadata": {"labels": {"on": "1"}}})
        await kube_api.patch(path, {"data": {"x": "1"}})
        await kube_api.patch(path, {"metadata": {"labels": {"on": None}}})
        await kube_api.delete(path)
        await kube_api.create(CONFIG_MAPS, config_map("z", labels={"on": "1"}))
        assert await watch.seen(4) == [
            ("ADDED", "a"),
            ("MODIFIED", "a"),
            ("DELETED", "a"),
            ("ADDED", "z"),
        ]


async def test_one_object_can_be_watched_by_name(kube_api: Kube) -> None:
    async with kube_api.watch(CONFIG_MAPS, fieldSelector="metadata.name=b") as watch:
        await make(kube_api, "a")
        await make(kube_api, "b")
        assert await watch.seen(1) == [("ADDED", "b")]


async def test_initial_events_end_with_a_bookmark(kube_api: Kube) -> None:
    await make(kube_api, "a")
    params = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with kube_api.watch(CONFIG_MAPS, **params, **MINE) as watch:
        first = await watch.next(bookmarks=True)
        second = await watch.next(bookmarks=True)
    assert first
    assert second
    assert (first[0], first[1]["metadata"]["name"]) == ("ADDED", "a")
    assert second[0] == "BOOKMARK"
    assert second[1]["kind"] == "ConfigMap"
    assert second[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_initial_events_ask_for_a_version_match(kube_api: Kube) -> None:
    answer = await kube_api.get(CONFIG_MAPS, watch="1", sendInitialEvents="true")
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


async def test_a_watch_ends_after_its_timeout(kube_api: Kube) -> None:
    async with kube_api.watch(CONFIG_MAPS, timeoutSeconds="1", resourceVersion="0") as watch:
        while await watch.next():
            pass
    assert watch.status == 200


async def test_a_version_that_is_no_number(kube_api: Kube) -> None:
    listed = await kube_api.get(CONFIG_MAPS, resourceVersion="x")
    assert listed.summary == (
        400,
        "BadRequest",
        (
            'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: '
            'parsing "x": invalid syntax'
        ),
    )
