"""Deployments, ReplicaSets and EndpointSlices; with `KUBEBUILDER_ASSETS`, Kubernetes' own.

That these stories hold for both is what makes our controllers like the real ones.
"""

import pytest

from canary_operator.playground.client import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STRATEGIC,
    Client,
    Manifest,
)
from canary_operator.playground.controllers import Fault, InstantRuntime, PodRuntime
from canary_operator.playground.controllers.revisions import HASH_LABEL, REVISION
from tests.playground.controllers.stories import (
    SERVICE,
    deployment,
    is_complete,
    is_ready,
    reason,
    until,
    until_deployment,
    until_endpoints,
    until_pods,
)
from tests.support.clusters import Cluster


@pytest.fixture
def pod_runtime() -> PodRuntime:
    return InstantRuntime(ready_after_seconds=0.05)


class Web:
    """A Deployment called web in a namespace of its own."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def set(self, **spec: object) -> None:
        await self.client.patch(DEPLOYMENTS, "web", {"spec": spec}, self.namespace)

    async def set_image(self, image: str) -> None:
        template = {"spec": {"containers": [{"name": "app", "image": image}]}}
        body = {"spec": {"template": template}}
        await self.client.patch(DEPLOYMENTS, "web", body, self.namespace, ctype=STRATEGIC)

    async def complete(self, replicas: int) -> Manifest:
        return await until_deployment(self.client, self.namespace, is_complete(replicas))

    async def says(self, kind: str, *expected: str) -> Manifest:
        def check(item: Manifest) -> bool:
            return reason(item, kind) == expected

        return await until_deployment(self.client, self.namespace, check)

    async def sizes(self) -> dict[str, int]:
        """Return the sizes of the ReplicaSets by revision."""
        found = (await self.client.list(REPLICA_SETS, self.namespace))["items"]
        return {
            each["metadata"]["annotations"][REVISION]: each["spec"]["replicas"] for each in found
        }


async def made(cluster: Cluster, item: Manifest, *, replicas: int) -> Web:
    web = Web(cluster.client, await cluster.namespace())
    await cluster.client.create(DEPLOYMENTS, item, web.namespace)
    await web.complete(replicas)
    return web


async def test_a_deployment_comes_up(cluster: Cluster) -> None:
    web = await made(cluster, deployment(), replicas=4)
    item = await web.says("Progressing", "True", "NewReplicaSetAvailable")
    assert reason(item, "Available") == ("True", "MinimumReplicasAvailable")
    assert item["metadata"]["generation"] == 1, "numbering a revision is not a new generation"
    assert item["metadata"]["annotations"][REVISION] == "1"
    [one] = (await cluster.client.list(REPLICA_SETS, web.namespace))["items"]
    suffix = one["metadata"]["labels"][HASH_LABEL]
    assert one["metadata"]["name"] == f"web-{suffix}"
    assert one["metadata"]["ownerReferences"][0]["uid"] == item["metadata"]["uid"]
    pods = (await cluster.client.list(PODS, web.namespace))["items"]
    assert {pod["metadata"]["labels"][HASH_LABEL] for pod in pods} == {suffix}
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {
        one["metadata"]["uid"]
    }


async def test_a_new_image_replaces_all_pods_and_the_old_one_comes_back_by_its_revision(
    cluster: Cluster,
) -> None:
    web = await made(cluster, deployment(), replicas=4)
    await web.set_image("app:v2")
    await web.complete(4)
    assert await web.sizes() == {"1": 0, "2": 4}
    await web.set_image("app:v1")
    item = await web.complete(4)
    assert item["metadata"]["annotations"][REVISION] == "3"
    assert await web.sizes() == {"2": 0, "3": 4}


async def test_a_broken_image_takes_no_more_than_may_be_missing(cluster: Cluster) -> None:
    web = await made(cluster, deployment(progressDeadlineSeconds=4), replicas=4)
    await web.set_image("app:broken")
    item = await web.says("Progressing", "False", "ProgressDeadlineExceeded")
    assert reason(item, "Available") == ("True", "MinimumReplicasAvailable")
    counts = {name: n for name, n in item["status"].items() if name.endswith("Replicas")}
    assert counts == {
        "updatedReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 2,
        "terminatingReplicas": 0,
    }
    await web.set_image("app:v1")
    await web.says("Progressing", "True", "NewReplicaSetAvailable")


async def test_with_none_unavailable_a_broken_image_takes_nothing(cluster: Cluster) -> None:
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    web = await made(cluster, deployment(strategy=strategy), replicas=4)
    await web.set_image("app:missing")
    await until_pods(cluster.client, web.namespace, lambda pods: len(pods) == 5)
    item = await web.says("Progressing", "True", "ReplicaSetUpdated")
    assert (item["status"]["availableReplicas"], item["status"]["updatedReplicas"]) == (4, 1)


async def test_scaling_up_and_down(cluster: Cluster) -> None:
    web = await made(cluster, deployment(replicas=1), replicas=1)
    for replicas in (5, 2, 0, 1):
        await web.set(replicas=replicas)
        await web.complete(replicas)
    assert await web.sizes() == {"1": 1}


async def test_scaling_a_stuck_update_keeps_the_mix(cluster: Cluster) -> None:
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    web = await made(cluster, deployment(replicas=2, strategy=strategy), replicas=2)
    await web.set_image("app:broken")
    await until_pods(cluster.client, web.namespace, lambda pods: len(pods) == 3)
    await web.says("Progressing", "True", "ReplicaSetUpdated")
    await web.set(replicas=6)
    await until_pods(cluster.client, web.namespace, lambda pods: sum(map(is_ready, pods)) == 5)
    assert await web.sizes() == {"1": 5, "2": 2}


async def test_a_paused_deployment_scales_but_does_not_roll_out(cluster: Cluster) -> None:
    web = await made(cluster, deployment(replicas=2), replicas=2)
    await web.set(paused=True)
    await web.says("Progressing", "Unknown", "DeploymentPaused")
    await web.set_image("app:v2")
    await web.set(replicas=3)
    await until_deployment(
        cluster.client, web.namespace, lambda item: item["status"].get("readyReplicas") == 3
    )
    assert await web.sizes() == {"1": 3}
    await web.set(paused=False)
    await web.complete(3)
    assert await web.sizes() == {"1": 0, "2": 3}


async def test_recreate_removes_every_old_pod_before_the_first_new_one(cluster: Cluster) -> None:
    web = await made(cluster, deployment(strategy={"type": "Recreate"}), replicas=4)
    await web.set_image("app:v2")

    def is_new(pods: list[Manifest]) -> bool:
        images = {pod["spec"]["containers"][0]["image"] for pod in pods}
        assert len(images) <= 1, "old and new pods at once"
        return images == {"app:v2"}

    await until_pods(cluster.client, web.namespace, is_new)
    await web.complete(4)


async def test_a_pod_is_available_once_it_was_ready_long_enough(cluster: Cluster) -> None:
    web = Web(cluster.client, await cluster.namespace())
    item = deployment(replicas=1, minReadySeconds=1)
    await cluster.client.create(DEPLOYMENTS, item, web.namespace)
    seen = await until_deployment(
        cluster.client, web.namespace, lambda item: item["status"].get("readyReplicas")
    )
    assert "availableReplicas" not in seen["status"]
    await web.complete(1)


async def test_history_is_as_long_as_asked(cluster: Cluster) -> None:
    web = await made(cluster, deployment(replicas=1, revisionHistoryLimit=1), replicas=1)
    for image in ("app:v2", "app:v3"):
        await web.set_image(image)
        await web.complete(1)
    await until(cluster.client, REPLICA_SETS, web.namespace, lambda items: len(items) == 2)
    assert await web.sizes() == {"2": 0, "3": 1}


async def test_lost_pods_are_replaced(cluster: Cluster) -> None:
    web = await made(cluster, deployment(replicas=2), replicas=2)
    [lost, kept] = (await cluster.client.list(PODS, web.namespace))["items"]
    await cluster.client.delete(PODS, lost["metadata"]["name"], web.namespace)

    def is_replaced(pods: list[Manifest]) -> bool:
        names = {pod["metadata"]["name"] for pod in pods if is_ready(pod)}
        return len(names) == len(pods) == 2 and lost["metadata"]["name"] not in names

    pods = await until_pods(cluster.client, web.namespace, is_replaced)
    assert kept["metadata"]["name"] in {pod["metadata"]["name"] for pod in pods}


async def test_a_deleted_deployment_takes_everything_with_it(cluster: Cluster) -> None:
    web = await made(cluster, deployment(), replicas=4)
    await cluster.client.delete(DEPLOYMENTS, "web", web.namespace)
    await until_pods(cluster.client, web.namespace, lambda pods: not pods)
    await until(cluster.client, REPLICA_SETS, web.namespace, lambda items: not items)


async def test_a_template_that_makes_no_valid_pods_is_reported(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    item = deployment(replicas=1)
    item["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    item["spec"]["template"]["metadata"]["finalizers"] = ["not a finalizer"]
    await cluster.client.create(DEPLOYMENTS, item, namespace)
    await until_deployment(
        cluster.client,
        namespace,
        lambda found: reason(found, "ReplicaFailure") == ("True", "FailedCreate"),
    )


async def test_endpoints_follow_readiness(cluster: Cluster) -> None:
    web = await made(cluster, deployment(replicas=2), replicas=2)
    await cluster.client.create(SERVICES, SERVICE, web.namespace)

    def ready(count: int) -> object:
        def check(items: list[Manifest]) -> bool:
            return sum(each["conditions"]["ready"] for each in items) == count

        return check

    items = await until_endpoints(cluster.client, web.namespace, ready(2))
    pods = (await cluster.client.list(PODS, web.namespace))["items"]
    addresses = {each["addresses"][0] for each in items}
    assert addresses == {pod["status"]["podIP"] for pod in pods}
    cluster.kubelet.fail("app=web", Fault.UNREADY)
    items = await until_endpoints(cluster.client, web.namespace, ready(0))
    assert len(items) == 2
    cluster.kubelet.heal()
    await until_endpoints(cluster.client, web.namespace, ready(2))
    await web.set(replicas=0)
    await until_endpoints(cluster.client, web.namespace, lambda items: not items)
