"""What happens by itself: owners take their dependents along, namespaces their contents."""

from typing import Any

import pytest
import pytest_asyncio

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def _with_controllers(kube_api: Kube) -> None:
    if not kube_api.has_controllers:
        pytest.skip("the real control plane runs without its controllers")


def owner_of(body: Any, **fields: Any) -> dict[str, Any]:
    meta = body["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"]}
    return {**reference, **fields}


async def family(kube_api: Kube, **fields: Any) -> None:
    owner = (await kube_api.create(CONFIG_MAPS, config_map("owner"))).body
    child = config_map("child", ownerReferences=[owner_of(owner, **fields)])
    assert (await kube_api.create(CONFIG_MAPS, child)).status == 201


def in_protobuf(kind: str, message: bytes) -> bytes:
    """Return a message in the envelope of Kubernetes; all lengths below 128."""
    meta = b"\x0a\x02v1\x12" + bytes([len(kind)]) + kind.encode()
    wrapped = b"\x0a" + bytes([len(meta)]) + meta + b"\x12" + bytes([len(message)]) + message
    return b"k8s\x00" + wrapped


async def test_a_delete_may_say_how_in_protobuf(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map())
    other_uid = b"\x12\x06\x0a\x04nope"
    refused = await kube_api.send(
        "DELETE", f"{CONFIG_MAPS}/c", in_protobuf("DeleteOptions", other_uid), "protobuf"
    )
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    background = b"\x22\x0aBackground"
    deleted = await kube_api.send(
        "DELETE", f"{CONFIG_MAPS}/c", in_protobuf("DeleteOptions", background), "protobuf"
    )
    assert deleted.status == 200


async def test_a_dependent_goes_after_its_owner(kube_api: Kube) -> None:
    await family(kube_api)
    await kube_api.delete(f"{CONFIG_MAPS}/owner")
    await kube_api.until_gone(f"{CONFIG_MAPS}/child")


async def test_a_dependent_stays_while_one_owner_lives(kube_api: Kube) -> None:
    owners = [(await kube_api.create(CONFIG_MAPS, config_map(n))).body for n in ("o1", "o2")]
    references = [owner_of(owner) for owner in owners]
    await kube_api.create(CONFIG_MAPS, config_map("child", ownerReferences=references))
    await kube_api.delete(f"{CONFIG_MAPS}/o1")

    async def one_left() -> bool:
        child = (await kube_api.get(f"{CONFIG_MAPS}/child")).body
        return [ref["name"] for ref in child["metadata"]["ownerReferences"]] == ["o2"]

    await kube_api.until(one_left)
    await kube_api.delete(f"{CONFIG_MAPS}/o2")
    await kube_api.until_gone(f"{CONFIG_MAPS}/child")


async def test_an_owner_that_never_was(kube_api: Kube) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
    child = config_map("child", ownerReferences=[owner_of(ghost)])
    await kube_api.create(CONFIG_MAPS, child)
    await kube_api.until_gone(f"{CONFIG_MAPS}/child")


async def test_foreground_deletion_waits_for_dependents(kube_api: Kube) -> None:
    await family(kube_api, blockOwnerDeletion=True)
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    await kube_api.patch(f"{CONFIG_MAPS}/child", held)
    deleted = await kube_api.delete(f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert deleted.body["metadata"]["finalizers"] == ["foregroundDeletion"]

    async def child_is_going() -> bool:
        child = (await kube_api.get(f"{CONFIG_MAPS}/child")).body
        return "deletionTimestamp" in child["metadata"]

    await kube_api.until(child_is_going)
    assert (await kube_api.get(f"{CONFIG_MAPS}/owner")).status == 200
    await kube_api.patch(f"{CONFIG_MAPS}/child", {"metadata": {"finalizers": None}})
    await kube_api.until_gone(f"{CONFIG_MAPS}/owner")


async def test_foreground_deletion_lets_go_what_another_owner_holds(kube_api: Kube) -> None:
    first, second = [
        (await kube_api.create(CONFIG_MAPS, config_map(name))).body for name in ("o1", "o2")
    ]
    references = [owner_of(first, controller=True, blockOwnerDeletion=True), owner_of(second)]
    await kube_api.create(CONFIG_MAPS, config_map("child", ownerReferences=references))
    await kube_api.patch(f"{CONFIG_MAPS}/o1", {"metadata": {"finalizers": ["example.com/held"]}})
    await kube_api.delete(f"{CONFIG_MAPS}/o1", {"propagationPolicy": "Foreground"})

    async def waits_no_more() -> bool:
        owner = (await kube_api.get(f"{CONFIG_MAPS}/o1")).body
        return bool(owner["metadata"]["finalizers"] == ["example.com/held"])

    await kube_api.until(waits_no_more)
    child = (await kube_api.get(f"{CONFIG_MAPS}/child")).body
    assert "deletionTimestamp" not in child["metadata"]
    assert [ref["name"] for ref in child["metadata"]["ownerReferences"]] == ["o2"]
    await kube_api.delete(f"{CONFIG_MAPS}/o2")
    await kube_api.until_gone(f"{CONFIG_MAPS}/child")


async def test_orphans_stay_without_their_owner(kube_api: Kube) -> None:
    await family(kube_api)
    await kube_api.delete(f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Orphan"})
    await kube_api.until_gone(f"{CONFIG_MAPS}/owner")
    child = (await kube_api.get(f"{CONFIG_MAPS}/child")).body
    assert "ownerReferences" not in child["metadata"]


async def test_a_namespace_goes_with_its_contents(kube_api: Kube) -> None:
    path = "/api/v1/namespaces/$NS"
    await kube_api.create(CONFIG_MAPS, config_map(finalizers=["example.com/held"]))
    deleted = (await kube_api.delete(path)).body
    assert deleted["status"]["phase"] == "Terminating"

    async def contents_are_going() -> bool:
        found = (await kube_api.get(f"{CONFIG_MAPS}/c")).body
        return "deletionTimestamp" in found["metadata"]

    await kube_api.until(contents_are_going)
    refused = await kube_api.create(CONFIG_MAPS, config_map("late"))
    assert refused.summary == (
        403,
        "Forbidden",
        (
            'configmaps "late" is forbidden: unable to create new content in namespace '
            f"{kube_api.namespace} because it is being terminated"
        ),
    )
    await kube_api.patch(f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": None}})
    await kube_api.until_gone(path)


async def test_a_namespace_carries_its_name_as_a_label(kube_api: Kube) -> None:
    body = (await kube_api.get("/api/v1/namespaces/$NS")).body
    assert body["metadata"]["labels"] == {"kubernetes.io/metadata.name": kube_api.namespace}
    assert body["spec"] == {"finalizers": ["kubernetes"]}
    assert body["status"] == {"phase": "Active"}
