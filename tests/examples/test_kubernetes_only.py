"""The manifests of `examples/kubernetes-only`, applied in their order where no Istio is."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.acceptance import check_shares, doubts_about
from canary_operator.domain.spec import parse_spec
from canary_operator.domain.split import steps_of
from canary_operator.playground.client import APPLY, PODS
from canary_operator.playground.loadgen import LoadGenerator
from canary_operator.playground.local import ROLLOUTS, LocalCluster
from tests.support.clusters import eventually

pytestmark = [pytest.mark.xdist_group("load"), pytest.mark.timeout(200)]

FOLDER = Path(__file__).parents[2] / "examples" / "kubernetes-only"
MANIFESTS = sorted(FOLDER.glob("[0-9]-*.yaml"))
PATIENCE_SECONDS = 60.0


def manifest(number: int) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MANIFESTS[number - 1].read_text(encoding="utf-8"))
    return loaded


def test_only_the_image_differs() -> None:
    specs = [manifest(number)["spec"] for number in (1, 2, 3)]
    images = [spec["template"]["spec"]["containers"][0].pop("image") for spec in specs]
    assert images == ["helloworld:v1", "helloworld:v2", "helloworld:v3"]
    assert specs[0] == specs[1] == specs[2]


def test_its_steps_are_what_its_pods_can_give() -> None:
    spec = parse_spec(manifest(1)["spec"])
    check_shares(spec)
    assert [step.weight for step in steps_of(spec)] == [25, 50]
    assert not list(doubts_about(spec))


async def test_the_second_is_promoted_and_the_third_rolled_back(tmp_path: Path) -> None:
    async with LocalCluster(tmp_path, "demo", istio=False) as cluster:
        await apply(cluster, 1)
        await until(cluster, lambda status: status.get("phase") == "Stable")
        host = cluster.mesh.host_of("helloworld", "demo")
        async with LoadGenerator(cluster.mesh.url, host=host, rate=60) as load:
            await apply(cluster, 2)
            await until(cluster, lambda status: status.get("weight") == 25)
            assert await labels(cluster) == {
                ("helloworld", "stable"): 3,
                ("helloworld", "canary"): 1,
            }
            status = await until(cluster, lambda status: status.get("history"))
            assert status["history"][0]["outcome"] == "Promoted"
            assert not load.counts.failed
            await apply(cluster, 3)
            status = await until(cluster, lambda status: status.get("rejectedRevision"))
            assert status["history"][0]["reason"] == "AnalysisFailed"
            assert status["history"][0]["maxWeight"] == 25
            assert set(load.counts.failed_by_version) == {"v3"}


async def apply(cluster: LocalCluster, number: int) -> None:
    """Apply a manifest without its waiting, and with nothing else changed."""
    body = deepcopy(manifest(number))
    for step in body["spec"]["strategy"]["steps"]:
        step["hold"] = "2s"
    body["spec"]["strategy"]["scaleDownDelay"] = "2s"
    body["spec"]["analysis"] |= {"interval": "5s", "window": "4s"}
    await cluster.client.patch(
        ROLLOUTS, "helloworld", body, "demo", ctype=APPLY, fieldManager="kubectl"
    )


async def until(cluster: LocalCluster, met: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await cluster.client.get(ROLLOUTS, "helloworld", "demo")
        status: dict[str, Any] = found.get("status") or {}
        return status if met(status) else None

    return await eventually(look, PATIENCE_SECONDS)


async def labels(cluster: LocalCluster) -> dict[tuple[str, str], int]:
    """Return how many pods there are of each pair of the labels `app` and `track`."""
    counts: dict[tuple[str, str], int] = {}
    for pod in (await cluster.client.list(PODS, "demo"))["items"]:
        chosen = pod["metadata"]["labels"]
        pair = chosen["app"], chosen["track"]
        counts[pair] = counts.get(pair, 0) + 1
    return counts
