"""A restart mistakes nothing that it has not seen yet for something that is not there."""

import pytest

from canary_operator.playground.api import Fault
from tests.support.bed import Bed, quick_spec, template
from tests.support.clusters import EmbeddedCluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW_SECONDS = 1.5


@pytest.mark.parametrize(
    "resource", ["deployments", "virtualservices", "controllerrevisions", "services", "pods"]
)
async def test_a_slow_first_list_takes_no_traffic_away(bed: Bed, resource: str) -> None:
    if not isinstance(bed.cluster, EmbeddedCluster):
        pytest.skip("a real API server cannot be slowed down")
    steps = [{"weight": 20, "hold": "10m"}]
    release = await bed.release(strategy={**quick_spec()["strategy"], "steps": steps})
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await bed.operator.kill()
    faults = bed.cluster.api.faults
    fault = faults.add(Fault(verb="list", resource=resource, delay=SLOW_SECONDS, times=1))
    written = len(bed.cluster.requests().matching(namespace=release.namespace, verb="patch"))
    await bed.operator.start()
    await release.ask("pause")
    await release.until_phase("Paused")
    assert faults.hits(fault) == 1
    assert {status.get("weight") for status in release.seen} <= {None, 0, 20}
    assert release.seen[-1]["weight"] == 20
    after = bed.cluster.requests().matching(namespace=release.namespace, verb="patch")[written:]
    assert {request.resource for request in after} == {"canaryrollouts"}, "nothing was repaired"
