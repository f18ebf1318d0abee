"""Server-side apply: ownership, conflicts, and what happens to fields that are applied no more."""

from typing import Any

import pytest

from tests.contract.kube import Answer, Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map, container, deployment

pytestmark = pytest.mark.asyncio
PATH = f"{CONFIG_MAPS}/c"
WEB = f"{DEPLOYMENTS}/x"


def owners(answer: Answer) -> dict[tuple[str, str, str], Any]:
    """Return the fields by manager, operation and subresource."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in answer.body["metadata"].get("managedFields", [])
    }


async def test_applying_creates_owns_and_is_repeatable(kube_api: Kube) -> None:
    first = await kube_api.apply(PATH, config_map(data={"a": "1"}))
    again = await kube_api.apply(PATH, config_map(data={"a": "1"}))
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert owners(first) == {("one", "Apply", ""): {"f:data": {"f:a": {}}}}


async def test_a_field_that_is_applied_no_more_goes(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1", "b": "1"}, labels={"l": "1"}))
    applied = await kube_api.apply(PATH, config_map(data={"b": "1"}))
    assert applied.body["data"] == {"b": "1"}
    assert "labels" not in applied.body["metadata"]


async def test_a_map_that_is_applied_empty_goes(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1"}, labels={"l": "1"}))
    applied = await kube_api.apply(PATH, config_map(data={}, labels={}))
    assert "data" not in applied.body
    assert "labels" not in applied.body["metadata"]


async def test_a_field_stays_while_somebody_else_owns_it(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1", "b": "1"}))
    await kube_api.apply(PATH, config_map(data={"a": "1"}), "two")
    applied = await kube_api.apply(PATH, config_map(data={}))
    assert applied.body["data"] == {"a": "1"}


async def test_a_conflict_names_manager_and_field(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1"}))
    refused = await kube_api.apply(PATH, config_map(data={"a": "2"}), "two")
    message = 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert refused.summary == (409, "Conflict", message)
    assert refused.causes == [(".data.a", "FieldManagerConflict", 'conflict with "one"')]


async def test_several_conflicts_are_grouped_by_manager(kube_api: Kube) -> None:
    await kube_api.apply(WEB, deployment(container(), replicas=2))
    await kube_api.patch(WEB, {"spec": {"replicas": 3}}, fieldManager="kubectl-scale")
    refused = await kube_api.apply(WEB, deployment(container(image="i:v2"), replicas=4), "two")
    assert refused.summary == (
        409,
        "Conflict",
        (
            "Apply failed with 2 conflicts: "
            'conflicts with "kubectl-scale" using apps/v1:\n- .spec.replicas\n'
            'conflicts with "one":\n- .spec.template.spec.containers[name="c"].image'
        ),
    )


async def test_force_takes_the_field_over(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1", "b": "1"}))
    forced = await kube_api.apply(PATH, config_map(data={"a": "2"}), "two", force="true")
    assert forced.body["data"] == {"a": "2", "b": "1"}
    assert owners(forced) == {
        ("one", "Apply", ""): {"f:data": {"f:b": {}}},
        ("two", "Apply", ""): {"f:data": {"f:a": {}}},
    }


async def test_an_edit_by_hand_takes_ownership_of_what_it_changes(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1", "b": "1"}))
    await kube_api.patch(PATH, {"data": {"a": "2"}}, fieldManager="hand")
    assert owners(await kube_api.get(PATH)) == {
        ("one", "Apply", ""): {"f:data": {"f:b": {}}},
        ("hand", "Update", ""): {"f:data": {"f:a": {}}},
    }
    refused = await kube_api.apply(PATH, config_map(data={"a": "1", "b": "1"}))
    message = 'Apply failed with 1 conflict: conflict with "hand" using v1: .data.a'
    assert refused.summary == (409, "Conflict", message)


async def test_the_same_value_can_be_owned_twice(kube_api: Kube) -> None:
    await kube_api.apply(PATH, config_map(data={"a": "1"}))
    shared = await kube_api.apply(PATH, config_map(data={"a": "1"}), "two")
    assert owners(shared).keys() == {("one", "Apply", ""), ("two", "Apply", "")}


async def test_scaling_is_a_manager_of_its_own(kube_api: Kube) -> None:
    await kube_api.apply(WEB, deployment(replicas=1))
    await kube_api.patch(f"{WEB}/scale", {"spec": {"replicas": 3}}, fieldManager="scaler")
    refused = await kube_api.apply(WEB, deployment(replicas=1))
    message = (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using '
        "apps/v1: .spec.replicas"
    )
    assert refused.summary == (409, "Conflict", message)
    kept = await kube_api.apply(WEB, deployment())
    assert kept.body["spec"]["replicas"] == 3


async def test_items_of_map_lists_are_owned_one_by_one(kube_api: Kube) -> None:
    side = {"name": "side", "image": "s"}
    await kube_api.apply(WEB, deployment(container()))
    both = await kube_api.apply(WEB, deployment(container(), side), "two")
    found = both.body["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in found] == ["c", "side"]
    after = await kube_api.apply(WEB, deployment(container()), "two")
    found = after.body["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in found] == ["c"]


async def test_a_removed_field_gets_its_default_again(kube_api: Kube) -> None:
    await kube_api.apply(WEB, deployment(replicas=5))
    applied = await kube_api.apply(WEB, deployment())
    assert applied.body["spec"]["replicas"] == 1


async def test_the_status_door_applies_status_only(kube_api: Kube) -> None:
    await kube_api.apply(WEB, deployment(replicas=2))
    config = {**deployment(replicas=9), "status": {"replicas": 2}}
    applied = await kube_api.apply(f"{WEB}/status", config, "reporter")
    assert applied.body["spec"]["replicas"] == 2
    assert applied.body["status"]["replicas"] == 2
    assert owners(applied)["reporter", "Apply", "status"] == {"f:status": {"f:replicas": {}}}


async def test_an_object_without_owners_belongs_to_before_first_apply(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1"}))
    forget = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    assert owners(await kube_api.patch(PATH, forget, "json-patch")) == {}
    refused = await kube_api.apply(PATH, config_map(data={"a": "2"}))
    message = 'Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a'
    assert refused.summary == (409, "Conflict", message)


@pytest.mark.parametrize(
    ("body", "params", "expected"),
    [
        pytest.param(
            config_map(),
            {"fieldManager": ""},
            (
                422,
                "Invalid",
                (
                    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is '
                    "required "
                    "for apply patch"
                ),
            ),
            id="no manager",
        ),
        pytest.param(
            {**config_map(), "no": 1},
            {},
            (
                500,
                "",
                (
                    "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .no: field not "
                    "declared in schema"
                ),
            ),
            id="an unknown field",
        ),
        pytest.param(
            config_map(data={"a": 1}),
            {},
            (
                500,
                "",
                (
                    "failed to create typed patch object (/c; /v1, Kind=ConfigMap): .data.a: "
                    "expected "
                    "string, got &value.valueUnstructured{Value:1}"
                ),
            ),
            id="a wrong type",
        ),
        pytest.param(
            config_map(managedFields=[{"manager": "x"}]),
            {},
            (400, "BadRequest", "metadata.managedFields must be nil"),
            id="managed fields",
        ),
        pytest.param(
            {"metadata": {"name": "c"}},
            {},
            (400, "BadRequest", "invalid object type: /, Kind="),
            id="no kind",
        ),
        pytest.param(
            config_map("d"),
            {},
            (
                400,
                "BadRequest",
                "the name of the object (d) does not match the name on the URL (c)",
            ),
            id="another name",
        ),
    ],
)
async def test_configurations_that_are_refused(
    kube_api: Kube, body: Any, params: dict[str, str], expected: Any
) -> None:
    params = {"fieldManager": "one", **params}
    assert (await kube_api.patch(PATH, body, "apply", **params)).summary == expected


async def test_items_may_not_occur_twice(kube_api: Kube) -> None:
    refused = await kube_api.apply(WEB, deployment(container(), container()))
    assert refused.summary == (
        500,
        "",
        (
            "failed to create typed patch object (/x; apps/v1, Kind=Deployment): "
            '.spec.template.spec.containers: duplicate entries for key [name="c"]'
        ),
    )


async def test_only_apply_may_force(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map())
    refused = await kube_api.patch(PATH, {"data": {}}, force="true")
    assert refused.causes == [
        ("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
    ]
