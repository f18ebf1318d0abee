"""A leader whose connection freezes in the middle of a write, and what that write does later."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.synthetic import canary_weight
from tests.e2e.test_leadership import NAMESPACE, leads, rights_of_the_second
from tests.faults.scenes import QUICK, STRATEGY, Gated
from tests.support.bed import bed_around, open_cluster, template
from tests.support.clusters import DEFINITION_FOLDERS, eventually
from tests.support.gate import Gate, Write
from tests.support.rights import give_rights

pytestmark = pytest.mark.asyncio(loop_scope="function")

FLAGS = ["--leader-election", f"--leader-election-namespace={NAMESPACE}"]
HELD = {
    **QUICK,
    "strategy": {
        **STRATEGY,
        "steps": [{"weight": 20, "hold": "0s"}, {"weight": 50, "hold": "10m"}],
        "progressDeadline": "10m",
    },
}
MOST_SECONDS = 30.0
RESTORED_SECONDS = 2.0


@pytest_asyncio.fixture(loop_scope="function")
async def two(tmp_path: Path) -> AsyncIterator[tuple[Gated, OperatorProcess]]:
    """The leader stands behind a gate, a second operator does not."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster(tmp_path, *DEFINITION_FOLDERS))
        gate = await stack.enter_async_context(Gate(cluster.access))
        bed = await stack.enter_async_context(bed_around(cluster, tmp_path, FLAGS, gate=gate))

        async def led() -> bool:
            return bool(leads(bed.operator))

        await eventually(led)
        account = await give_rights(cluster, rights_of_the_second())
        kubeconfig = account.access.write_kubeconfig(tmp_path / "second.kubeconfig")
        log = tmp_path / "second.log"
        second = OperatorProcess(kubeconfig, bed.prometheus.url, log, FLAGS)
        await stack.enter_async_context(second)

        async def stands_by() -> bool:
            return "Standing by" in log.read_text()

        await eventually(stands_by)
        yield Gated(bed, gate), second
        assert "Traceback" not in log.read_text()


async def test_a_raise_of_a_lost_leader_that_arrives_late_is_taken_back(
    two: tuple[Gated, OperatorProcess],
) -> None:
    (gated, second), raises = two, list[Write]()
    release = await gated.bed.release(**HELD)

    def is_raise(write: Write) -> bool:
        return write.request.resource == "virtualservices" and canary_weight(write.body) == 50

    async def before(write: Write) -> bool:
        if is_raise(write):
            raises.append(write)
            await gated.gate.until_thawed(write.request)
        return True

    def fits(_: object) -> bool:
        return bool(raises)

    with gated.gate.frozen(fits):
        gated.gate.before = before
        await release.apply(template=template("v2"))
        await release.until(lambda s: s.get("weight") == 50)
        assert await release.route_weight() == 20

        async def led_by_the_second() -> bool:
            return bool(leads(second))

        await eventually(led_by_the_second, MOST_SECONDS)
        await release.until_weight(50)  # recorded by the first, done by the second
        await release.ask("abort")
        await release.until_phase("RolledBack")
        assert await release.route_weight() == 0
        known = len(gated.gate.requests.entries)

    async def arrived() -> bool:
        done = gated.gate.requests.entries[known:]
        return any(each.resource == "virtualservices" and each.code == 200 for each in done)

    await eventually(arrived)

    async def restored() -> bool:
        return await release.route_weight() == 0

    await eventually(restored, RESTORED_SECONDS)
    await release.until_event("DriftRepaired")
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["Aborted"]

    async def noticed() -> bool:
        return "Leadership lost" in gated.bed.operator.log.read_text()

    await eventually(noticed)
    written = {
        each.resource
        for each in gated.gate.requests.entries[known:]
        if each.verb in {"create", "patch"} and each.code < 300
    }
    assert written <= {"virtualservices", "events"}, "nothing but what was under way"
