"""An operator in a cluster without Istio's CRDs: ready at once, and complete for who needs none."""

from pathlib import Path

from tests.monitoring.probing import Probed, free_port
from tests.support.bed import bed_around, condition, open_cluster, quick_spec, template
from tests.support.clusters import DEFINITION_FOLDERS

OURS, _ = DEFINITION_FOLDERS
FINE = {"name": "errors", "query": {"promql": "vector(0)", "max": 0}}
SPEC = quick_spec(
    replicas=3,
    traffic={"replicas": {}},
    strategy={
        "steps": [{"weight": 25, "hold": "1s"}, {"weight": 50, "hold": "1s"}],
        "scaleDownDelay": "1s",
    },
    analysis={"interval": "5s", "window": "5s", "metrics": [FINE]},
)


async def test_pods_are_split_and_only_routes_are_missed(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--metrics-address={address}"]
    async with open_cluster(tmp_path, OURS) as cluster, bed_around(cluster, tmp_path, flags) as bed:
        assert (await Probed(bed, address).until_ready())[-1] == (200, "ok\n")
        release = await bed.release(**SPEC)
        await release.apply(template=template("v2"))
        status = await release.until(lambda status: status.get("history"))
        assert status["history"][0]["outcome"] == "Promoted"
        assert {one.get("weight") for one in release.seen} >= {25, 50}
        assert await release.image("stable") == "app:v2"

        routed = await bed.release("routed", wait=False)
        status = await routed.until(
            lambda status: condition(status, "Ready")["reason"] == "RouterUnavailable"
        )
        assert "Istio's VirtualService" in condition(status, "Ready")["message"]
