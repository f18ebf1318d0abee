"""A Deployment with its Service that run already are adopted, released from, and given back."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import (
    APPLY,
    DEPLOYMENTS,
    MERGE,
    SERVICES,
    Manifest,
    NotFoundError,
)
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, condition, quick_spec, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADOPT = "canary-operator.dev/adopt"
ROLLOUT = "canary-operator.dev/rollout"
BEFORE = "canary-operator.dev/replicas-before"
OURS = {ROLLOUT: "web", "canary-operator.dev/track": "stable"}


class Shop:
    """A namespace where somebody runs a Deployment behind a Service."""

    def __init__(self, bed: Bed, namespace: str) -> None:
        self.bed = bed
        self.namespace = namespace

    async def apply_deployment(self, version: str = "v1", replicas: int | None = 3) -> None:
        """Apply the Deployment as `kubectl apply --server-side` does."""
        counted = {} if replicas is None else {"replicas": replicas}
        selector = {"matchLabels": {"app": "web"}}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": self.namespace},
            "spec": {**counted, "selector": selector, "template": template(version)},
        }
        await self.bed.client.patch(
            DEPLOYMENTS,
            "web",
            body,
            self.namespace,
            ctype=APPLY,
            fieldManager="gitops",
            force="true",
        )

    async def apply_service(self, *, given: bool = True, **port: Any) -> None:
        """Apply the Service, which its owner may give to the rollout."""
        entry = {"name": "http", "port": 80, "targetPort": "http", **port}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "web",
                "namespace": self.namespace,
                "annotations": {ADOPT: "web"} if given else {},
            },
            "spec": {"selector": {"app": "web"}, "ports": [entry]},
        }
        await self.bed.client.patch(
            SERVICES, "web", body, self.namespace, ctype=APPLY, fieldManager="gitops", force="true"
        )

    async def adopt(self, *, wait: bool = True, **changes: Any) -> Release:
        """Apply a CanaryRollout that takes its pods from the Deployment."""
        release = await self.rollout("web", **changes)
        if wait:
            await self.until_deployment(lambda found: found["spec"]["replicas"] == 0)
        return release

    async def rollout(self, name: str, **changes: Any) -> Release:
        """Apply a CanaryRollout of that name that takes its pods from the Deployment."""
        traffic = self.bed.telemetry.traffic(
            self.namespace, name, weight=self.bed.weights.of(self.namespace, name)
        )
        spec = adopting_spec(workloadRef={"name": "web"}, **changes)
        release = Release(self.bed, self.namespace, name, spec, traffic)
        await release.apply()
        return release

    async def deployment(self) -> Manifest:
        """Return the Deployment."""
        found: Manifest = await self.bed.client.get(DEPLOYMENTS, "web", self.namespace)
        return found

    async def service(self) -> Manifest:
        """Return the Service."""
        found: Manifest = await self.bed.client.get(SERVICES, "web", self.namespace)
        return found

    async def until_deployment(self, met: Callable[[Manifest], Any]) -> Manifest:
        """Wait until the Deployment meets a condition, and return it."""

        async def look() -> Manifest | None:
            found = await self.deployment()
            return found if met(found) else None

        return await eventually(look)

    async def until_gone(self) -> None:
        """Wait until there is no CanaryRollout any more."""

        async def gone() -> bool:
            try:
                await self.bed.client.get(ROLLOUTS, "web", self.namespace)
            except NotFoundError:
                return True
            return False

        await eventually(gone)


def adopting_spec(**changes: Any) -> dict[str, Any]:
    """Return what a user writes."""
    spec = quick_spec(**changes)
    return {field: value for field, value in spec.items() if field not in {"template", "replicas"}}


@pytest_asyncio.fixture(loop_scope="session")
async def shop(bed: Bed) -> Shop:
    shop = Shop(bed, await bed.cluster.namespace())
    await shop.apply_deployment()
    await shop.apply_service()
    return shop


async def test_what_runs_is_adopted_and_given_back(shop: Shop) -> None:
    before = await shop.service()
    release = await shop.adopt()
    status = await release.until(lambda status: (status.get("workload") or {}).get("scaledDownAt"))
    assert status["phase"] == "Stable"
    assert status["workload"]["replicas"] == 3
    assert (await release.deployment("stable"))["spec"]["replicas"] == 3
    found = await shop.deployment()
    assert found["metadata"]["annotations"][BEFORE] == "3"
    taken = await shop.service()
    assert taken["spec"]["selector"] == {"app": "web", **OURS}
    assert taken["spec"]["ports"] == before["spec"]["ports"]
    assert "ownerReferences" not in taken["metadata"]

    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.deployment()
    assert found["spec"]["replicas"] == 3
    assert found["status"]["availableReplicas"] == 3
    assert BEFORE not in found["metadata"].get("annotations", {})
    assert ROLLOUT not in found["metadata"].get("labels", {})
    given_back = await shop.service()
    assert given_back["spec"] == before["spec"]
    assert given_back["metadata"]["annotations"] == {ADOPT: "web"}
    assert ROLLOUT not in given_back["metadata"].get("labels", {})
    with pytest.raises(NotFoundError):
        await shop.bed.client.get(VIRTUAL_SERVICES, "web", shop.namespace)


async def test_a_change_of_the_deployment_is_released_step_by_step(shop: Shop) -> None:
    release = await shop.adopt()
    await shop.apply_deployment("v2", replicas=None)
    await release.until_weight(20)
    assert await release.image("canary") == "app:v2"
    assert await release.image("stable") == "app:v1"
    await release.until(lambda status: len(status.get("history", ())) == 1)
    status = await release.until_phase("Stable")
    assert status["history"][0]["outcome"] == "Promoted"
    assert await release.image("stable") == "app:v2"
    assert (await shop.deployment())["spec"]["replicas"] == 0


async def test_pods_that_a_tool_brings_back_are_scaled_down_but_not_for_ever(shop: Shop) -> None:
    release = await shop.adopt()
    again = {"spec": {"replicas": 3}}
    for _ in range(2):
        await shop.bed.client.patch(DEPLOYMENTS, "web", again, shop.namespace, ctype=MERGE)
        await shop.until_deployment(lambda found: found["spec"]["replicas"] == 0)
    await shop.bed.client.patch(DEPLOYMENTS, "web", again, shop.namespace, ctype=MERGE)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "DriftConflict"
    )
    assert "Deployment web" in status["message"]
    assert (await release.deployment("stable"))["status"]["availableReplicas"] == 3


async def test_a_service_that_nobody_gave_is_not_touched_and_the_message_says_how_to(
    shop: Shop,
) -> None:
    await shop.bed.client.delete(SERVICES, "web", shop.namespace)
    await shop.apply_service(given=False)
    before = await shop.service()
    release = await shop.adopt(wait=False)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert f"kubectl annotate service/web {ADOPT}=web" in status["message"]
    assert await shop.service() == before
    assert (await shop.deployment())["spec"]["replicas"] == 3
    await shop.apply_service()
    await shop.until_deployment(lambda found: found["spec"]["replicas"] == 0)


async def test_a_service_that_does_not_fit_is_not_touched(shop: Shop) -> None:
    await shop.apply_service(targetPort=9999)
    release = await shop.adopt(wait=False)
    status = await release.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert "its port 80 leads to 9999, and spec.service says http" in status["message"]
    assert (await shop.service())["spec"]["selector"] == {"app": "web"}
    assert (await shop.deployment())["spec"]["replicas"] == 3


async def test_a_second_rollout_of_the_same_deployment_is_refused(shop: Shop) -> None:
    await shop.adopt()
    second = await shop.rollout("other")
    status = await second.until(
        lambda status: condition(status, "Ready")["reason"] == "NameConflict"
    )
    assert "CanaryRollout web takes its pods from that Deployment already" in status["message"]
    with pytest.raises(NotFoundError):
        await second.deployment("stable")


async def test_a_label_that_somebody_removes_is_put_back(shop: Shop) -> None:
    release = await shop.adopt()
    patch = {"metadata": {"labels": {ROLLOUT: None}}}
    await shop.bed.client.patch(DEPLOYMENTS, "web", patch, shop.namespace, ctype=MERGE)
    await shop.until_deployment(lambda found: ROLLOUT in found["metadata"].get("labels", {}))
    await shop.apply_deployment("v2", replicas=None)
    await release.until_weight(20)


async def test_without_a_mesh_the_service_is_adopted_and_given_back(shop: Shop) -> None:
    metric = {"name": "errors", "query": {"promql": "vector(0)", "max": 0.5}}
    spec = deepcopy(quick_spec())
    release = await shop.adopt(
        traffic={"replicas": {}},
        strategy={**spec["strategy"], "steps": [{"weight": 25, "hold": "1s"}]},
        analysis={"interval": "5s", "window": "5s", "metrics": [metric]},
    )
    assert (await shop.service())["spec"]["selector"] == {"app": "web", **OURS}
    await shop.apply_deployment("v2", replicas=None)
    await release.until(lambda status: status.get("weight") == 25)
    assert (await shop.service())["spec"]["selector"] == {"app": "web", ROLLOUT: "web"}
    await shop.bed.client.delete(ROLLOUTS, "web", shop.namespace)
    await shop.until_gone()
    found = await shop.service()
    assert found["spec"]["selector"] == {"app": "web"}
    assert found["metadata"]["annotations"] == {ADOPT: "web"}
    assert (await shop.deployment())["spec"]["replicas"] == 3
