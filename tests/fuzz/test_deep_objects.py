"""An object of a thousand levels, which the API server takes, does not end the operator."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from canary_operator.playground.local import ROLLOUTS
from tests.crd.specs import SMALLEST, edited
from tests.fuzz.planes import rollout
from tests.support.bed import Bed, Release, condition
from tests.support.clusters import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("fuzz"),
    pytest.mark.timeout(300),
]

LEVELS = 1200
"""More than `json` reads with Python's usual limit of a thousand."""


@pytest.fixture(autouse=True)
def _a_server_like_the_real_one(bed: Bed) -> Iterator[None]:
    """Let the embedded API, in this process, take what the real one takes; and the test read it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100 * LEVELS)
    yield
    sys.setrecursionlimit(before)


def in_lists(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def in_objects(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


async def follows(release: Release, replicas: int) -> None:
    """Check that the operator does what this rollout asks for."""
    await release.apply(replicas=replicas)

    async def scaled() -> bool:
        stable = await release.deployment("stable")
        return bool(stable["spec"]["replicas"] == replicas)

    await eventually(scaled)


@pytest.mark.parametrize("nested", [in_lists, in_objects])
async def test_a_rollout_without_bottom_is_refused_and_harms_nobody(
    bed: Bed, nested: Callable[[int], Any]
) -> None:
    neighbour, namespace = await bed.release(), await bed.cluster.namespace()
    spec = edited(SMALLEST, {"template.spec.x": nested(LEVELS)})
    await bed.client.create(ROLLOUTS, rollout(spec, "deep"), namespace)

    async def refused() -> bool:
        found = await bed.client.get(ROLLOUTS, "deep", namespace)
        ready = condition(found.get("status") or {}, "Ready")
        return ready["reason"] == "InvalidSpec" and "nested deeper than 64" in ready["message"]

    await eventually(refused)
    await follows(neighbour, 3)
    await bed.operator.kill()
    await bed.operator.start()
    await follows(neighbour, 1)
    await bed.client.delete(ROLLOUTS, "deep", namespace)
