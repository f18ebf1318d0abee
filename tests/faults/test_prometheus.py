"""A Prometheus in trouble: nobody is promoted or rolled back for that, and people are obeyed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import web

from canary_operator.playground.controllers import Fault
from tests.faults.prometheus_gate import PrometheusGate, Series
from tests.faults.scenes import PATIENT, QUICK, STRATEGY, check_ended, release_both
from tests.support.bed import Bed, bed_around, open_cluster, stays, template
from tests.support.clusters import DEFINITION_FOLDERS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("prometheus")]

EXHAUSTIVE = pytest.mark.exhaustive
HELD_SECONDS = 6.0
AT_ONCE_SECONDS = 3.0
MOST_QUERIES = 30
"""Of three rollouts with a check every 5 s, within a test's fault."""
DYING = "canary-operator.dev/rollout=dying,canary-operator.dev/track=canary"
LOGIN_PAGE = web.Response(text="<html>Log in</html>", content_type="text/html")
AS_TEXT = web.Response(text="up 1\n", content_type="text/plain")


@dataclass(frozen=True)
class Watched:
    """A bed whose Prometheus stands behind a gate."""

    bed: Bed
    gate: PrometheusGate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        PrometheusGate() as gate,
        bed_around(cluster, folder, [f"--prometheus-address={gate.url}"]) as bed,
    ):
        gate.upstream = bed.prometheus.url
        yield Watched(bed, gate)


@pytest_asyncio.fixture(loop_scope="module")
async def watched(shared: Watched) -> AsyncIterator[Watched]:
    yield shared
    await shared.gate.heal()


Trouble = Callable[[PrometheusGate], Awaitable[None]]


async def down(gate: PrometheusGate) -> None:
    await gate.close()


async def slow(gate: PrometheusGate) -> None:
    gate.delay_seconds = 30.0


async def login_page(gate: PrometheusGate) -> None:
    gate.page = LOGIN_PAGE


async def metrics_page(gate: PrometheusGate) -> None:
    gate.page = AS_TEXT


async def behind(gate: PrometheusGate) -> None:
    gate.ahead_seconds = -60.0


async def without_canaries(gate: PrometheusGate) -> None:
    gate.shows = lambda series: not is_about_a_canary(series)


def is_about_a_canary(series: Series) -> bool:
    return any("-canary" in str(value) for value in series.values())


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        pytest.param(down, "cannot be reached", id="down"),
        pytest.param(slow, "did not answer within 5 s", id="30 s late", marks=EXHAUSTIVE),
        pytest.param(
            login_page, "does not speak Prometheus' API", id="a login page", marks=EXHAUSTIVE
        ),
        pytest.param(
            metrics_page, "does not speak Prometheus' API", id="plain text", marks=EXHAUSTIVE
        ),
        pytest.param(
            behind, "0 canary requests", id="a clock that is a minute behind", marks=EXHAUSTIVE
        ),
        pytest.param(without_canaries, "RoutingNotObserved", id="without half of the series"),
    ],
)
async def test_no_evidence_holds_the_weight_and_people_are_obeyed(
    watched: Watched, trouble: Trouble, words: str
) -> None:
    names = ("web", "web", "dying")
    releases = await asyncio.gather(*(watched.bed.release(name, **PATIENT) for name in names))
    good, aborted, dying = releases
    await trouble(watched.gate)
    asked = watched.gate.asked
    await asyncio.gather(*(each.apply(template=template("v2")) for each in releases))
    await asyncio.gather(*(each.until_weight(20) for each in releases))
    status = await good.until(lambda s: s.get("metrics"))
    (metric,) = status["metrics"]
    assert (metric["verdict"], status["weight"]) == ("Inconclusive", 20)
    assert words in f"{metric.get('reason')}: {metric['message']}"
    await good.until_event("CheckInconclusive")

    await aborted.ask("abort")
    await aborted.until_phase("RolledBack", AT_ONCE_SECONDS)
    assert await aborted.route_weight() == 0
    watched.bed.cluster.kubelet.fail(DYING, Fault.UNREADY)
    await dying.until(lambda s: s["weight"] == 0, AT_ONCE_SECONDS)
    await dying.until_weight(0)
    watched.bed.cluster.kubelet.heal(DYING)

    async def held() -> bool:
        return await good.route_weight() == 20

    await stays(held, HELD_SECONDS)
    assert watched.gate.asked - asked < MOST_QUERIES
    await watched.gate.heal()
    status = await good.until(lambda s: s["phase"] == "Stable" and s.get("history"), 90.0)
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted"]


async def callers_only(gate: PrometheusGate) -> None:
    gate.shows = lambda series: "destination_workload" not in series


async def pods_only(gate: PrometheusGate) -> None:
    gate.shows = lambda series: "destination_service" not in series


async def mislabelled(gate: PrometheusGate) -> None:
    gate.content_type = "text/html"


@pytest.mark.parametrize(
    "oddity",
    [
        pytest.param(callers_only, id="no series of pods"),
        pytest.param(pods_only, id="no series of callers", marks=EXHAUSTIVE),
        pytest.param(mislabelled, id="a wrong content type", marks=EXHAUSTIVE),
    ],
)
async def test_what_can_still_be_read_is_enough(watched: Watched, oddity: Trouble) -> None:
    good, bad = await asyncio.gather(*(watched.bed.release(**QUICK) for _ in range(2)))
    bad.traffic.canary.error_rate = 1.0
    await oddity(watched.gate)
    await release_both(good, bad)
    await check_ended(good, bad)


@EXHAUSTIVE
async def test_a_deadline_without_evidence_says_so_and_may_be_retried(watched: Watched) -> None:
    strategy = {**STRATEGY, "progressDeadline": "8s"}
    release = await watched.bed.release(**{**QUICK, "strategy": strategy})
    await down(watched.gate)
    await release.apply(template=template("v2"))
    status = await release.until_phase("RolledBack")
    assert [entry["reason"] for entry in status["history"]] == ["NoData"]
    assert await release.route_weight() == 0
    await watched.gate.heal()
    await release.ask("retry")
    status = await release.until(lambda s: s["phase"] == "Stable" and len(s["history"]) == 2)
    assert status["history"][0]["outcome"] == "Promoted"


@EXHAUSTIVE
@pytest.mark.timeout(300)
async def test_a_clock_that_is_a_minute_ahead_delays_and_deceives_nobody(watched: Watched) -> None:
    good, bad = await asyncio.gather(*(watched.bed.release(**PATIENT) for _ in range(2)))
    bad.traffic.canary.error_rate = 1.0
    watched.gate.ahead_seconds = 60.0
    await release_both(good, bad)
    await asyncio.gather(good.until_weight(20), bad.until_weight(20))
    status = await good.until(lambda s: s.get("metrics"))
    assert [metric["verdict"] for metric in status["metrics"]] == ["Inconclusive"]
    status = await bad.until_phase("RolledBack", 120.0)
    assert [entry["reason"] for entry in status["history"]] == ["AnalysisFailed"]
    assert max(s.get("weight") or 0 for s in bad.seen) == 20
    await watched.gate.heal()
    await good.until(lambda s: s["phase"] == "Stable" and s.get("history"), 90.0)
