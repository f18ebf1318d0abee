"""The operator as the chart renders it: its pods run, under its rights, behind its probes."""

from typing import Any

import aiohttp
import helm_python
import pytest

from canary_operator.playground.client import DEPLOYMENTS, Manifest, Resource
from deploy.rendering import NAME
from tests.install.installation import USER, Installation
from tests.support.bed import template
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("installed"),
    pytest.mark.timeout(240),
]
LEASES = Resource("leases", "coordination.k8s.io")


def approved_steps() -> dict[str, Any]:
    """A strategy that stays at its first weight for as long as an upgrade takes."""
    return {
        "steps": [{"weight": 20, "hold": "1s", "approval": True}, {"weight": 50, "hold": "1s"}],
        "progressDeadline": "30s",
        "scaleDownDelay": "1s",
    }


async def leading(pods: list[Manifest]) -> list[str]:
    """Return the pods that say in their metrics that they lead."""
    leaders = []
    async with aiohttp.ClientSession() as session:
        for pod in pods:
            url = f"http://{pod['status']['podIP']}:8080/metrics"
            async with session.get(url) as answer:
                if "\ncanary_operator_leader 1.0\n" in await answer.text():
                    leaders.append(pod["metadata"]["name"])
    return leaders


async def test_the_pods_run_as_rendered_and_one_leads(installed: Installation) -> None:
    pods = await installed.pods()
    assert len(pods) == 2
    for pod in pods:
        conditions = {each["type"]: each["status"] for each in pod["status"]["conditions"]}
        assert conditions["Ready"] == "True"
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0

    async def led() -> list[str]:  # some seconds after they are ready: nobody has held the Lease
        return await leading(pods)

    [leader] = await eventually(led)
    lease = await installed.cluster.client.get(LEASES, NAME, NAME)
    assert lease["spec"]["holderIdentity"].startswith(f"{leader}_")


async def test_a_good_version_is_promoted(installed: Installation) -> None:
    release = await installed.bed.release("good")
    await release.apply(template=template("v2"))
    status = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert [(each["outcome"], each["maxWeight"]) for each in status["history"]] == [
        ("Promoted", 50)
    ]
    assert await release.image("stable") == "app:v2"
    written = installed.cluster.requests().matching(user=USER, namespace=release.namespace)
    assert written
    assert {each.code for each in written} & {401, 403} == set()


async def test_a_bad_version_is_rolled_back(installed: Installation) -> None:
    release = await installed.bed.release("bad")
    release.traffic.canary.error_rate = 1.0
    await release.apply(template=template("v2"))
    status = await release.until_phase("RolledBack")
    assert [each["outcome"] for each in status["history"]] == ["RolledBack"]
    assert await release.image("stable") == "app:v1"
    assert await release.route_weight() == 0


async def test_helm_test_passes_while_an_operator_answers(installed: Installation) -> None:
    assert (await installed.test())["release"]["status"] == "deployed"


async def test_an_upgrade_amid_a_rollout_changes_nothing_for_it(installed: Installation) -> None:
    release = await installed.bed.release("upgraded", strategy=approved_steps())
    before = {pod["metadata"]["name"] for pod in await installed.pods()}
    async with installed.followed(release) as statuses:
        await release.apply(template=template("v2"))
        under_way = await release.until_weight(20)
        upgraded = await installed.upgrade(log={"level": "debug"})
        assert upgraded["revision"] == 2
        pods = await installed.until_pods(2)
        assert not before & {pod["metadata"]["name"] for pod in pods}, "nobody was replaced"
        await release.until(lambda s: s["phase"] == "Paused")
        await release.ask("resume")  # which the new one answers
        done = await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    [attempt] = done["history"]
    assert (attempt["outcome"], attempt["revision"]) == ("Promoted", under_way["canaryRevision"])
    assert attempt["startedAt"] == under_way["attempt"]["startedAt"]
    attempted = [each for each in statuses if each.get("canaryRevision")]
    assert {each["canaryRevision"] for each in attempted} == {under_way["canaryRevision"]}
    rising = [each["weight"] for each in attempted if each["phase"] in ("Progressing", "Paused")]
    assert rising == sorted(rising)
    assert set(rising) == {0, 20, 50}
    at_twenty = {each["weightAppliedAt"] for each in attempted if each["weight"] == 20}
    assert at_twenty - {None} == {under_way["weightAppliedAt"]}, "the hold began anew"
    assert len(await leading(pods)) == 1


async def test_helm_test_fails_while_no_operator_answers(installed: Installation) -> None:
    client = installed.cluster.client

    async def scale(replicas: int) -> None:
        body = {"spec": {"replicas": replicas}}
        await client.patch(DEPLOYMENTS, NAME, body, NAME, subresource="scale")
        await installed.until_pods(replicas)

    await scale(0)
    with pytest.raises(helm_python.HelmError, match="Failed"):
        await installed.test()
    await scale(2)
    await installed.test()
