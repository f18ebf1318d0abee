"""JSON, merge and strategic merge patches."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map, container, deployment

pytestmark = pytest.mark.asyncio
PATH = f"{CONFIG_MAPS}/c"
REJECTED = "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("kind", "patch", "data"),
    [
        ("merge", {"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ("merge", {"data": {"a": None}}, None),
        ("strategic", {"data": {"b": "2"}}, {"a": "1", "b": "2"}),
        ("strategic", {"data": {"$patch": "replace", "b": "2"}}, {"b": "2"}),
        ("json-patch", [{"op": "add", "path": "/data/b", "value": "2"}], {"a": "1", "b": "2"}),
        ("json-patch", [{"op": "replace", "path": "/data/a", "value": "2"}], {"a": "2"}),
        ("json-patch", [{"op": "move", "from": "/data/a", "path": "/data/b"}], {"b": "1"}),
        (
            "json-patch",
            [{"op": "copy", "from": "/data/a", "path": "/data/b"}],
            {"a": "1", "b": "1"},
        ),
        (
            "json-patch",
            [
                {"op": "test", "path": "/data/a", "value": "1"},
                {"op": "remove", "path": "/data/a"},
            ],
            None,
        ),
    ],
)
async def test_patches(kube_api: Kube, kind: str, patch: Any, data: Any) -> None:
    await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1"}))
    patched = await kube_api.patch(PATH, patch, kind)
    assert (patched.status, patched.body.get("data")) == (200, data)


@pytest.mark.parametrize(
    ("kind", "patch", "expected"),
    [
        pytest.param(
            "json-patch",
            [{"op": "test", "path": "/data/a", "value": "no"}],
            (422, "Invalid", REJECTED),
            id="a failed test",
        ),
        pytest.param(
            "json-patch",
            [{"op": "remove", "path": "/data/no"}],
            (422, "Invalid", REJECTED),
            id="a missing path",
        ),
        pytest.param(
            "json-patch",
            {"op": "remove"},
            (
                400,
                "BadRequest",
                (
                    "error decoding patch: json: cannot unmarshal object into Go value of type "
                    "[]handlers.jsonPatchOp"
                ),
            ),
            id="no list",
        ),
        pytest.param(
            "json",
            {"data": {}},
            (415, "UnsupportedMediaType", "415: Unsupported Media Type"),
            id="plain JSON",
        ),
        pytest.param(
            "merge",
            {"metadata": {"resourceVersion": "1"}, "data": {"b": "1"}},
            (
                409,
                "Conflict",
                (
                    'Operation cannot be fulfilled on configmaps "c": the object has been '
                    "modified; "
                    "please apply your changes to the latest version and try again"
                ),
            ),
            id="an old version",
        ),
        pytest.param(
            "merge",
            {"metadata": {"name": "d"}},
            (
                400,
                "BadRequest",
                "the name of the object (d) does not match the name on the URL (c)",
            ),
            id="another name",
        ),
        pytest.param(
            "strategic",
            {"no": 1},
            (
                422,
                "Invalid",
                (
                    ' "" is invalid: patch: Invalid value: "map[no:1]": strict decoding error: '
                    "unknown "
                    'field "no"'
                ),
            ),
            id="an unknown field",
        ),
    ],
)
async def test_patches_that_are_refused(
    kube_api: Kube, kind: str, patch: Any, expected: Any
) -> None:
    await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1"}))
    answer = await kube_api.patch(PATH, patch, kind, fieldValidation="Strict")
    assert answer.summary == expected


def names(body: Any) -> list[str]:
    return [c["name"] for c in body["spec"]["template"]["spec"]["containers"]]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param([{"name": "d", "image": "d"}], ["d", "c"], id="new items come first"),
        pytest.param([{"name": "c", "image": "z"}], ["c"], id="an item is merged by name"),
    ],
)
async def test_strategic_patches_merge_lists_by_key(
    kube_api: Kube, containers: Any, expected: list[str]
) -> None:
    await kube_api.create(DEPLOYMENTS, deployment(container(ports=[{"containerPort": 80}])))
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = await kube_api.patch(f"{DEPLOYMENTS}/x", patch, "strategic")
    assert names(patched.body) == expected
    kept = patched.body["spec"]["template"]["spec"]["containers"][expected.index("c")]
    assert kept["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


async def test_strategic_patches_delete_and_order_items(kube_api: Kube) -> None:
    body = deployment(container(), {"name": "d", "image": "d"}, {"name": "e", "image": "e"})
    await kube_api.create(DEPLOYMENTS, body)
    spec = {
        "$setElementOrder/containers": [{"name": "e"}, {"name": "c"}],
        "containers": [{"name": "d", "$patch": "delete"}, {"name": "e", "image": "z"}],
    }
    patch = {"spec": {"template": {"spec": spec}}}
    patched = await kube_api.patch(f"{DEPLOYMENTS}/x", patch, "strategic")
    assert names(patched.body) == ["e", "c"]


async def test_an_item_without_its_key(kube_api: Kube) -> None:
    await kube_api.create(DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"image": "z"}]}}}}
    answer = await kube_api.patch(f"{DEPLOYMENTS}/x", patch, "strategic")
    message = "map: map[image:z] does not contain declared merge key: name"
    assert answer.summary == (500, "", message)
