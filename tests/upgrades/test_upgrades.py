"""Another version of the operator or of the CRD never starts, restarts or alters a rollout.

The newer version is this one with one more optional field: in the models, in a subprocess, and in
the CRD. The same objects meet both, in every phase.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from canary_operator.playground.operator_process import OperatorProcess
from tests.support.bed import Bed, Release, bed_around, condition, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS
from tests.upgrades.newer import FIELD, NewerOperator, newer_definition, present_definition, serve
from tests.upgrades.stages import (
    ANALYSIS,
    STRATEGY,
    Sight,
    check_untouched,
    check_writes,
    every_phase,
    look,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("upgrades"),
    pytest.mark.timeout(300),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    """A cluster of its own: the tests change its CRD."""
    folder = tmp_path_factory.mktemp("upgrades")
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder) as bed,
    ):
        yield bed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def releases(bed: Bed) -> AsyncIterator[dict[str, Release]]:
    """One rollout in every phase, begun by the present version."""
    async with every_phase(bed) as releases:
        yield releases


@pytest_asyncio.fixture(loop_scope="module")
async def present(bed: Bed, releases: dict[str, Release]) -> AsyncIterator[None]:
    """Go back to the present version of everything after a test; every refusal heals."""
    yield
    await serve(bed, present_definition(), releases["Stable"])
    await change_to(bed, OperatorProcess)
    for release in releases.values():
        await release.until(lambda status: condition(status, "Stalled")["reason"] != REFUSED)


ENDS = ("Ready", "Stalled")
REFUSED = "InvalidSpec"


async def change_to(bed: Bed, version: type[OperatorProcess], *, kill: bool = False) -> None:
    """Replace the operator, and wait until the new one has looked at every rollout.

    Those that were there are looked at as soon as all caches are filled; one that comes later
    needs several looks more until it is served, or refused.
    """
    before = bed.operator
    await (before.kill() if kill else before.stop())
    bed.cluster.forget_requests()
    bed.operator = version(bed.cluster.kubeconfig, bed.prometheus.url, before.log)
    await bed.operator.start()
    late = await bed.release(analysis=ANALYSIS, strategy=STRATEGY, wait=False)
    await late.until(
        lambda status: any(condition(status, kind)["status"] == "True" for kind in ENDS)
    )


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "told to end"])
async def test_a_restart_alters_no_rollout(
    bed: Bed, releases: dict[str, Release], kill: bool
) -> None:
    before = await look(releases)
    await change_to(bed, OperatorProcess, kill=kill)
    await check_untouched(releases, before)


@pytest.mark.usefixtures("present")
async def test_a_new_optional_field_alters_no_rollout_on_upgrade_and_downgrade(
    bed: Bed, releases: dict[str, Release]
) -> None:
    before = await look(releases)
    await serve(bed, newer_definition(server_fills_in=False), releases["Stable"])
    await change_to(bed, NewerOperator)
    await check_untouched(releases, before)
    await change_to(bed, OperatorProcess)
    await check_untouched(releases, before)


@pytest.mark.usefixtures("present")
async def test_a_default_that_the_api_server_fills_in_alters_no_rollout_on_upgrade(
    bed: Bed, releases: dict[str, Release]
) -> None:
    before = await look(releases)
    await serve(bed, newer_definition(server_fills_in=True), releases["Stable"])
    await change_to(bed, NewerOperator)
    await check_untouched(releases, before)


@pytest.mark.usefixtures("present")
async def test_a_field_that_an_older_operator_does_not_know_is_named_and_nothing_that_runs_changes(
    bed: Bed, releases: dict[str, Release]
) -> None:
    before = await look(releases)
    await serve(bed, newer_definition(server_fills_in=True), releases["Stable"])
    await change_to(bed, OperatorProcess)
    for phase, release in releases.items():
        status = await release.until(lambda s: condition(s, "Stalled")["reason"] == REFUSED)
        assert f"unknown field spec.strategy.{FIELD}" in condition(status, "Stalled")["message"]
        now = await Sight.of(release)
        assert now.kept() == before[phase].kept()
        assert now.records == before[phase].records
        check_writes(release, at_rest=False)
