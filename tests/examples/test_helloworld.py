"""The manifests of `examples/helloworld`, applied in their order."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.spec import parse_spec
from canary_operator.playground.client import APPLY
from canary_operator.playground.local import ROLLOUTS
from tests.support.bed import Bed, Release, condition

FOLDER = Path(__file__).parents[2] / "examples" / "helloworld"
MANIFESTS = sorted(FOLDER.glob("[0-9]-*.yaml"))


def manifest(number: int) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MANIFESTS[number - 1].read_text(encoding="utf-8"))
    return loaded


def shortened(spec: dict[str, Any]) -> dict[str, Any]:
    """Take the waiting out of a spec, and nothing else."""
    quick = deepcopy(spec)
    for step in quick["strategy"]["steps"]:
        step["hold"] = "1s"
    quick["analysis"] |= {"interval": "5s", "window": "3s"}
    return quick


def test_the_story_has_three_parts() -> None:
    images = [manifest(n)["spec"]["template"]["spec"]["containers"][0]["image"] for n in (1, 2, 3)]
    assert images == ["helloworld:v1", "helloworld:v2", "helloworld:v3"]
    assert [path.stem for path in MANIFESTS] == [
        "1-helloworld-v1",
        "2-helloworld-v2",
        "3-helloworld-v3-faulty",
    ]


def test_only_the_image_differs() -> None:
    specs = [manifest(number)["spec"] for number in (1, 2, 3)]
    for spec in specs:
        spec["template"]["spec"]["containers"][0]["image"] = "the same"
    assert specs[0] == specs[1] == specs[2]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_each_is_accepted_as_it_stands(bed: Bed, number: int) -> None:
    written = manifest(number)
    strategy = parse_spec(written["spec"]).strategy
    assert [step.weight for step in strategy.resolved_steps] == [1, 10, 25, 50]
    namespace = await bed.cluster.namespace()
    written["metadata"]["namespace"] = namespace
    name = written["metadata"]["name"]
    taken = await bed.client.patch(
        ROLLOUTS, name, written, namespace, ctype=APPLY, fieldManager="kubectl"
    )
    assert taken["spec"] == written["spec"]


@pytest.mark.asyncio(loop_scope="session")
async def test_the_second_is_promoted_and_the_third_rolled_back(bed: Bed) -> None:
    release = await started(bed)
    assert await release.image("stable") == "helloworld:v1"

    await release.apply(**shortened(manifest(2)["spec"]))
    status = await release.until(lambda s: (s.get("history") or [{}])[0].get("outcome"))
    assert status["history"][0]["outcome"] == "Promoted"
    assert {s.get("weight") for s in release.seen} >= {0, 1, 10, 25, 50}
    await release.until_phase("Stable")
    assert await release.image("stable") == "helloworld:v2"

    release.traffic.canary.error_rate = 0.08
    await release.apply(**shortened(manifest(3)["spec"]))
    status = await release.until(lambda s: s.get("rejectedRevision"))
    assert status["history"][0]["outcome"] == "RolledBack"
    assert status["history"][0]["reason"] == "AnalysisFailed"
    assert await release.route_weight() == 0
    assert await release.image("stable") == "helloworld:v2"


async def started(bed: Bed) -> Release:
    """Apply the first manifest and wait until it serves; enough requests to judge 1 % of them."""
    spec = shortened(manifest(1)["spec"])
    release = await bed.release("helloworld", wait=False, rps=2000.0, **spec)
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
    return release
