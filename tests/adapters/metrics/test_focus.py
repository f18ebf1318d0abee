"""What is counted of a focused canary: its group, as callers' proxies and waypoints saw it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
import pytest_asyncio

from canary_operator.domain.counts import Count, Tracks, View
from canary_operator.domain.istio_telemetry import (
    Subject,
    durations_query,
    past_requests_query,
    requests_query,
)
from tests.adapters.metrics.history import (
    History,
    Series,
    bucket,
    callers,
    growing,
    history_of,
    pods,
    requests,
)
from tests.adapters.metrics.past import Values

pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOW = timedelta(seconds=60)
FOCUSED = Subject("demo", "web", focused=True)
PLAIN = Subject("demo", "other")
SIDECARS = Subject("demo", "sidecars", focused=True)
_pods = count()


@dataclass(frozen=True)
class Reported(Series):
    """A series with a reporter and a Service of its own."""

    reporter: str = "source"
    service: str = ""

    def name(self, subject: Subject) -> str:
        host = f"{subject.name}-{self.service}.{subject.namespace}.svc.cluster.local"
        labels: Mapping[str, str] = {
            "pod": str(next(_pods)),
            "reporter": self.reporter,
            "destination_service": host,
            "destination_workload": subject.workload(self.track),
            "destination_workload_namespace": subject.namespace,
            **self.labels,
        }
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        return f"{self.metric}{{{inside}}}"


def seen(reporter: str, service: str, values: Values, code: str = "200") -> Series:
    usual = requests(View.CALLERS, values, code, track="" if service == "canary" else "stable")
    return Reported(
        usual.view, usual.track, usual.values, usual.labels, reporter=reporter, service=service
    )


def everything() -> Iterator[tuple[Subject, Series]]:
    yield FOCUSED, seen("source", "match", growing(8))
    yield FOCUSED, seen("source", "match", growing(1), "500")
    yield FOCUSED, seen("source", "canary", growing(9))
    yield FOCUSED, seen("waypoint", "match", growing(4))
    yield FOCUSED, seen("waypoint", "canary", growing(3), "500")
    yield FOCUSED, seen("source", "stable", growing(1000), "500")  # outside of the group
    # A pod's own proxy names any of the Services that select it, for all of its requests.
    yield FOCUSED, seen("destination", "match", growing(1000), "500")
    yield FOCUSED, seen("destination", "canary", growing(9))
    yield SIDECARS, seen("source", "match", growing(2))
    yield PLAIN, callers(growing(5))
    yield PLAIN, pods(growing(6))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    async with history_of(tmp_path_factory.mktemp("history"), everything()) as made:
        yield made


async def test_only_the_group_counts_and_each_view_on_its_own(history: History) -> None:
    counted = await history.requests([PLAIN, FOCUSED, SIDECARS], history.ends_at)
    assert counted[FOCUSED] == {
        View.CALLERS: Tracks(stable=Count(36, bad=4), canary=Count(36)),
        View.PODS: Tracks(stable=Count(16), canary=Count(12, bad=12)),
    }
    assert counted[SIDECARS] == {
        View.CALLERS: Tracks(stable=Count(8), canary=Count()),
        View.PODS: Tracks(stable=Count(), canary=Count()),
    }
    assert counted[PLAIN] == {
        View.CALLERS: Tracks(Count(), Count(20)),
        View.PODS: Tracks(Count(), Count(24)),
    }


async def test_durations_of_the_group(tmp_path_factory: pytest.TempPathFactory) -> None:
    def timed(reporter: str, service: str, values: Values) -> Series:
        one = bucket(values, "100", track="" if service == "canary" else "stable")
        return Reported(one.view, one.track, one.values, one.labels, one.metric, reporter, service)

    series = [
        (FOCUSED, timed("source", "match", growing(5))),
        (FOCUSED, timed("source", "canary", growing(2))),
        (FOCUSED, timed("source", "stable", growing(1000))),
        (FOCUSED, timed("destination", "match", growing(1000))),
    ]
    async with history_of(tmp_path_factory.mktemp("durations"), series) as made:
        durations = (await made.durations([FOCUSED]))[FOCUSED]
    assert list(durations) == [View.CALLERS]
    assert durations[View.CALLERS].stable == {100.0: 20.0}
    assert durations[View.CALLERS].canary == {100.0: 8.0}


async def test_nothing_is_asked_otherwise_for_a_rollout_for_everybody() -> None:
    for query in (requests_query, durations_query):
        mixed, alone = query([PLAIN, FOCUSED], WINDOW), query([PLAIN], WINDOW)
        assert mixed.startswith(f"{alone} or ")
        assert query([FOCUSED], WINDOW) == mixed.removeprefix(f"{alone} or ")


async def test_the_past_is_that_of_stables_pods_whoever_called_them() -> None:
    plain = Subject(FOCUSED.namespace, FOCUSED.name)
    assert past_requests_query([FOCUSED], WINDOW) == past_requests_query([plain], WINDOW)
