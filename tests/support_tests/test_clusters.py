"""The same questions to whichever cluster the tests run on."""

import asyncio
import json
import shutil
from contextlib import aclosing, suppress
from typing import Any

import pytest

from canary_operator.playground.client import (
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    ApiStatusError,
    Resource,
)
from canary_operator.playground.controllers.runtime import Fault
from tests.support.clusters import Cluster, eventually
from tests.support.realplane import SERVICE_ACCOUNTS

ROLES = Resource("roles", "rbac.authorization.k8s.io")
ROLE_BINDINGS = Resource("rolebindings", "rbac.authorization.k8s.io")
ROLLOUTS = Resource("canaryrollouts", "canary-operator.dev", "v1alpha1")


def binding(name: str, namespace: str) -> dict[str, Any]:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": f"{name}:v1"}]},
            },
        },
    }


async def until_available(cluster: Cluster, namespace: str, pods: int) -> None:
    async with (
        asyncio.timeout(30),
        aclosing(cluster.client.watch(DEPLOYMENTS, namespace)) as changes,
    ):
        async for change in changes:
            if change.object.get("status", {}).get("availableReplicas", 0) == pods:
                return


async def test_a_deployment_becomes_available_and_its_pods_can_fail(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await cluster.client.create(DEPLOYMENTS, deployment("web", 2), namespace)
    await until_available(cluster, namespace, 2)
    cluster.kubelet.fail("app=web", Fault.UNREADY)
    await until_available(cluster, namespace, 0)


async def test_deleting_a_deployment_takes_its_pods_along(cluster: Cluster) -> None:
    if not cluster.collects_garbage:
        pytest.skip("this control plane has no garbage collector")
    namespace = await cluster.namespace()
    await cluster.client.create(DEPLOYMENTS, deployment("web", 2), namespace)
    await until_available(cluster, namespace, 2)
    await cluster.client.delete(DEPLOYMENTS, "web", namespace)

    async def gone() -> bool:
        return not (await cluster.client.list(PODS, namespace))["items"]

    await eventually(gone)


async def test_every_namespace_is_a_new_one(cluster: Cluster) -> None:
    made = [await cluster.namespace("web") for _ in range(3)]
    listed = (await cluster.client.list(NAMESPACES))["items"]
    assert set(made) <= {each["metadata"]["name"] for each in listed}
    assert len(set(made)) == 3


async def test_requests_are_counted_by_verb_and_resource(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    cluster.forget_requests()
    created = await cluster.client.create(DEPLOYMENTS, deployment("web", 0), namespace)
    await cluster.client.get(DEPLOYMENTS, "web", namespace)
    await cluster.client.request(
        "DELETE", DEPLOYMENTS.path(namespace, "web"), params={"dryRun": "All"}
    )
    requests = cluster.requests()
    ours = {"namespace": namespace, "resource": "deployments", "user_agent": "Python"}
    assert requests.count(**ours, verb="create", code=201) == 1
    assert requests.count(**ours, verb="get", name="web", subresource="", group="apps") >= 1
    assert requests.count(**ours, verb="delete", dry_run=True) == 1
    assert created["metadata"]["uid"]


async def test_a_watch_counts_once_and_when_it_begins(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    cluster.forget_requests()
    about = {"verb": "watch", "namespace": namespace, "resource": "pods"}

    async def begun() -> bool:
        return cluster.requests().count(**about) > 0

    async with aclosing(cluster.client.watch(PODS, namespace)) as changes:
        await anext(changes)
        pending = asyncio.ensure_future(anext(changes))
        await eventually(begun)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
    assert cluster.requests().count(**about) == 1


async def test_a_service_account_may_do_what_it_was_granted(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await cluster.client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "reader"}}, namespace)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    await cluster.client.create(ROLES, {"metadata": {"name": "reader"}, "rules": rules}, namespace)
    await cluster.client.create(ROLE_BINDINGS, binding("reader", namespace), namespace)
    access = await cluster.service_account(namespace, "reader")
    async with access.client() as client:

        async def granted() -> bool:
            with suppress(ApiStatusError):  # the authorizer follows with a moment's delay
                return (await client.list(PODS, namespace))["kind"] == "PodList"
            return False

        await eventually(granted)
        with pytest.raises(ApiStatusError) as refusal:
            await client.list(DEPLOYMENTS, namespace)
    assert refusal.value.code == 403


async def test_the_projects_own_resource_is_served(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    assert (await cluster.client.list(ROLLOUTS, namespace))["items"] == []


async def test_kubectl_finds_its_way_by_the_kubeconfig(cluster: Cluster) -> None:
    if (kubectl := shutil.which("kubectl")) is None:
        pytest.skip("kubectl is not installed")
    command = [kubectl, f"--kubeconfig={cluster.kubeconfig}", "get", "--raw=/api/v1/namespaces"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(output)["kind"] == "NamespaceList"


@pytest.mark.parametrize("attempt", range(2))
async def test_tests_do_not_see_each_others_pods(cluster: Cluster, attempt: int) -> None:
    namespace = await cluster.namespace()
    await cluster.client.create(DEPLOYMENTS, deployment("web", 1), namespace)
    await until_available(cluster, namespace, 1)
    assert len((await cluster.client.list(PODS, namespace))["items"]) == 1, attempt
