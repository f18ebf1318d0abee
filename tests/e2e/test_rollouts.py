"""What a user lives through, with the real operator process."""

import asyncio
from typing import Any

import pytest

from canary_operator.playground.client import MERGE, ApiStatusError, NotFoundError, Resource
from canary_operator.playground.controllers import Fault
from tests.support.bed import VIRTUAL_SERVICES, Bed, condition, quick_spec, stays, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SERVICES = Resource("services")


async def test_a_healthy_version_is_promoted(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    status = await release.until(lambda s: (s.get("history") or [{}])[0].get("outcome"))
    assert status["history"][0]["outcome"] == "Promoted"
    assert {s.get("weight") for s in release.seen} >= {0, 20, 50}
    assert await release.image("stable") == "app:v2"
    await release.until(lambda s: s["phase"] == "Stable" and s["replicas"] == 2)
    assert (await release.deployment("canary"))["spec"]["replicas"] == 0
    for reason in ("RolloutStarted", "WeightChanged", "Promoting", "Promoted"):
        await release.until_event(reason)


async def test_a_version_with_errors_is_rolled_back(bed: Bed) -> None:
    release = await bed.release()
    release.traffic.canary.error_rate = 0.2
    await release.apply(template=template("v2"))
    status = await release.until_phase("RolledBack")
    assert await release.route_weight() == 0
    assert await release.image("stable") == "app:v1"
    assert status["history"][0]["reason"] == "AnalysisFailed"
    assert status["rejectedRevision"] == status["history"][0]["revision"]
    assert condition(status, "Stalled")["status"] == "True"
    assert "failed" in status["message"]
    await release.until_event("CheckFailed")
    await release.until_event("RolledBack")


async def test_a_version_that_refuses_connections_is_rolled_back(bed: Bed) -> None:
    release = await bed.release()
    release.traffic.canary.refused_rate = 1.0
    await release.apply(template=template("v2"))
    status = await release.until_phase("RolledBack")
    assert status["history"][0]["reason"] == "AnalysisFailed"


async def test_no_traffic_holds_and_is_no_pass(bed: Bed) -> None:
    release = await bed.release(rps=0)
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: s.get("metrics"))
    assert status["metrics"][0]["verdict"] == "Inconclusive"
    assert (status["weight"], status["phase"]) == (20, "Progressing")
    release.traffic.requests_per_second = 60.0
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))


async def test_an_unreachable_prometheus_holds_and_recovers(bed: Bed) -> None:
    release = await bed.release()
    await bed.operator.stop()
    port = bed.prometheus.port
    command = bed.operator._command
    away = [part.replace(f":{port}", ":9") for part in command]
    bed.operator._command = away
    await bed.operator.start()
    try:
        await release.apply(template=template("v2"))
        status = await release.until(lambda s: s.get("metrics"))
        assert status["metrics"][0]["verdict"] == "Inconclusive"
        assert status["weight"] == 20
    finally:
        await bed.operator.stop()
        bed.operator._command = command
        await bed.operator.start()
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))


async def test_a_crash_looping_version_gets_no_traffic(bed: Bed) -> None:
    strategy = {**quick_spec()["strategy"], "progressDeadline": "6s"}
    release = await bed.release(strategy=strategy)
    await release.apply(template=template("crash"))
    status = await release.until_phase("RolledBack")
    assert {s.get("weight") for s in release.seen} <= {None, 0}
    assert status["history"][0]["reason"] == "ProgressDeadlineExceeded"
    assert "CrashLoopBackOff" in status["message"]


async def test_pods_that_die_take_the_traffic_with_them(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    selector = f"canary-operator.dev/rollout={release.name},canary-operator.dev/track=canary"
    bed.cluster.kubelet.fail(selector, Fault.UNREADY)
    try:
        await release.until_weight(0)
        await release.until_event("CanaryUnavailable")
    finally:
        bed.cluster.kubelet.heal(selector)
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))


async def test_a_newer_version_starts_over(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await release.apply(template=template("v3"))
    await release.until_weight(0)
    status = await release.until(lambda s: len(s.get("history", [])) == 2)
    assert [h["outcome"] for h in status["history"]] == ["Promoted", "Superseded"]
    assert await release.image("stable") == "app:v3"


async def test_a_git_revert_ends_the_rollout_at_once(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await release.apply(template=template("v1"))
    status = await release.until_phase("Stable")
    assert await release.route_weight() == 0
    assert status["history"][0]["outcome"] == "Reverted"
    assert "rejectedRevision" not in status


async def test_weights_edited_by_hand_are_restored(bed: Bed) -> None:
    steps = [{"weight": 20, "hold": "10m"}]
    release = await bed.release(strategy={**quick_spec()["strategy"], "steps": steps})
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    route = await bed.client.get(VIRTUAL_SERVICES, release.name, release.namespace)
    for part, weight in zip(route["spec"]["http"][0]["route"], (10, 90), strict=True):
        part["weight"] = weight
    body = {"spec": {"http": route["spec"]["http"]}}
    name, namespace = release.name, release.namespace
    await bed.client.patch(VIRTUAL_SERVICES, name, body, namespace, ctype=MERGE)

    async def restored() -> bool:
        return await release.route_weight() == 20

    await eventually(restored, 2.0)


async def test_pause_resume_abort_retry(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    status = await release.until_weight(20)
    await release.ask("pause/0000000000")
    refused = await release.until_request_answered("Refused")
    assert "0000000000" in refused["lastRequest"]["message"]
    await release.ask(f"pause/{status['canaryRevision']}/1")
    await release.until_request_answered("Accepted")
    status = await release.until_phase("Paused")
    assert condition(status, "Paused")["reason"] == "PausedByRequest"
    await release.ask("resume")
    await release.until_phase("Progressing")
    await release.ask("abort")
    status = await release.until_phase("RolledBack")
    assert status["history"][0]["reason"] == "Aborted"
    await release.ask("retry")
    status = await release.until(lambda s: s["phase"] == "Stable" and len(s["history"]) == 2)
    assert status["history"][0]["outcome"] == "Promoted"


async def test_promote_skips_what_is_left(bed: Bed) -> None:
    steps = [{"weight": 10, "hold": "10m"}, {"weight": 50, "hold": "10m"}]
    release = await bed.release(strategy={**quick_spec()["strategy"], "steps": steps})
    await release.apply(template=template("v2"))
    await release.until_weight(10)
    await release.ask("promote")
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert status["history"][0] | {"outcome": "Promoted", "maxWeight": 10} == status["history"][0]


APPROVAL = {"steps": [{"weight": 20, "hold": "1s", "approval": True}, {"weight": 50, "hold": "1s"}]}


async def test_an_approval_step_waits_for_a_person(bed: Bed) -> None:
    release = await bed.release(strategy={**quick_spec()["strategy"], **APPROVAL})
    await release.apply(template=template("v2"))
    status = await release.until_phase("Paused")
    assert condition(status, "Paused")["reason"] == "ApprovalRequired"
    assert "resume" in status["message"]
    await release.until_event("ApprovalRequired")
    await release.ask("resume")
    await release.until_weight(50)


async def test_a_failure_while_an_approval_is_awaited_rolls_back(bed: Bed) -> None:
    release = await bed.release(strategy={**quick_spec()["strategy"], **APPROVAL})
    await release.apply(template=template("v2"))
    await release.until_phase("Paused")
    release.traffic.canary.error_rate = 1.0
    await release.until_phase("RolledBack")
    assert await release.route_weight() == 0


async def test_a_failure_while_promoting_sets_stable_back(bed: Bed) -> None:
    strategy = {**quick_spec()["strategy"], "progressDeadline": "6s"}
    release = await bed.release(strategy=strategy)
    # The canary's pods are fine; stable's never become ready with the new template.
    labels = {"app": "web", "slow": "yes"}
    changed = template("v2") | {"metadata": {"labels": labels}}
    selector = "slow=yes,canary-operator.dev/track=stable"
    bed.cluster.kubelet.fail(selector, Fault.UNREADY)
    try:
        await release.apply(template=changed)
        await release.until_phase("Promoting")
        status = await release.until_phase("RolledBack")
    finally:
        bed.cluster.kubelet.heal(selector)
    assert await release.image("stable") == "app:v1"
    assert await release.route_weight() == 0
    assert status["history"][0]["reason"] == "ProgressDeadlineExceeded"
    deployment = await release.deployment("stable")
    assert deployment["status"]["availableReplicas"] == 2


async def test_an_invalid_spec_changes_nothing_that_runs(bed: Bed) -> None:
    release = await bed.release()
    steps = [{"weight": 50}, {"weight": 20}]
    with pytest.raises(ApiStatusError) as refused:
        await release.apply(strategy={"steps": steps})
    assert refused.value.code == 422
    # A port that changes with the template is nothing that a schema can see.
    spec = quick_spec("v2", service={"port": 80, "targetPort": 9090})
    release.spec = spec
    await release.apply()
    status = await release.until(lambda s: condition(s, "Stalled")["status"] == "True")
    assert condition(status, "Stalled")["reason"] == "InvalidSpec"
    assert "targetPort" in status["message"]
    assert status["phase"] == "Stable"
    assert await release.image("stable") == "app:v1"
    await release.until_event("InvalidSpec")
    await release.apply(**quick_spec("v1"))
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")


async def test_an_invalid_template_changes_nothing_that_runs(bed: Bed) -> None:
    release = await bed.release()
    mounts = [{"name": "nowhere", "mountPath": "/x"}]
    await release.apply(template=template("v2", volumeMounts=mounts))
    status = await release.until(lambda s: condition(s, "Stalled")["status"] == "True")
    assert condition(status, "Stalled")["reason"] == "InvalidTemplate"
    assert "nowhere" in status["message"]
    assert status["phase"] == "Stable"
    assert await release.image("stable") == "app:v1"
    assert (await release.deployment("canary"))["spec"]["replicas"] == 0


async def test_a_foreign_object_of_our_name_is_not_touched(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    foreign = {
        "metadata": {"name": "web"},
        "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}},
    }
    await bed.client.create(SERVICES, foreign, namespace)
    release = await bed.release(wait=False)
    release.namespace = namespace
    await release.apply()
    status = await release.until(lambda s: condition(s, "Ready")["reason"] == "NameConflict")
    assert "Service" in status["message"]
    assert "web" in status["message"]
    kept = await bed.client.get(SERVICES, "web", namespace)
    assert kept["spec"]["selector"] == {"a": "b"}
    await bed.client.delete(SERVICES, "web", namespace)
    await release.until(lambda s: condition(s, "Ready")["status"] == "True")


@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_a_restarted_operator_goes_on_where_it_was(bed: Bed, way: str) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    before = await release.until_weight(20)
    await getattr(bed.operator, way)()
    release.seen.clear()
    await bed.operator.start()
    status = await release.until_weight(50)
    assert status["canaryRevision"] == before["canaryRevision"]
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    on_trial = [s["weight"] for s in release.seen if s.get("canaryRevision")]
    assert on_trial == sorted(on_trial), "no share was taken back and none given twice"
    assert on_trial[0] == 20


async def test_a_deleted_stable_deployment_comes_back(bed: Bed) -> None:
    release = await bed.release()
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    deployments = Resource("deployments", "apps")
    await bed.client.delete(deployments, "web-stable", release.namespace)

    async def back() -> bool:
        try:
            found = await release.deployment("stable")
        except NotFoundError:
            return False
        return bool(found.get("status", {}).get("availableReplicas") == 2)

    await eventually(back)
    assert (await release.image("stable")) in {"app:v1", "app:v2"}
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))


async def test_applying_again_changes_nothing(bed: Bed) -> None:
    release = await bed.release()
    before = await release.get()
    for _ in range(3):
        await release.apply()
    whole = await release.get()
    await bed.client.request(
        "PUT",
        f"/apis/canary-operator.dev/v1alpha1/namespaces/{release.namespace}/canaryrollouts/web",
        {**release.manifest(), "metadata": whole["metadata"] | {"managedFields": []}},
    )

    async def same() -> bool:
        status = await release.status()
        return bool(status["phase"] == "Stable" and status == before["status"])

    await stays(same, 1.0)


async def test_children_go_with_the_rollout(bed: Bed) -> None:
    release = await bed.release()
    if not getattr(bed.cluster, "collects_garbage", True):
        pytest.skip("no controller-manager: nothing collects garbage on this control plane")
    rollouts = Resource("canaryrollouts", "canary-operator.dev", "v1alpha1")
    await bed.client.delete(rollouts, "web", release.namespace)

    async def gone() -> bool:
        left: list[Any] = []
        for resource in (Resource("deployments", "apps"), SERVICES, VIRTUAL_SERVICES):
            left += (await bed.client.list(resource, release.namespace))["items"]
        return not left

    await eventually(gone)
    await asyncio.sleep(0)
