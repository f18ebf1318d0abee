"""Events: one storage, served in the shapes of two groups."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CORE_EVENTS, EVENTS, event

pytestmark = pytest.mark.asyncio


async def test_a_new_event_is_also_an_old_one(kube_api: Kube) -> None:
    created = await kube_api.create(EVENTS, event())
    assert created.status == 201
    core = (await kube_api.get(f"{CORE_EVENTS}/e")).body
    shown = {key: core[key] for key in core if key not in ("metadata", "involvedObject")}
    assert shown == {
        "apiVersion": "v1",
        "kind": "Event",
        "action": "Act",
        "eventTime": "2024-01-01T00:00:00.000000Z",
        "firstTimestamp": None,
        "lastTimestamp": None,
        "message": "hello",
        "reason": "Because",
        "reportingComponent": "example.com/c",
        "reportingInstance": "i",
        "source": {},
        "type": "Normal",
    }
    assert core["involvedObject"]["name"] == "p"


async def test_an_old_event_is_also_a_new_one(kube_api: Kube) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "old"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "$NS"},
        "reason": "Because",
        "message": "hello",
        "type": "Normal",
        "count": 2,
        "firstTimestamp": "2024-01-01T00:00:00Z",
        "source": {"component": "k"},
    }
    assert (await kube_api.create(CORE_EVENTS, body)).status == 201
    new = (await kube_api.get(f"{EVENTS}/old")).body
    assert new["note"] == "hello"
    assert new["deprecatedCount"] == 2
    assert new["deprecatedFirstTimestamp"] == "2024-01-01T00:00:00Z"
    assert new["deprecatedSource"] == {"component": "k"}
    assert new["regarding"]["name"] == "p"
    assert "reportingController" not in new


async def test_only_the_series_of_an_event_may_grow(kube_api: Kube) -> None:
    await kube_api.create(EVENTS, event())
    series = {"count": 2, "lastObservedTime": "2024-01-01T00:01:00.000000Z"}
    grown = await kube_api.patch(f"{EVENTS}/e", {"series": series})
    assert (grown.status, grown.body["series"]) == (200, series)
    refused = await kube_api.patch(f"{EVENTS}/e", {"note": "other"})
    message = 'Event "e" is invalid: message: Invalid value: "other": field is immutable'
    assert refused.summary == (422, "Invalid", message)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"eventTime": None}, ("eventTime", "Required value")),
        ({"reportingInstance": ""}, ("reportingInstance", "Required value")),
        ({"action": ""}, ("action", "Required value")),
        ({"reason": ""}, ("reason", "Required value")),
        ({"type": "Odd"}, ("type", 'Invalid value: "": has invalid value: Odd')),
        (
            {"note": "x" * 1025},
            ("message", 'Invalid value: "": can have at most 1024 characters'),
        ),
        (
            {"regarding": {"kind": "Node", "name": "n"}},
            ("involvedObject.namespace", 'Invalid value: "": does not match event.namespace'),
        ),
    ],
    ids=str,
)
async def test_events_that_are_refused(
    kube_api: Kube, fields: dict[str, Any], cause: tuple[str, str]
) -> None:
    refused = await kube_api.create(EVENTS, event(**fields))
    assert refused.status == 422
    assert [(field, message) for field, _, message in refused.causes] == [cause]


@pytest.mark.parametrize(
    ("path", "selector", "found"),
    [
        (CORE_EVENTS, "involvedObject.kind=Pod,involvedObject.name=p", ["e"]),
        (CORE_EVENTS, "involvedObject.name=q", []),
        (CORE_EVENTS, "type=Normal,reason=Because", ["e"]),
        (EVENTS, "regarding.name=p", ["e"]),
    ],
)
async def test_events_are_found_by_what_they_are_about(
    kube_api: Kube, path: str, selector: str, found: list[str]
) -> None:
    await kube_api.create(EVENTS, event())
    items = (await kube_api.get(path, fieldSelector=selector)).body["items"]
    assert [item["metadata"]["name"] for item in items] == found
