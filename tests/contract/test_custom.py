"""Custom resources: definitions, schema, defaults, pruning, CEL, status, scale and tables."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.kube import Kube
from tests.contract.objects import DEFINITION, DEFINITIONS, THINGS, thing

pytestmark = pytest.mark.asyncio
PATH = f"{THINGS}/t"
MINE = f"{DEFINITIONS}/things.$GROUP"


@pytest_asyncio.fixture(autouse=True)
async def definition(kube_api: Kube) -> None:
    """Define the resource, once per server: a real one takes seconds to serve it."""
    created = await kube_api.create(DEFINITIONS, DEFINITION)
    assert created.status in (201, 409), created.body
    await kube_api.until_served(THINGS)


async def test_a_definition_is_established_and_discovered(kube_api: Kube) -> None:
    status = (await kube_api.get(MINE)).body["status"]
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert conditions == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"]["singular"] == "thing"
    found = (await kube_api.get("/apis/$GROUP/v1")).body["resources"]
    assert [r["name"] for r in found] == ["things", "things/status", "things/scale"]
    assert found[0]["shortNames"] == ["th"]


async def test_an_object_is_pruned_and_filled_in(kube_api: Kube) -> None:
    body = thing(
        steps=[{"name": "a", "no": 1}], free={"x": {"y": [1]}}, maybe=None, labels={"k": "v"}, no=1
    )
    created = await kube_api.create(THINGS, {**body, "status": {"phase": "x"}})
    assert created.status == 201
    assert created.warnings == (
        '299 - "unknown field \\"spec.no\\""',
        '299 - "unknown field \\"spec.steps[0].no\\""',
    )
    assert created.body["spec"] == {
        "name": "abc",
        "replicas": 1,
        "steps": [{"name": "a", "weight": 5}],
        "free": {"x": {"y": [1]}},
        "maybe": None,
        "labels": {"k": "v"},
    }
    assert created.body["status"] == {"observedGeneration": -1}
    assert created.body["metadata"]["generation"] == 1


UNCHECKED = (
    "<nil>",
    "FieldValueInvalid",
    (
        "Invalid value: null: some validation rules were not checked because the object was "
        "invalid; "
        "correct the existing errors to complete validation"
    ),
)


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"name": "ABC"}, ("spec.name", "should match '^[a-z]+$'")),
        ({"name": ""}, ("spec.name", "should be at least 1 chars long")),
        ({"replicas": 9}, ("spec.replicas", "Invalid value: too many")),
        (
            {"steps": [{"name": "a"}, {"name": "b"}]},
            ("spec", "Invalid value: weights differ"),
        ),
        ({"steps": [{"name": "a", "weight": 13}]}, ("spec.steps[0]", "Invalid value: unlucky")),
        ({"steps": []}, ("spec.steps", "should have at least 1 items")),
        (
            {"steps": [{"name": "a"}, {"name": "a", "weight": 6}]},
            ("spec.steps[1]", 'Duplicate value: {"name":"a"}'),
        ),
        ({"tags": ["a", "a"]}, ("spec.tags[1]", 'Duplicate value: "a"')),
        ({"hold": "1s"}, ("spec", "Invalid value: hold 5s or more")),
        (
            {"flag": True},
            ("spec", 'Invalid value: "object": no such key: mode evaluating rule: a flag needs'),
        ),
    ],
    ids=str,
)
async def test_values_that_are_refused(
    kube_api: Kube, spec: dict[str, Any], cause: tuple[str, str]
) -> None:
    refused = await kube_api.create(THINGS, thing(**spec))
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    field, text = cause
    assert [(f, text in m) for f, _, m in refused.causes] == [(field, True)]


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"flag": "x"},
            (
                "spec.flag",
                "FieldValueTypeInvalid",
                'Invalid value: "string": spec.flag in body must be of type boolean: "string"',
            ),
        ),
        (
            {"mode": "z"},
            (
                "spec.mode",
                "FieldValueNotSupported",
                'Unsupported value: "z": supported values: "a", "b"',
            ),
        ),
        (
            {"name": "abcdef"},
            (
                "spec.name",
                "FieldValueTooLong",
                "Too long: may not be more than 5 bytes",
            ),
        ),
        (
            {"labels": {"a": "", "b": "", "c": ""}},
            ("spec.labels", "FieldValueTooMany", "Too many: 3: must have at most 2 items"),
        ),
        (
            {"when": "yesterday"},
            (
                "spec.when",
                "FieldValueTypeInvalid",
                (
                    'Invalid value: "yesterday": spec.when in body must be of type date-time: '
                    '"yesterday"'
                ),
            ),
        ),
        (
            {"port": True},
            (
                "spec.port",
                "FieldValueTypeInvalid",
                (
                    'Invalid value: "boolean": spec.port in body must be of type integer,string: '
                    '"boolean"'
                ),
            ),
        ),
        (
            {"steps": [{"weight": 1}]},
            ("spec.steps[0].name", "FieldValueRequired", "Required value"),
        ),
        ({"name": None}, ("spec.name", "FieldValueRequired", "Required value")),
    ],
    ids=str,
)
async def test_a_wrong_shape_keeps_rules_from_running(
    kube_api: Kube, spec: dict[str, Any], cause: tuple[str, str, str]
) -> None:
    refused = await kube_api.create(THINGS, thing(**spec))
    assert refused.causes == [cause, UNCHECKED]


async def test_the_message_joins_all_causes(kube_api: Kube) -> None:
    body = thing(mode="z")
    refused = await kube_api.create(THINGS, body)
    field, _, text = UNCHECKED
    assert refused.body["message"] == (
        f'Thing.{kube_api.group} "t" is invalid: [spec.mode: Unsupported value: '
        f'"z": supported values: "a", "b", {field}: {text}]'
    )


async def test_a_rule_at_the_root_sees_the_name(kube_api: Kube) -> None:
    refused = await kube_api.create(THINGS, {**thing(), "metadata": {"name": "much-too-long"}})
    assert refused.causes == [("<nil>", "FieldValueInvalid", "Invalid value: name too long")]


async def test_a_transition_rule_compares_with_the_past(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing(fixed="a"))
    refused = await kube_api.patch(PATH, {"spec": {"fixed": "b"}})
    message = 'Invalid value: "b": fixed is immutable'
    assert refused.causes == [("spec.fixed", "FieldValueInvalid", message)]
    assert (await kube_api.patch(PATH, {"spec": {"name": "x"}})).status == 200


@pytest.mark.parametrize("wordy", ["5 minutes", "1m30s", "2h"])
async def test_the_duration_format_accepts_words(kube_api: Kube, wordy: str) -> None:
    created = await kube_api.create(THINGS, thing(hold=wordy))
    if wordy == "5 minutes":  # the schema accepts it, CEL's durations may not
        assert "must be of type duration" not in str(created.body)
    else:
        assert created.status == 201


async def test_an_unknown_field_is_refused_when_asked(kube_api: Kube) -> None:
    refused = await kube_api.create(THINGS, thing(no=1), fieldValidation="Strict")
    assert refused.summary == (
        400,
        "BadRequest",
        (
            'Thing in version "v1" cannot be handled as a Thing: strict decoding error: '
            "unknown field "
            '"spec.no"'
        ),
    )


async def test_a_put_needs_the_version(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing())
    refused = await kube_api.send("PUT", PATH, thing(name="x"))
    cause = (
        "metadata.resourceVersion",
        "FieldValueInvalid",
        "Invalid value: 0: must be specified for an update",
    )
    assert refused.causes == [cause]


async def test_strategic_patches_are_for_built_in_kinds(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing())
    refused = await kube_api.patch(PATH, {"spec": {}}, "strategic")
    assert refused.summary == (
        415,
        "UnsupportedMediaType",
        (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml"
        ),
    )


async def test_the_status_door_changes_status_and_nothing_else(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing())
    patch = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["example.com/x"]},
        "spec": {"replicas": 7},
        "status": {"phase": "x"},
    }
    patched = (await kube_api.patch(f"{PATH}/status", patch)).body
    assert patched["status"] == {"phase": "x", "observedGeneration": -1}
    assert patched["spec"]["replicas"] == 1
    assert patched["metadata"]["generation"] == 1
    assert not {"labels", "finalizers"} & patched["metadata"].keys()
    main = (await kube_api.patch(PATH, {"status": {"phase": "y"}, "spec": {"replicas": 2}})).body
    assert (main["status"]["phase"], main["metadata"]["generation"]) == ("x", 2)
    refused = await kube_api.patch(f"{PATH}/status", {"status": {"phase": "z"}})
    assert refused.causes[0][0] == "status.phase"


async def test_a_stale_status_write_is_refused(kube_api: Kube) -> None:
    old = (await kube_api.create(THINGS, thing())).version
    await kube_api.patch(PATH, {"spec": {"replicas": 2}})
    patch = {"metadata": {"resourceVersion": old}, "status": {"phase": "x"}}
    refused = await kube_api.patch(f"{PATH}/status", patch)
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")


async def test_scaling_a_custom_object(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing())
    await kube_api.patch(f"{PATH}/status", {"status": {"replicas": 3, "selector": "a=b"}})
    scale = (await kube_api.get(f"{PATH}/scale")).body
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 3, "selector": "a=b"})
    await kube_api.patch(f"{PATH}/scale", {"spec": {"replicas": 5}})
    assert (await kube_api.get(PATH)).body["spec"]["replicas"] == 5


async def test_an_object_that_says_no_number_of_pods_has_no_scale_until_one_is_given(
    kube_api: Kube,
) -> None:
    bare = deepcopy(DEFINITION)
    bare["metadata"] = {"name": "bares.$GROUP"}
    bare["spec"]["names"] = {"plural": "bares", "kind": "Bare"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    bare["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": schema}
    created = await kube_api.create(DEFINITIONS, bare)
    assert created.status in (201, 409), created.body
    bares = THINGS.replace("things", "bares")
    await kube_api.until_served(bares)
    await kube_api.create(bares, {**thing(), "kind": "Bare"})
    path = f"{bares}/t/scale"
    refused = await kube_api.get(path)
    assert (refused.status, refused.body["reason"]) == (500, "InternalError")
    assert refused.body["message"] == (
        'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    )
    assert refused.body["details"] == {
        "causes": [{"message": 'the spec replicas field ".spec.replicas" does not exist'}]
    }
    given = await kube_api.patch(path, {"spec": {"replicas": 2}})
    assert (given.status, given.body["spec"]) == (200, {"replicas": 2})
    assert (await kube_api.get(path)).body["spec"] == {"replicas": 2}


async def test_apply_merges_map_lists_and_sets(kube_api: Kube) -> None:
    await kube_api.apply(PATH, thing(steps=[{"name": "a", "weight": 1}], tags=["x"]))
    both = await kube_api.apply(PATH, thing(steps=[{"name": "b", "weight": 2}], tags=["y"]), "two")
    assert both.body["spec"]["steps"] == [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]
    assert both.body["spec"]["tags"] == ["x", "y"]
    less = await kube_api.apply(PATH, thing())
    assert less.body["spec"]["steps"] == [{"name": "b", "weight": 2}]
    assert less.body["spec"]["tags"] == ["y"]


async def test_tables_show_printer_columns(kube_api: Kube) -> None:
    await kube_api.create(THINGS, thing(mode="a"))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await kube_api.patch(f"{PATH}/status", ready)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    table = (await kube_api.send("GET", THINGS, headers=accept)).body
    columns = [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]]
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert columns == [
        ("Name", "string", 0),
        ("Replicas", "integer", 0),
        ("Ready", "string", 0),
        ("Mode", "string", 1),
        ("Age", "date", 0),
    ]
    row = table["rows"][0]
    assert row["cells"][:4] == ["t", 1, "True", "a"]
    assert row["cells"][4].endswith("s")
    assert row["object"]["kind"] == "PartialObjectMetadata"


async def test_objects_and_watches_end_with_their_definition(kube_api: Kube) -> None:
    kube_api = replace(kube_api, group=f"{kube_api.namespace}.example.com")
    await kube_api.create(DEFINITIONS, DEFINITION)
    await kube_api.until_served(THINGS)
    await kube_api.create(THINGS, thing())
    async with kube_api.watch(THINGS) as watch:
        assert await watch.seen(1) == [("ADDED", "t")]
        await kube_api.delete(MINE)
        assert await watch.seen(1) == [("DELETED", "t")]
        assert await watch.next() is None
    await kube_api.until_gone(MINE)
    await kube_api.until_gone(THINGS)
    assert (await kube_api.create(DEFINITIONS, DEFINITION)).status == 201
    await kube_api.until_served(THINGS)
    assert (await kube_api.get(THINGS)).body["items"] == []


def without(*path: Any) -> Any:
    """Return the definition without one field."""

    def cut(value: Any, steps: tuple[Any, ...]) -> Any:
        if isinstance(value, list):
            return [cut(value[steps[0]], steps[1:])]
        rest = {k: v for k, v in value.items() if k != steps[0]}
        return rest if len(steps) == 1 else {**rest, steps[0]: cut(value[steps[0]], steps[1:])}

    return {**cut(DEFINITION, path), "metadata": {"name": "things.$GROUP"}}


SCHEMA = ("spec", "versions", 0, "schema", "openAPIV3Schema")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (without("spec", "scope"), ("spec.scope", "Required value")),
        (
            without("spec", "versions", 0, "schema"),
            ("spec.versions[0].schema.openAPIV3Schema", "Required value"),
        ),
        (
            without(*SCHEMA, "properties", "spec", "properties", "mode", "type"),
            (
                "spec.validation.openAPIV3Schema.properties[spec].properties[mode].type",
                "Required value: must not be empty for specified object fields",
            ),
        ),
    ],
)
async def test_definitions_that_are_refused(
    kube_api: Kube, body: Any, cause: tuple[str, str]
) -> None:
    kube_api = replace(kube_api, group=f"{kube_api.namespace}.example.com")
    refused = await kube_api.create(DEFINITIONS, body, dryRun="All")
    assert [(field, message) for field, _, message in refused.causes] == [cause]


async def test_a_definition_is_named_after_its_resource(kube_api: Kube) -> None:
    refused = await kube_api.create(DEFINITIONS, {**DEFINITION, "metadata": {"name": "other"}})
    assert refused.causes == [
        (
            "metadata.name",
            "FieldValueInvalid",
            'Invalid value: "other": must be spec.names.plural+"."+spec.group',
        )
    ]
