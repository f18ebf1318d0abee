"""The node: what becomes of pods, on the embedded API and on a real one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from canary_operator.playground.client import PODS, Client, Manifest
from canary_operator.playground.controllers import (
    PORT_ANNOTATION,
    Backoff,
    Fault,
    InstantRuntime,
    PodRuntime,
    ProcessRuntime,
    addresses,
)
from canary_operator.playground.controllers.instant import READY_AFTER_ANNOTATION
from tests.playground.controllers.stories import (
    container,
    is_ready,
    until_pods,
    waiting_reason,
)
from tests.support.clusters import Cluster

QUICK = Backoff(first_seconds=0.05, longest_seconds=0.2)


def pod(image: str = "helloworld:v1", **changes: Any) -> Manifest:
    spec = {"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1}
    return {
        "metadata": {"name": "web", "labels": {"app": "web"}, **changes.pop("metadata", {})},
        "spec": {"containers": [{**spec, "readinessProbe": probe, **changes}]},
    }


async def until_pod(client: Client, namespace: str, holds: Any) -> Manifest:
    [found] = await until_pods(client, namespace, lambda pods: pods and all(map(holds, pods)))
    return found


class TestPodsThatPretend:
    @pytest.fixture
    def pod_runtime(self) -> PodRuntime:
        return InstantRuntime(backoff=QUICK)

    async def test_a_pod_is_bound_started_and_ready(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(), namespace)
        found = await until_pod(cluster.client, namespace, is_ready)
        status = found["status"]
        assert found["spec"]["nodeName"] == "playground"
        assert status["phase"] == "Running"
        assert status["podIPs"] == [{"ip": status["podIP"]}]
        assert {each["type"]: each["status"] for each in status["conditions"]} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        assert list(container(found)["state"]) == ["running"]

    @pytest.mark.parametrize(
        ("image", "policy", "phase", "reason", "exit_code"),
        [
            ("app:v1", "Never", "Succeeded", "PodCompleted", 0),
            ("app:v1", "OnFailure", "Succeeded", "PodCompleted", 0),
            ("app:broken", "Never", "Failed", "PodFailed", 1),
        ],
    )
    async def test_a_pod_that_is_not_restarted_ends(  # noqa: PLR0913, PLR0917 - a table
        self, cluster: Cluster, image: str, policy: str, phase: str, reason: str, exit_code: int
    ) -> None:
        namespace = await cluster.namespace()
        body = pod(image)
        body["spec"]["restartPolicy"] = policy
        await cluster.client.create(PODS, body, namespace)
        found = await until_pod(
            cluster.client, namespace, lambda each: each["status"]["phase"] == phase
        )
        conditions = {each["type"]: each for each in found["status"]["conditions"]}
        assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("False", reason)
        assert container(found)["state"]["terminated"]["exitCode"] == exit_code
        assert container(found)["restartCount"] == 0
        await cluster.client.delete(PODS, "web", namespace)
        await until_pods(cluster.client, namespace, lambda pods: not pods)

    @pytest.mark.parametrize("image", ["app:broken", "app:crash-2"])
    async def test_broken_images_crash_loop(self, cluster: Cluster, image: str) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(image), namespace)
        found = await until_pod(
            cluster.client, namespace, lambda each: container(each).get("restartCount", 0) >= 3
        )
        assert found["status"]["phase"] == "Running"
        assert not is_ready(found)
        assert container(found)["lastState"]["terminated"]["exitCode"] == 1
        await until_pod(
            cluster.client, namespace, lambda each: waiting_reason(each) == "CrashLoopBackOff"
        )

    async def test_missing_images_cannot_be_pulled(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod("app:missing"), namespace)
        found = await until_pod(
            cluster.client, namespace, lambda each: waiting_reason(each) == "ImagePullBackOff"
        )
        assert found["status"]["phase"] == "Pending"
        assert container(found)["restartCount"] == 0

    async def test_an_annotation_delays_readiness(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        meta = {"annotations": {READY_AFTER_ANNOTATION: "never"}}
        await cluster.client.create(PODS, pod(metadata=meta), namespace)
        found = await until_pod(
            cluster.client, namespace, lambda each: "running" in container(each).get("state", {})
        )
        assert not is_ready(found)

    async def test_tests_let_pods_fail_and_heal(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(), namespace)
        await until_pod(cluster.client, namespace, is_ready)
        cluster.kubelet.fail("app=web", Fault.UNREADY)
        unready = await until_pod(cluster.client, namespace, lambda each: not is_ready(each))
        assert container(unready)["restartCount"] == 0
        cluster.kubelet.fail("app=web", Fault.CRASH)
        await until_pod(
            cluster.client, namespace, lambda each: waiting_reason(each) == "CrashLoopBackOff"
        )
        cluster.kubelet.heal("app=web")
        healed = await until_pod(cluster.client, namespace, is_ready)
        assert container(healed)["restartCount"] >= 1

    async def test_a_fault_waits_for_pods_that_come_later(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        cluster.kubelet.fail("app=web", Fault.CRASH)
        await cluster.client.create(PODS, pod(), namespace)
        await until_pod(
            cluster.client, namespace, lambda each: waiting_reason(each) == "CrashLoopBackOff"
        )

    async def test_a_deleted_pod_goes(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(), namespace)
        await until_pod(cluster.client, namespace, is_ready)
        await cluster.client.delete(PODS, "web", namespace)
        await until_pods(cluster.client, namespace, lambda pods: not pods)


class TestPodsThatRun:
    @pytest.fixture
    def pod_runtime(self) -> PodRuntime:
        return ProcessRuntime(backoff=QUICK)

    @pytest.fixture
    async def http(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession() as session:
            yield session

    async def test_a_pod_serves_on_its_own_address(
        self, cluster: Cluster, http: aiohttp.ClientSession
    ) -> None:
        namespace = await cluster.namespace()
        env = [{"name": "VERSION", "value": "from-the-template"}]
        await cluster.client.create(PODS, pod(env=env), namespace)
        found = await until_pod(cluster.client, namespace, is_ready)
        async with http.get(f"http://{found['status']['podIP']}:8080/") as answer:
            assert answer.headers["x-version"] == "from-the-template"
            assert (await answer.json())["pod"] == "web"

    async def test_pods_that_share_an_address_tell_their_ports(
        self, cluster: Cluster, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(addresses, "ATTEMPTS", 0)
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(), namespace)
        found = await until_pod(cluster.client, namespace, is_ready)
        port = found["metadata"]["annotations"][PORT_ANNOTATION]
        assert found["status"]["podIP"] == addresses.SHARED_IP
        async with http.get(f"http://{addresses.SHARED_IP}:{port}/") as answer:
            assert answer.status == 200

    async def test_an_unhealthy_server_is_not_ready(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        env = [{"name": "UNHEALTHY", "value": "true"}]
        await cluster.client.create(PODS, pod(env=env), namespace)
        running = await until_pod(
            cluster.client, namespace, lambda each: "running" in container(each).get("state", {})
        )
        assert not is_ready(running)

    async def test_a_server_that_exits_is_restarted_later_each_time(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod("helloworld:crash"), namespace)
        found = await until_pod(
            cluster.client, namespace, lambda each: container(each).get("restartCount", 0) >= 2
        )
        assert container(found)["lastState"]["terminated"]["exitCode"] == 1

    async def test_a_killed_server_comes_back(self, cluster: Cluster) -> None:
        namespace = await cluster.namespace()
        await cluster.client.create(PODS, pod(), namespace)
        await until_pod(cluster.client, namespace, is_ready)
        cluster.kubelet.fail("app=web", Fault.CRASH)
        await until_pod(
            cluster.client, namespace, lambda each: waiting_reason(each) == "CrashLoopBackOff"
        )
        cluster.kubelet.heal()
        healed = await until_pod(cluster.client, namespace, is_ready)
        assert container(healed)["restartCount"] >= 1

    async def test_a_request_under_way_survives_the_deletion_of_its_pod(
        self, cluster: Cluster, http: aiohttp.ClientSession
    ) -> None:
        namespace = await cluster.namespace()
        env = [{"name": "LATENCY", "value": "400ms"}]
        await cluster.client.create(PODS, pod(env=env), namespace)
        found = await until_pod(cluster.client, namespace, is_ready)

        async def ask() -> tuple[int, str | None]:
            async with http.get(f"http://{found['status']['podIP']}:8080/") as answer:
                return answer.status, answer.headers.get("connection")

        asking = asyncio.create_task(ask())
        await cluster.client.delete(PODS, "web", namespace)
        assert await asking == (200, "close")
        await until_pods(cluster.client, namespace, lambda pods: not pods)
