"""The canary's share of the requests is held against its weight."""

from datetime import UTC, datetime, timedelta

import pytest

from canary_operator.domain.counts import Count, Tracks, Traffic, View
from canary_operator.domain.share import routing_not_applied
from canary_operator.domain.views import Look

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def callers(canary: float, stable: float) -> Traffic:
    return {View.CALLERS: Tracks(Count(stable), Count(canary))}


def pods(canary: float, stable: float) -> Traffic:
    return {View.PODS: Tracks(Count(stable), Count(canary))}


@pytest.mark.parametrize(
    ("weight", "traffic", "off"),
    [
        pytest.param(20, callers(200, 800), False, id="as told"),
        pytest.param(20, callers(300, 700), False, id="somewhat more"),
        pytest.param(20, callers(120, 880), False, id="somewhat less, as while proxies follow"),
        pytest.param(20, callers(500, 500), True, id="by the number of pods"),
        pytest.param(20, callers(50, 950), True, id="some callers do not follow the route"),
        pytest.param(20, callers(0, 1000), True, id="nobody follows the route"),
        pytest.param(20, callers(20, 20), False, id="too few requests to tell"),
        pytest.param(1, callers(15, 985), False, id="chance, at a small weight"),
        pytest.param(1, callers(40, 960), True, id="more than chance, at a small weight"),
        pytest.param(50, callers(490, 510), False, id="half"),
        pytest.param(50, callers(900, 100), True, id="much more than half"),
        pytest.param(100, callers(1000, 0), False, id="everything"),
        pytest.param(100, callers(1000, 5), False, id="everything but stragglers"),
        pytest.param(100, callers(600, 400), True, id="not everything"),
        pytest.param(20, pods(50, 950), False, id="callers outside the mesh stay on stable"),
        pytest.param(20, pods(500, 500), True, id="too much, by the pods"),
        pytest.param(0, callers(500, 500), False, id="no weight, no share"),
        pytest.param(20, {}, False, id="no telemetry"),
    ],
)
def test_the_share_of_the_requests(weight: int, traffic: Traffic, off: bool) -> None:
    look = Look(AT, timedelta(seconds=60), weight, min_requests=10)
    found = routing_not_applied(traffic, look)
    assert (found is not None) is off


def test_the_words() -> None:
    look = Look(AT, timedelta(seconds=60), 5, min_requests=10)
    found = routing_not_applied(callers(500, 500), look)
    assert found is not None
    assert found.text == (
        "RoutingNotApplied: the canary got 500 of 1,000 requests (50 %), although its weight is "
        "5 %; do all callers follow the route? Seen by the callers"
    )
