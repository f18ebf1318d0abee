"""RBAC: what a service account may do follows from stored roles and bindings."""

import pytest

from tests.contract.accounts import (
    ACCOUNTS,
    grant,
    rule,
    until_allowed,
    worker,
)
from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map

pytestmark = pytest.mark.asyncio


async def test_without_a_rule_nothing_is_allowed(kube_api: Kube) -> None:
    account = await worker(kube_api)
    user = f"system:serviceaccount:{kube_api.namespace}:worker"
    where = f'in the namespace "{kube_api.namespace}"'
    assert (await account.get(f"{CONFIG_MAPS}/c")).summary == (
        403,
        "Forbidden",
        (
            f'configmaps "c" is forbidden: User "{user}" cannot get resource "configmaps" in API '
            f'group "" {where}'
        ),
    )
    refused = await account.patch(f"{DEPLOYMENTS}/x/scale", {"spec": {"replicas": 1}})
    assert refused.summary == (
        403,
        "Forbidden",
        (
            f'deployments.apps "x" is forbidden: User "{user}" cannot patch resource '
            f'"deployments/scale" in API group "apps" {where}'
        ),
    )
    listed = await account.get("/apis/apps/v1/deployments")
    assert listed.summary == (
        403,
        "Forbidden",
        (
            f'deployments.apps is forbidden: User "{user}" cannot list resource "deployments" '
            f"in API "
            'group "apps" at the cluster scope'
        ),
    )


async def test_a_rule_allows_its_verbs_on_its_resources(kube_api: Kube) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]}
    account = await worker(kube_api, rule)

    async def may_create() -> bool:
        return (await account.create(CONFIG_MAPS, config_map())).status != 403

    await kube_api.until(may_create)
    assert (await account.get(f"{CONFIG_MAPS}/c")).status == 200
    assert (await account.delete(f"{CONFIG_MAPS}/c")).status == 403
    assert (await account.get(CONFIG_MAPS)).status == 403


async def test_a_rule_may_name_objects(kube_api: Kube) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    account = await worker(kube_api, {**rule, "resourceNames": ["c"]})
    await kube_api.create(CONFIG_MAPS, config_map())

    async def may_read() -> bool:
        return (await account.get(f"{CONFIG_MAPS}/c")).status == 200

    await kube_api.until(may_read)
    assert (await account.get(f"{CONFIG_MAPS}/d")).status == 403


async def test_somebody_unknown(kube_api: Kube) -> None:
    answer = await kube_api.with_token("no-such-token").get(CONFIG_MAPS)
    assert answer.summary == (401, "Unauthorized", "Unauthorized")


async def test_a_token_ends_with_its_account(kube_api: Kube) -> None:
    account = await worker(kube_api, rule("", "configmaps", "list"))
    await until_allowed(account, "list", "configmaps")
    await kube_api.delete(f"{ACCOUNTS}/worker")

    async def refused() -> bool:  # a real server remembers a token for ten seconds
        return (await account.get(CONFIG_MAPS)).status == 401

    await kube_api.until(refused)


async def test_reviews_answer_what_one_may(kube_api: Kube) -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
    account = await worker(kube_api, rule)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async def allowed(verb: str) -> bool:
        asked = {"verb": verb, "group": "apps", "resource": "deployments", "namespace": "$NS"}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        answer = await account.create(path, body)
        assert answer.status in (201, 403)
        return answer.status == 201 and bool(answer.body["status"]["allowed"])

    await kube_api.until(lambda: allowed("get"))
    assert not await allowed("delete")


async def test_an_apply_that_makes_an_object_needs_create_too(kube_api: Kube) -> None:
    account = await worker(kube_api, rule("", "configmaps", "get patch"))
    await until_allowed(account, "patch", "configmaps")
    user = f"system:serviceaccount:{kube_api.namespace}:worker"
    refused = await account.apply(f"{CONFIG_MAPS}/c", config_map())
    assert refused.summary == (
        403,
        "Forbidden",
        (
            f'configmaps "c" is forbidden: User "{user}" cannot create resource "configmaps" in '
            f'API group "" in the namespace "{kube_api.namespace}"'
        ),
    )
    await kube_api.create(CONFIG_MAPS, config_map())
    assert (await account.apply(f"{CONFIG_MAPS}/c", config_map())).status == 200


async def test_who_may_see_one_object_may_list_and_watch_it_by_name(kube_api: Kube) -> None:
    account = await worker(kube_api, rule("", "configmaps", "list watch", "c"))
    await until_allowed(account, "list", "configmaps", name="c")
    await kube_api.create(CONFIG_MAPS, config_map())
    user = f"system:serviceaccount:{kube_api.namespace}:worker"
    listed = await account.get(CONFIG_MAPS, fieldSelector="metadata.name=c")
    assert [each["metadata"]["name"] for each in listed.body["items"]] == ["c"]
    async with account.watch(CONFIG_MAPS, fieldSelector="metadata.name=c") as watch:
        assert await watch.seen(1) == [("ADDED", "c")]
    assert (await account.get(CONFIG_MAPS)).status == 403
    assert (await account.get(CONFIG_MAPS, fieldSelector="metadata.name!=c")).status == 403
    refused = await account.get(CONFIG_MAPS, fieldSelector="metadata.name=d")
    assert refused.summary == (
        403,
        "Forbidden",
        (
            f'configmaps "d" is forbidden: User "{user}" cannot list resource "configmaps" in '
            f'API group "" in the namespace "{kube_api.namespace}"'
        ),
    )


async def owner_of(kube_api: Kube) -> dict[str, str]:
    """Make an owner and return a reference to it."""
    owner = (await kube_api.create(CONFIG_MAPS, config_map("owner"))).body["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}


async def test_an_owner_is_added_by_who_may_delete_the_object(kube_api: Kube) -> None:
    account = await worker(kube_api, rule("", "configmaps", "create patch get"))
    await until_allowed(account, "create", "configmaps")
    reference = await owner_of(kube_api)

    made = await account.create(CONFIG_MAPS, config_map("a", ownerReferences=[reference]))
    assert made.status == 201
    await kube_api.create(CONFIG_MAPS, config_map("b"))
    owned = {"metadata": {"ownerReferences": [reference]}}
    refused = await account.patch(f"{CONFIG_MAPS}/b", owned)
    assert refused.summary == (
        403,
        "Forbidden",
        (
            'configmaps "b" is forbidden: cannot set an ownerRef on a resource you can\'t delete: '
            ", <nil>"
        ),
    )
    await grant(kube_api, "more", rule("", "configmaps", "delete"))
    await until_allowed(account, "delete", "configmaps")
    assert (await account.patch(f"{CONFIG_MAPS}/b", owned)).status == 200


async def test_an_owner_that_waits_is_set_by_who_may_finalize_it(kube_api: Kube) -> None:
    account = await worker(kube_api, rule("", "configmaps", "create"))
    await until_allowed(account, "create", "configmaps")
    blocking = {**await owner_of(kube_api), "blockOwnerDeletion": True}
    refused = await account.create(CONFIG_MAPS, config_map("c", ownerReferences=[blocking]))
    assert refused.summary == (
        403,
        "Forbidden",
        (
            'configmaps "c" is forbidden: cannot set blockOwnerDeletion if an ownerReference '
            "refers to a resource you can't set finalizers on: , <nil>"
        ),
    )
    unknown = {**blocking, "kind": "Nope", "apiVersion": "x/v1"}
    refused = await account.create(CONFIG_MAPS, config_map("c", ownerReferences=[unknown]))
    assert refused.summary[2] == (
        'configmaps "c" is forbidden: cannot set blockOwnerDeletion in this case because cannot '
        'find RESTMapping for APIVersion x/v1 Kind Nope: no matches for kind "Nope" in version '
        '"x/v1"'
    )
    finalize = rule("", "configmaps/finalizers", "update", "owner")
    await grant(kube_api, "more", finalize)
    about = {"subresource": "finalizers", "name": "owner"}
    await until_allowed(account, "update", "configmaps", **about)
    allowed = await account.create(CONFIG_MAPS, config_map("c", ownerReferences=[blocking]))
    assert allowed.status == 201
