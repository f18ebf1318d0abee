"""The chart's admission policy on the API server: nobody gains rights through the operator."""

import itertools
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
import yaml

from canary_operator.playground.client import APPLY, MERGE, ApiStatusError, Client, Resource
from canary_operator.playground.local import ROLLOUTS
from deploy.rendering import render
from tests.support.bed import quick_spec
from tests.support.clusters import Cluster, eventually

ADMISSION, RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"
RESOURCES = {
    "ValidatingAdmissionPolicy": Resource(
        "validatingadmissionpolicies", ADMISSION, namespaced=False
    ),
    "ValidatingAdmissionPolicyBinding": Resource(
        "validatingadmissionpolicybindings", ADMISSION, namespaced=False
    ),
    "ClusterRole": Resource("clusterroles", RBAC, namespaced=False),
}
SERVICE_ACCOUNTS = Resource("serviceaccounts")
ROLES = Resource("roles", RBAC)
ROLE_BINDINGS = Resource("rolebindings", RBAC)

Rule = dict[str, list[str]]


def rule(group: str, resource: str, *verbs: str) -> Rule:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


WRITE = rule("canary-operator.dev", "canaryrollouts", "get", "create", "update", "patch")
SCALE = rule("canary-operator.dev", "canaryrollouts/scale", "get", "update", "patch")
DEPLOYMENTS = rule("apps", "deployments", "create")
SERVICES = rule("", "services", "create")
ROUTES = rule("networking.istio.io", "virtualservices", "create")
NEEDED = (DEPLOYMENTS, SERVICES, ROUTES)


class Shop:
    """A namespace where the policy is in force, and people with rights in it."""

    def __init__(self, cluster: Cluster, namespace: str, release: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.release = release

    async def person(self, name: str, *rules: Rule) -> Client:
        """Return the client of somebody who has a Role with these rules, not opened yet."""
        await self.cluster.client.create(
            ROLES, {"metadata": {"name": name}, "rules": list(rules)}, self.namespace
        )
        return await self.bound(name, "Role", name)

    async def bound(self, name: str, kind: str, role: str) -> Client:
        """Return the client of somebody who has this role in the namespace."""
        await self.cluster.client.create(
            SERVICE_ACCOUNTS, {"metadata": {"name": name}}, self.namespace
        )
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.namespace}],
        }
        await self.cluster.client.create(ROLE_BINDINGS, binding, self.namespace)
        access = await self.cluster.service_account(self.namespace, name)
        return access.client()

    def rollout(self, **changes: Any) -> dict[str, Any]:
        return {
            "apiVersion": "canary-operator.dev/v1alpha1",
            "kind": "CanaryRollout",
            "metadata": {"name": "web"},
            "spec": {field: one for field, one in quick_spec(**changes).items() if one is not None},
        }

    async def refusal(self, client: Client, namespace: str = "", **changes: Any) -> str:
        """Return what the API server says to a CanaryRollout, nothing when it takes it."""
        try:
            await client.patch(
                ROLLOUTS,
                "web",
                self.rollout(**changes),
                namespace or self.namespace,
                ctype=APPLY,
                fieldManager="kubectl",
                dryRun="All",
            )
        except ApiStatusError as error:
            if error.code != HTTPStatus.FORBIDDEN:
                raise
            return error.message
        return ""


async def install(cluster: Cluster, release: str, **values: Any) -> None:
    templates = render(values, name=release, namespace=release)
    texts = [templates["admission-policy.yaml"], templates["user-roles.yaml"]]
    documents = itertools.chain.from_iterable(map(yaml.safe_load_all, texts))
    for document in documents:
        await cluster.client.patch(
            RESOURCES[document["kind"]],
            document["metadata"]["name"],
            document,
            ctype=APPLY,
            fieldManager="helm",
        )


@pytest_asyncio.fixture
async def shop(cluster: Cluster) -> AsyncIterator[Shop]:
    namespace = await cluster.namespace("shop")
    # The release is named as the namespace: policies of other tests are on the same real server.
    shop = Shop(cluster, namespace, f"{namespace}-canary-operator")
    await install(cluster, shop.release, watchNamespaces=[namespace])
    async with await shop.person("nobody", WRITE) as nobody:
        await eventually(lambda: shop.refusal(nobody))  # a new policy takes a moment
    yield shop
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
        await cluster.client.delete(RESOURCES[kind], f"{shop.release}-{shop.release}-author")
    for role in ("view", "edit", "author"):
        await cluster.client.delete(
            RESOURCES["ClusterRole"], f"{shop.release}-{shop.release}-{role}"
        )


async def test_who_may_make_all_that_the_operator_makes_may_write_a_rollout(shop: Shop) -> None:
    async with await shop.person("alice", WRITE, *NEEDED) as alice:
        assert await shop.refusal(alice) == ""


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        pytest.param([SERVICES, ROUTES], "deployments.apps", id="deployments"),
        pytest.param([DEPLOYMENTS, ROUTES], "services", id="services"),
        pytest.param(
            [DEPLOYMENTS, SERVICES], "virtualservices.networking.istio.io", id="virtualservices"
        ),
    ],
)
async def test_who_lacks_a_right_is_told_which_where_and_who_gives_it(
    shop: Shop, rules: Sequence[Rule], missing: str
) -> None:
    async with await shop.person("bob", WRITE, *rules) as bob:
        message = await shop.refusal(bob)
    name = f"{shop.release}-{shop.release}-author"
    user = f"system:serviceaccount:{shop.namespace}:bob"
    assert message == (
        f'canaryrollouts.canary-operator.dev "web" is forbidden: ValidatingAdmissionPolicy '
        f"'{name}' with binding '{name}' denied request: {user} may not create {missing} in "
        f"namespace {shop.namespace}, and a CanaryRollout makes them. Its author needs the right "
        "to create deployments.apps, services and virtualservices.networking.istio.io there. A "
        f"cluster admin can give it, for example with the ClusterRole {name}."
    )


async def test_rights_in_another_namespace_do_not_help(shop: Shop) -> None:
    async with await shop.person("carol", WRITE) as carol:
        elsewhere = Shop(shop.cluster, await shop.cluster.namespace("home"), shop.release)
        await elsewhere.cluster.client.create(
            ROLES, {"metadata": {"name": "carol"}, "rules": list(NEEDED)}, elsewhere.namespace
        )
        subject = {"kind": "ServiceAccount", "name": "carol", "namespace": shop.namespace}
        binding = {
            "metadata": {"name": "carol"},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "carol"},
            "subjects": [subject],
        }
        await elsewhere.cluster.client.create(ROLE_BINDINGS, binding, elsewhere.namespace)
        assert "deployments.apps" in await shop.refusal(carol)


async def test_only_a_changed_spec_is_held_against_its_author(shop: Shop) -> None:
    await shop.cluster.client.create(ROLLOUTS, shop.rollout(), shop.namespace)
    async with await shop.person("operations", WRITE, SCALE) as client:
        pause = {"metadata": {"annotations": {"canary-operator.dev/request": "pause"}}}
        await client.patch(ROLLOUTS, "web", pause, shop.namespace, ctype=MERGE)
        await client.patch(
            ROLLOUTS,
            "web",
            {"spec": {"replicas": 3}},
            shop.namespace,
            ctype=MERGE,
            subresource="scale",
        )
        with pytest.raises(ApiStatusError, match="may not create deployments") as refused:
            await client.patch(
                ROLLOUTS, "web", {"spec": {"paused": True}}, shop.namespace, ctype=MERGE
            )
        assert refused.value.code == 403


async def test_other_namespaces_are_left_alone(shop: Shop) -> None:
    other = await shop.cluster.namespace("other")
    async with await Shop(shop.cluster, other, shop.release).person("dave", WRITE) as dave:
        assert await shop.refusal(dave, other) == ""


async def test_the_author_role_suffices(shop: Shop) -> None:
    role = f"{shop.release}-{shop.release}-author"
    async with await shop.bound("erin", "ClusterRole", role) as erin:
        assert await shop.refusal(erin) == ""


async def test_only_who_asks_for_a_policy_needs_the_right_to_write_one(shop: Shop) -> None:
    traffic = {"istio": {"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}}
    async with await shop.person("heidi", WRITE, *NEEDED) as heidi:
        refused = await shop.refusal(heidi, traffic=traffic)
        assert "heidi may not create destinationrules.networking.istio.io" in refused
    rules = rule("networking.istio.io", "destinationrules", "create")
    async with await shop.person("ivan", WRITE, *NEEDED, rules) as ivan:
        assert await shop.refusal(ivan, traffic=traffic) == ""
    role = f"{shop.release}-{shop.release}-author"
    async with await shop.bound("judy", "ClusterRole", role) as judy:
        assert await shop.refusal(judy, traffic=traffic) == ""


async def test_who_takes_pods_from_a_deployment_must_be_allowed_to_update_it(shop: Shop) -> None:
    ref = {"workloadRef": {"name": "shop"}, "template": None}
    async with await shop.person("kai", WRITE, *NEEDED) as kai:
        refused = await shop.refusal(kai, **ref)
        assert "kai may not update Deployment shop in namespace" in refused
        assert await shop.refusal(kai) == ""
    other = {**rule("apps", "deployments", "update"), "resourceNames": ["another"]}
    async with await shop.person("leo", WRITE, *NEEDED, other) as leo:
        assert "leo may not update Deployment shop" in await shop.refusal(leo, **ref)
    this = {**rule("apps", "deployments", "update"), "resourceNames": ["shop"]}
    async with await shop.person("nia", WRITE, *NEEDED, this) as nia:
        assert await shop.refusal(nia, **ref) == ""


async def test_only_who_may_change_a_virtual_service_may_have_it_changed(shop: Shop) -> None:
    traffic = {"istio": {"virtualService": {"name": "pages"}}}
    async with await shop.person("kim", WRITE, *NEEDED) as kim:
        refused = await shop.refusal(kim, traffic=traffic)
        assert "kim may not patch virtualservices.networking.istio.io pages" in refused
        assert await shop.refusal(kim) == ""
    right = rule("networking.istio.io", "virtualservices", "patch")
    for name, allowed in (("lee", ["pages"]), ("mia", ["other"])):
        async with await shop.person(
            name, WRITE, *NEEDED, {**right, "resourceNames": allowed}
        ) as person:
            refused = await shop.refusal(person, traffic=traffic)
            assert (refused == "") is (allowed == ["pages"])


async def test_only_who_asks_for_autoscalers_needs_the_right_to_write_them(shop: Shop) -> None:
    scaling = {"maxReplicas": 3}
    async with await shop.person("mallory", WRITE, *NEEDED) as mallory:
        refused = await shop.refusal(mallory, replicas=None, autoscaling=scaling)
        assert "mallory may not create horizontalpodautoscalers.autoscaling" in refused
    role = f"{shop.release}-{shop.release}-author"
    async with await shop.bound("niaj", "ClusterRole", role) as niaj:
        assert await shop.refusal(niaj, replicas=None, autoscaling=scaling) == ""


async def test_the_edit_role_alone_does_not(shop: Shop) -> None:
    role = f"{shop.release}-{shop.release}-edit"
    async with await shop.bound("frank", "ClusterRole", role) as frank:
        assert "may not create deployments.apps" in await shop.refusal(frank)


async def test_kubernetes_own_view_role_shows_rollouts(shop: Shop) -> None:
    await shop.cluster.client.create(ROLLOUTS, shop.rollout(), shop.namespace)
    async with await shop.bound("grace", "ClusterRole", "view") as grace:

        async def sees() -> bool:
            try:
                return bool((await grace.list(ROLLOUTS, shop.namespace))["items"])
            except ApiStatusError as error:
                if error.code != HTTPStatus.FORBIDDEN:
                    raise
                return False

        assert await eventually(sees)  # a controller gathers the rules
        assert "cannot patch resource" in await shop.refusal(grace)


async def test_kubernetes_own_edit_role_lacks_the_right_to_virtual_services(shop: Shop) -> None:
    async with await shop.bound("heidi", "ClusterRole", "edit") as heidi:

        async def stopped_by_the_policy() -> str:
            message = await shop.refusal(heidi)
            return message if "ValidatingAdmissionPolicy" in message else ""

        message = await eventually(stopped_by_the_policy)
        assert "may not create virtualservices.networking.istio.io in namespace" in message
