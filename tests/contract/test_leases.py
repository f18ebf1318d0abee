"""Leases: the lock of leader election, so a lost race must be seen and time must be kept."""

from typing import Any

import pytest

from tests.contract.accounts import rule, until_allowed, worker
from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map

pytestmark = pytest.mark.asyncio
LEASES = "/apis/coordination.k8s.io/v1/namespaces/$NS/leases"
STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
LAYOUT = "2006-01-02T15:04:05.000000Z07:00"


def lease(name: str = "l", **spec: Any) -> dict[str, Any]:
    meta = {"name": name}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": meta,
        "spec": spec,
    }


HELD: dict[str, Any] = {
    "holderIdentity": "one",
    "leaseDurationSeconds": 15,
    "acquireTime": "2026-01-01T00:00:00.500000Z",
    "renewTime": "2026-01-01T00:00:00.123456Z",
    "leaseTransitions": 0,
}


async def test_times_are_kept_in_microseconds(kube_api: Kube) -> None:
    made = await kube_api.create(LEASES, lease(**HELD))
    assert made.status == 201
    assert made.body["spec"] == HELD
    moved = {"spec": {"renewTime": "2026-01-01T02:00:02.000000+02:00"}}
    patched = await kube_api.patch(f"{LEASES}/l", moved)
    assert patched.body["spec"]["renewTime"] == "2026-01-01T00:00:02.000000Z"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-01-01T00:00:00Z", 'cannot parse "Z" as ".000000"'),
        ("2026-01-01T00:00:00.5Z", 'cannot parse ".5Z" as ".000000"'),
        ("2026-01-01T00:00:00.123456789Z", 'cannot parse "789Z" as "Z07:00"'),
        ("yesterday", 'cannot parse "yesterday" as "2006"'),
    ],
)
async def test_a_time_without_exactly_six_digits_is_refused(
    kube_api: Kube, text: str, problem: str
) -> None:
    refused = await kube_api.create(LEASES, lease(renewTime=text))
    assert refused.summary == (
        400,
        "BadRequest",
        (
            'Lease in version "v1" cannot be handled as a Lease: parsing time '
            f'"{text}" as "{LAYOUT}": {problem}'
        ),
    )


async def test_who_decided_on_an_older_version_loses(kube_api: Kube) -> None:
    made = await kube_api.create(LEASES, lease(**HELD))
    renewal = {
        "metadata": {"resourceVersion": made.version},
        "spec": {"holderIdentity": "two", "renewTime": "2026-01-01T00:00:15.000000Z"},
    }
    won = await kube_api.patch(f"{LEASES}/l", renewal)
    assert (won.status, won.body["spec"]["holderIdentity"]) == (200, "two")
    lost = await kube_api.patch(f"{LEASES}/l", renewal)
    message = f'Operation cannot be fulfilled on leases.coordination.k8s.io "l": {STALE}'
    assert lost.summary == (409, "Conflict", message)
    again = await kube_api.create(LEASES, lease(**HELD))
    assert again.summary == (
        409,
        "AlreadyExists",
        'leases.coordination.k8s.io "l" already exists',
    )


async def test_a_lease_is_let_go(kube_api: Kube) -> None:
    await kube_api.create(LEASES, lease(**HELD))
    released = await kube_api.patch(f"{LEASES}/l", {"spec": {"holderIdentity": None}})
    assert "holderIdentity" not in released.body["spec"]
    emptied = await kube_api.patch(f"{LEASES}/l", {"spec": {"holderIdentity": ""}})
    assert emptied.body["spec"]["holderIdentity"] == ""


async def test_a_watch_by_name_tells_of_one_lease(kube_api: Kube) -> None:
    await kube_api.create(LEASES, lease("other"))
    selector = "metadata.name=l"
    listed = await kube_api.get(LEASES, fieldSelector=selector)
    assert listed.body["items"] == []
    async with kube_api.watch(
        LEASES, fieldSelector=selector, resourceVersion=listed.version
    ) as watch:
        await kube_api.create(LEASES, lease(**HELD))
        await kube_api.patch(f"{LEASES}/other", {"spec": {"holderIdentity": "x"}})
        await kube_api.patch(f"{LEASES}/l", {"spec": {"holderIdentity": "two"}})
        await kube_api.delete(f"{LEASES}/l")
        assert await watch.seen(3) == [("ADDED", "l"), ("MODIFIED", "l"), ("DELETED", "l")]


async def test_leader_election_needs_create_and_three_verbs_on_one_name(kube_api: Kube) -> None:
    group = "coordination.k8s.io"
    account = await worker(
        kube_api, rule(group, "leases", "create"), rule(group, "leases", "get watch patch", "l")
    )
    await until_allowed(account, "create", f"{group}/leases")
    assert (await account.get(f"{LEASES}/l")).status == 404
    made = await account.create(LEASES, lease(**HELD))
    assert made.status == 201
    body = {"metadata": {"resourceVersion": made.version}, "spec": {"leaseTransitions": 1}}
    assert (await account.patch(f"{LEASES}/l", body)).status == 200
    async with account.watch(LEASES, fieldSelector="metadata.name=l") as watch:
        assert await watch.seen(1) == [("ADDED", "l")]
    assert (await account.get(LEASES)).status == 403
    assert (await account.get(f"{LEASES}/other")).status == 403
    assert (await account.create(CONFIG_MAPS, config_map())).status == 403


@pytest.mark.parametrize(
    ("spec", "field", "problem"),
    [
        (
            {"leaseDurationSeconds": 0},
            "spec.leaseDurationSeconds",
            "Invalid value: 0: must be greater than 0",
        ),
        (
            {"leaseTransitions": -1},
            "spec.leaseTransitions",
            "Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
async def test_a_lease_that_cannot_be(
    kube_api: Kube, spec: dict[str, Any], field: str, problem: str
) -> None:
    refused = await kube_api.create(LEASES, lease(**spec))
    assert refused.causes == [(field, "FieldValueInvalid", problem)]


async def test_a_replacement_names_the_version_it_replaces(kube_api: Kube) -> None:
    made = await kube_api.create(LEASES, lease(**HELD))
    refused = await kube_api.send("PUT", f"{LEASES}/l", lease(holderIdentity="two"))
    assert refused.causes == [
        (
            "metadata.resourceVersion",
            "FieldValueInvalid",
            "Invalid value: 0: must be specified for an update",
        )
    ]
    body = lease(holderIdentity="two")
    body["metadata"]["resourceVersion"] = made.version
    assert (await kube_api.send("PUT", f"{LEASES}/l", body)).status == 200


async def test_a_replacement_makes_a_lease_that_is_not_there(kube_api: Kube) -> None:
    made = await kube_api.send("PUT", f"{LEASES}/l", lease(**HELD))
    assert (made.status, made.body["spec"]) == (201, HELD)
    group = "coordination.k8s.io"
    account = await worker(kube_api, rule(group, "leases", "update"))
    await until_allowed(account, "update", f"{group}/leases")
    refused = await account.send("PUT", f"{LEASES}/m", lease("m"))
    assert refused.status == 403
    assert 'cannot create resource "leases"' in refused.body["message"]
    other = await kube_api.send("PUT", f"{CONFIG_MAPS}/c", config_map())
    assert other.summary == (404, "NotFound", 'configmaps "c" not found')


async def test_fields_of_coordinated_election_are_not_kept(kube_api: Kube) -> None:
    made = await kube_api.create(LEASES, lease(strategy="OldestEmulationVersion"))
    assert made.status == 201
    assert made.body["spec"] == {}
