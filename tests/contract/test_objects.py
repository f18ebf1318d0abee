"""Reading, creating, replacing and deleting single objects."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map

pytestmark = pytest.mark.asyncio

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


async def test_a_new_object_gets_identity_time_and_manager(kube_api: Kube) -> None:
    created = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    meta = created.body["metadata"]
    assert created.status == 201
    assert meta.keys() == {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
    }
    entry = dict(meta["managedFields"][0])
    assert entry.pop("time")
    assert entry == {
        "manager": "contract",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, "f:a": {}}},
    }
    assert (await kube_api.get(f"{CONFIG_MAPS}/c")).body == created.body


async def test_a_generated_name_extends_its_prefix(kube_api: Kube) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "pre-"}}
    name = (await kube_api.create(CONFIG_MAPS, body)).body["metadata"]["name"]
    assert name.startswith("pre-")
    assert len(name) == len("pre-") + 5


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces/$NS/configmaps/no", (404, "NotFound", 'configmaps "no" not found')),
        (
            "/apis/apps/v1/namespaces/$NS/deployments/no",
            (404, "NotFound", 'deployments.apps "no" not found'),
        ),
        ("/api/v1/nothing", (404, "NotFound", "the server could not find the requested resource")),
        (
            "/api/v1/configmaps/c",
            (404, "NotFound", "the server could not find the requested resource"),
        ),
    ],
)
async def test_what_does_not_exist(kube_api: Kube, path: str, expected: Any) -> None:
    assert (await kube_api.get(path)).summary == expected


async def test_a_group_that_nobody_serves_is_a_plain_404(kube_api: Kube) -> None:
    answer = await kube_api.get("/apis/no.such.group/v1/things")
    assert (answer.status, answer.body) == (404, "404 page not found\n")


NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("body", "params", "expected"),
    [
        pytest.param(
            config_map("Bad_"),
            {},
            (
                422,
                "Invalid",
                f'ConfigMap "Bad_" is invalid: metadata.name: Invalid value: "Bad_": {NAME_RULE}',
            ),
            id="a bad name",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}},
            {},
            (
                422,
                "Invalid",
                (
                    'ConfigMap "" is invalid: metadata.name: Required value: name or '
                    "generateName is "
                    "required"
                ),
            ),
            id="no name",
        ),
        pytest.param(
            config_map(namespace="other"),
            {},
            (
                400,
                "BadRequest",
                (
                    "the namespace of the provided object does not match the namespace sent on the "
                    "request"
                ),
            ),
            id="another namespace",
        ),
        pytest.param(
            config_map(resourceVersion="5"),
            {},
            (500, "", "resourceVersion should not be set on objects to be created"),
            id="a resource version",
        ),
        pytest.param(
            config_map(data={"a": 1}),
            {},
            (
                400,
                "BadRequest",
                (
                    'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot '
                    "unmarshal number into Go struct field ConfigMap.data of type string"
                ),
            ),
            id="a wrong type",
        ),
        pytest.param(
            {**config_map(), "no": 1},
            {"fieldValidation": "Strict"},
            (
                400,
                "BadRequest",
                (
                    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding '
                    'error: unknown field "no"'
                ),
            ),
            id="an unknown field, strictly",
        ),
        pytest.param(
            config_map(labels={"k": "not good!"}),
            {},
            (
                422,
                "Invalid",
                (
                    'ConfigMap "c" is invalid: metadata.labels: Invalid value: "not good!": a '
                    "valid "
                    "label must be an empty string or consist of alphanumeric characters, '-', "
                    "'_' or "
                    "'.', and must start and end with an alphanumeric character (e.g. "
                    "'MyValue',  or "
                    "'my_value',  or '12345', regex used for validation is "
                    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                ),
            ),
            id="a bad label",
        ),
    ],
)
async def test_what_may_not_be_created(
    kube_api: Kube, body: Any, params: dict[str, str], expected: Any
) -> None:
    assert (await kube_api.create(CONFIG_MAPS, body, **params)).summary == expected


async def test_an_unknown_field_is_dropped_with_a_warning(kube_api: Kube) -> None:
    created = await kube_api.create(CONFIG_MAPS, {**config_map(), "no": 1})
    assert (created.status, created.warnings) == (201, ('299 - "unknown field \\"no\\""',))
    assert "no" not in created.body


async def test_a_name_is_taken_once(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map())
    again = await kube_api.create(CONFIG_MAPS, config_map())
    assert again.summary == (409, "AlreadyExists", 'configmaps "c" already exists')
    assert again.body["details"] == {"name": "c", "kind": "configmaps"}


async def test_a_missing_namespace(kube_api: Kube) -> None:
    answer = await kube_api.create("/api/v1/namespaces/none/configmaps", config_map())
    assert answer.summary == (404, "NotFound", 'namespaces "none" not found')


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_dry_run_changes_nothing(kube_api: Kube, verb: str) -> None:
    path = CONFIG_MAPS
    if verb != "POST":
        await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
        path = f"{CONFIG_MAPS}/c"
    before = (await kube_api.get(f"{CONFIG_MAPS}/c")).body
    body = None if verb == "DELETE" else config_map(data={"a": "c"})
    kind = "merge" if verb == "PATCH" else "json"
    tried = await kube_api.send(verb, path, body, kind, dryRun="All")
    assert tried.status in (200, 201)
    assert (await kube_api.get(f"{CONFIG_MAPS}/c")).body == before


async def test_a_put_with_an_old_version_is_refused(kube_api: Kube) -> None:
    created = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1"}))
    await kube_api.patch(f"{CONFIG_MAPS}/c", {"data": {"a": "2"}})
    stale = await kube_api.send("PUT", f"{CONFIG_MAPS}/c", created.body)
    message = f'Operation cannot be fulfilled on configmaps "c": {MODIFIED}'
    assert stale.summary == (409, "Conflict", message)


async def test_a_put_without_a_version_replaces_built_in_objects(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1", "b": "1"}))
    put = await kube_api.send("PUT", f"{CONFIG_MAPS}/c", config_map(data={"a": "2"}))
    assert (put.status, put.body["data"]) == (200, {"a": "2"})


async def test_a_write_that_changes_nothing_keeps_the_version(kube_api: Kube) -> None:
    created = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "1"}))
    put = await kube_api.send("PUT", f"{CONFIG_MAPS}/c", created.body)
    patched = await kube_api.patch(f"{CONFIG_MAPS}/c", {"data": {"a": "1"}})
    assert put.version == patched.version == created.version


async def test_a_put_by_another_name(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map())
    message = "the name of the object (d) does not match the name on the URL (c)"
    answer = await kube_api.send("PUT", f"{CONFIG_MAPS}/c", config_map("d"))
    assert answer.summary == (400, "BadRequest", message)


async def test_deleting_answers_with_success_then_not_found(kube_api: Kube) -> None:
    uid = (await kube_api.create(CONFIG_MAPS, config_map())).body["metadata"]["uid"]
    deleted = await kube_api.delete(f"{CONFIG_MAPS}/c")
    assert (deleted.status, deleted.body) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "c", "kind": "configmaps", "uid": uid},
        },
    )
    again = await kube_api.delete(f"{CONFIG_MAPS}/c")
    assert again.summary == (404, "NotFound", 'configmaps "c" not found')


async def test_deleting_another_object_of_the_name_is_refused(kube_api: Kube) -> None:
    uid = (await kube_api.create(CONFIG_MAPS, config_map())).body["metadata"]["uid"]
    answer = await kube_api.delete(f"{CONFIG_MAPS}/c", {"preconditions": {"uid": "other"}})
    assert answer.summary == (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on ConfigMap "c": the UID in the precondition '
            "(other) does "
            f"not match the UID in record ({uid}). The object might have been deleted and then "
            "recreated"
        ),
    )


async def test_a_finalizer_keeps_a_deleted_object_until_it_is_removed(kube_api: Kube) -> None:
    path = f"{CONFIG_MAPS}/c"
    await kube_api.create(CONFIG_MAPS, config_map(finalizers=["example.com/f"]))
    deleted = await kube_api.delete(path)
    assert deleted.body["metadata"]["deletionTimestamp"]
    assert deleted.body["metadata"]["deletionGracePeriodSeconds"] == 0
    again = await kube_api.create(CONFIG_MAPS, config_map())
    message = 'object is being deleted: configmaps "c" already exists'
    assert again.summary == (409, "AlreadyExists", message)
    late = await kube_api.patch(path, {"metadata": {"finalizers": ["example.com/g"]}})
    assert set(late.causes) == {  # a real server may tell it twice
        (
            "metadata.finalizers",
            "FieldValueForbidden",
            (
                "Forbidden: no new finalizers can be added if the object is being deleted, "
                "found new "
                'finalizers []string{"example.com/g"}'
            ),
        )
    }
    assert (await kube_api.patch(path, {"metadata": {"finalizers": None}})).status == 200
    assert (await kube_api.get(path)).status == 404


async def test_deleting_a_collection_takes_what_the_selector_names(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map("a", labels={"x": "1"}))
    await kube_api.create(CONFIG_MAPS, config_map("b"))
    await kube_api.delete(CONFIG_MAPS, labelSelector="x=1")
    left = (await kube_api.get(CONFIG_MAPS)).body["items"]
    names = [item["metadata"]["name"] for item in left]
    assert [name for name in names if name in ("a", "b")] == ["b"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"labelSelector": "x=1"}, ["a"]),
        ({"labelSelector": "x!=1"}, ["b", "c"]),
        ({"labelSelector": "x in (1,2)"}, ["a", "b"]),
        ({"labelSelector": "x notin (1)"}, ["b", "c"]),
        ({"labelSelector": "x"}, ["a", "b"]),
        ({"labelSelector": "!x"}, ["c"]),
        ({"labelSelector": "x=1,x=2"}, []),
        ({"fieldSelector": "metadata.name=b"}, ["b"]),
        ({"fieldSelector": "metadata.name!=b", "labelSelector": "x"}, ["a"]),
    ],
)
async def test_lists_follow_selectors(
    kube_api: Kube, selector: dict[str, str], expected: list[str]
) -> None:
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {})):
        await kube_api.create(CONFIG_MAPS, config_map(name, labels=labels))
    items = (await kube_api.get(CONFIG_MAPS, **selector)).body["items"]
    names = [item["metadata"]["name"] for item in items]
    assert [name for name in names if name in ("a", "b", "c")] == expected


async def test_a_long_list_comes_in_pages(kube_api: Kube) -> None:
    for name in ("a", "b", "c"):
        await kube_api.create(CONFIG_MAPS, config_map(name, labels={"mine": ""}))
    first = await kube_api.get(CONFIG_MAPS, limit="2", labelSelector="mine")
    token = first.body["metadata"]["continue"]
    rest = await kube_api.get(CONFIG_MAPS, **{"limit": "2", "continue": token})
    names = [i["metadata"]["name"] for i in (*first.body["items"], *rest.body["items"])]
    assert [name for name in names if len(name) == 1] == ["a", "b", "c"]
    assert "continue" not in rest.body["metadata"]


async def test_all_pages_of_a_list_have_one_version(kube_api: Kube) -> None:
    for name in ("a", "b", "c"):
        await kube_api.create(CONFIG_MAPS, config_map(name, labels={"mine": ""}))
    first = await kube_api.get(CONFIG_MAPS, limit="2", labelSelector="mine")
    await kube_api.create(CONFIG_MAPS, config_map("between", labels={"mine": ""}))
    token = first.body["metadata"]["continue"]
    rest = await kube_api.get(CONFIG_MAPS, **{"continue": token, "labelSelector": "mine"})
    version = "resourceVersion"
    assert rest.body["metadata"][version] == first.body["metadata"][version]


async def test_items_of_built_in_lists_do_not_repeat_their_type(kube_api: Kube) -> None:
    await kube_api.create(CONFIG_MAPS, config_map())
    listed = (await kube_api.get(CONFIG_MAPS)).body
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert all("kind" not in item for item in listed["items"])
