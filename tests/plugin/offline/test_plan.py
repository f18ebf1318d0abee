"""What a plan says of a rollout: its times, its pods, its requests, and what can be found."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from canary_operator.domain.capacity import canary_pods
from canary_operator.domain.spec import parse_spec
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline.plan import (
    BATCH,
    ENOUGH,
    LADDER,
    QUESTIONS,
    Detection,
    Plan,
    Rung,
    detect,
    ladder_of,
    plan_of,
)
from canary_operator.plugin.offline.plan_data import plan_data
from canary_operator.plugin.offline.plan_words import (
    assumed_words,
    healthy_words,
    only_latency_decides,
    rounded_up,
    rung_name,
    smallest_words,
)
from canary_operator.plugin.offline.plot import check_place, format_of, write
from canary_operator.plugin.offline.simulation.outcomes import Share, Spread
from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.runs import Progress, player
from canary_operator.plugin.offline.simulation.scenario import Scenario
from canary_operator.plugin.offline.simulation.setup import Setup, examine, with_pods
from canary_operator.plugin.offline.simulation.timeline import End, Ending, Hurt
from canary_operator.plugin.offline.timetable import mean_for, timetable_of

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
SPEC: dict[str, Any] = yaml.safe_load(
    (EXAMPLES / "2-helloworld-v2.yaml").read_text(encoding="utf-8")
)["spec"]
SECOND = timedelta(seconds=1)
QUERY = {"name": "carts", "query": {"promql": "sum(x)", "max": 0.1}}


def setup(*, rps: float = 100.0, **changes: Any) -> Setup:
    return Setup(SPEC | changes, Scenario(rps=rps), name="helloworld", namespace="demo")


# The timetable.


def test_pods_that_are_taken_from_a_deployment_are_played_all_the_same() -> None:
    service = {"ports": [{"name": "http", "port": 80, "targetPort": "web"}]}
    spec = {**{k: v for k, v in SPEC.items() if k != "template"}, "service": service}
    played = with_pods({**spec, "workloadRef": {"name": "web"}})
    found = Setup(played, Scenario(rps=100.0), name="helloworld", namespace="demo")
    examine(found)
    assert timetable_of(found).steps == timetable_of(setup()).steps
    assert with_pods(SPEC) is SPEC


def test_the_example_takes_what_its_readme_says() -> None:
    times = timetable_of(setup())
    assert [one.step.weight for one in times.steps] == [1, 10, 25, 50]
    assert [one.starts_at.total_seconds() for one in times.steps] == [0, 60, 120, 180]
    assert [one.ends_at.total_seconds() for one in times.steps] == [60, 120, 180, 240]
    assert [len(one.checks_at) for one in times.steps] == [1, 1, 1, 1]
    assert times.promoted_at == 240 * SECOND, '"after about four minutes"'


def test_pods_are_those_that_the_operator_asks_for() -> None:
    times = timetable_of(setup(replicas=10))
    assert [one.canary_pods for one in times.steps] == [
        canary_pods(10, weight) for weight in (1, 10, 25, 50)
    ]
    assert [one.pods for one in times.steps] == [11, 11, 13, 15]
    assert times.promotion_pods == 10 + 3 + 5


def test_a_hold_that_no_interval_divides_waits_for_the_next_check() -> None:
    steps = {"steps": [{"weight": 10, "hold": "70s"}, {"weight": 50, "hold": "0s"}]}
    times = timetable_of(setup(strategy=steps))
    assert [one.ends_at.total_seconds() for one in times.steps] == [70, 130]
    assert [at.total_seconds() for at in times.steps[0].checks_at] == [62.5]


def test_a_comparison_checks_every_interval() -> None:
    times = timetable_of(setup(analysis={"interval": "15s", "comparison": {}}))
    assert [len(one.checks_at) for one in times.steps] == [4, 4, 4, 4]
    assert times.promoted_at == 240 * SECOND


def test_a_proof_of_health_may_end_a_hold_early() -> None:
    early = {"interval": "15s", "comparison": {"healthy": {"advanceEarly": True}}}
    strategy = {"steps": [{"weight": 10, "hold": "10m"}]}
    times = timetable_of(setup(analysis=early, strategy=strategy))
    assert times.promoted_at == 90 * SECOND, "six windows"


def test_equal_weights_are_steps_of_their_own() -> None:
    steps = {"steps": [{"weight": 10, "hold": "1m"}, {"weight": 10, "hold": "2m"}]}
    times = timetable_of(setup(strategy=steps))
    assert [(one.starts_at, one.ends_at) for one in times.steps] == [
        (timedelta(), 60 * SECOND),
        (60 * SECOND, 180 * SECOND),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"paused": True}, id="paused"),
        pytest.param(
            {"strategy": {"steps": [{"weight": 50, "hold": "4m", "approval": True}]}},
            id="a person approves",
        ),
        pytest.param(
            {"analysis": SPEC["analysis"] | {"minRequests": 1_000_000_000}}, id="many requests"
        ),
        pytest.param(
            {
                "analysis": SPEC["analysis"]
                | {"metrics": [{"name": "x", "latency": {"percentile": 99.9, "max": "1ms"}}]}
            },
            id="quick requests",
        ),
    ],
)
def test_what_is_in_the_way_is_left_out_of_the_earliest_times(changes: dict[str, Any]) -> None:
    assert timetable_of(setup(**changes)).promoted_at == 240 * SECOND


def test_a_rollout_that_cannot_be_promoted_says_why() -> None:
    """At 100 % stable gets no request, so there is nothing to compare with."""
    strategy = {"steps": [{"weight": 100}]}
    with pytest.raises(PluginError, match="is never promoted, not even at its best: NoData"):
        timetable_of(setup(strategy=strategy, analysis={"comparison": {}}))


def test_a_service_whose_requests_nobody_counts_says_why() -> None:
    service = {"port": 5432, "portName": "tcp-sql"}
    with pytest.raises(PluginError, match=r"NoData.* declared as tcp, whose requests Istio"):
        timetable_of(setup(service=service))
    plan = plan_of(setup(service=service, analysis=SPEC["analysis"] | {"metrics": [QUERY]}))
    assert plan.uncounted == "tcp"


def test_without_replicas_there_is_nothing_to_plan() -> None:
    with pytest.raises(PluginError, match="nothing serves, so there is nothing to play"):
        timetable_of(setup(replicas=0))


def test_no_beginning_and_no_moment_of_a_scrape_is_earlier() -> None:
    """A window of two scrapes would otherwise be inconclusive, depending on when it begins."""
    analysis = SPEC["analysis"] | {"interval": "15s", "window": "30s"}
    steps = {"steps": [{"weight": 10, "hold": "47s"}, {"weight": 50, "hold": "0s"}]}
    times = timetable_of(setup(analysis=analysis, strategy=steps))
    for seed in range(20):
        quick = replace(setup(analysis=analysis, strategy=steps), pod_start=timedelta())
        assert simulate(quick, seed).end.took >= times.promoted_at


# Requests.


@pytest.mark.parametrize("least", [1, 2, 10, 20, 100, 1000])
def test_the_mean_that_19_of_20_checks_need(least: int) -> None:
    def at_least(mean: float) -> float:
        below = (
            math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
            for count in range(least)
        )
        return 1 - sum(below)

    assert at_least(mean_for(least)) == pytest.approx(0.95, abs=0.004)


def test_a_limit_needs_requests_of_the_canary_in_its_window() -> None:
    look = timetable_of(setup()).steps[0].look
    assert look is not None
    assert look.length == 60 * SECOND
    assert look.canary_requests(100) == pytest.approx(60)
    assert look.half_rps == pytest.approx((20 - 1 / 3) / 0.6)
    assert look.needed_rps == pytest.approx(mean_for(20) / 0.6)


def test_a_comparison_needs_requests_of_both_versions_in_its_interval() -> None:
    steps = {"steps": [{"weight": 10}, {"weight": 90}]}
    analysis = {"interval": "20s", "minRequests": 5, "comparison": {}}
    looks = [one.look for one in timetable_of(setup(strategy=steps, analysis=analysis)).steps]
    assert [look.length for look in looks if look] == [20 * SECOND, 20 * SECOND]
    assert [look.half_rps for look in looks if look] == pytest.approx([7 / 3, 7 / 3])


def test_custom_queries_count_no_requests() -> None:
    plan = plan_of(setup(analysis=SPEC["analysis"] | {"metrics": [QUERY]}))
    assert not plan.timetable.counts_requests
    assert plan.assumed == ("carts",)


# What the analysis finds.


class Scripted:
    """Plays rollouts whose ends are known: by how much more often the canary fails."""

    def __init__(self, ends: Callable[[float, int], End]) -> None:
        self.ends = ends
        self.asked: list[tuple[float, int]] = []

    def play(self, setup: Setup, seeds: Sequence[int], progress: Progress) -> list[End]:
        events = setup.scenario.events
        errors = events[0].canary.errors if events else None
        base = setup.scenario.base_error_rate
        extra = 0.0 if errors is None else round(errors - base, 4)
        self.asked.append((extra, len(seeds)))
        progress(len(seeds))
        return [self.ends(extra, seed) for seed in seeds]

    def runs(self, extra: float) -> int:
        return sum(runs for asked, runs in self.asked if asked == extra)


def end(reason: str, seconds: float = 60, failed: int = 5) -> End:
    promoted = reason == "Promoted"
    ending = Ending.PROMOTED if promoted else Ending.ROLLED_BACK
    return End(ending, reason, "", seconds * SECOND, 50, Hurt(100, failed))


@pytest.mark.parametrize("least", [*LADDER[:-1], 0.999, 2.0])
def test_the_smallest_regression_is_found_by_bisection(least: float) -> None:
    def ends(extra: float, _: int) -> End:
        found = extra and extra >= least
        return end("AnalysisFailed") if found else end("Promoted")

    played = Scripted(ends)
    found = detect(setup(), 100, 0, played, lambda _: None)
    smallest = found.smallest
    assert (smallest.extra if smallest else 2.0) == least
    assert len(found.rungs) <= QUESTIONS - 1
    assert [rung.extra for rung in found.rungs] == sorted(rung.extra for rung in found.rungs)
    assert found.healthy.found == Share(0, 100)


def test_a_question_is_dropped_when_its_answer_is_certain() -> None:
    def ends(extra: float, _: int) -> End:
        return end("WorseThanStable") if extra >= 0.05 else end("Promoted")

    played = Scripted(ends)
    told: list[int] = []
    found = detect(setup(), 100, 0, played, told.append)
    assert played.runs(0.05) == ENOUGH, "every one was found"
    assert played.runs(0.02) == BATCH, "six were missed"
    assert played.runs(0.0) == 100, "a share is asked for"
    assert sum(told) == sum(runs for _, runs in played.asked)
    assert {rung.extra: rung.found.of for rung in found.rungs}[0.02] == BATCH


@pytest.mark.parametrize(("missed", "expected"), [(5, True), (6, False)])
def test_95_of_100_are_found_nearly_always(missed: int, expected: bool) -> None:
    seeds = range(0, 15 * missed, 15)
    played = Scripted(lambda _, seed: end("Promoted" if seed in seeds else "AnalysisFailed"))
    found = detect(setup(), 100, 0, played, lambda _: None)
    assert {rung.is_found for rung in found.rungs} == {expected}


def test_only_verdicts_find_something() -> None:
    reasons = ("NoData", "Promoted", "AnalysisFailed", "ProgressDeadlineExceeded")
    played = Scripted(lambda _, seed: end(reasons[seed % 4], seconds=seed, failed=seed))
    healthy = detect(setup(), 20, 0, played, lambda _: None).healthy
    assert healthy.found == Share(5, 20)
    assert healthy.undecided == Share(10, 20)
    assert healthy.seconds == healthy.hurt == Spread(10, pytest.approx(17.2))


def test_the_engine_finds_what_is_obvious_and_not_what_is_not() -> None:
    """Real rollouts; 1 % of 100 requests/s, two windows of which at most one in a hundred fails."""
    quick = replace(setup(), scrape_interval=SECOND)
    with player(1) as alone:
        found = detect(quick, 20, 0, alone, lambda _: None)
    rungs = {rung.extra: rung for rung in found.rungs}
    assert rungs[0.05].found == Share(20, 20)
    assert rungs[0.05].seconds is not None
    assert 95 <= rungs[0.05].seconds.median <= 110
    smallest = found.smallest
    assert smallest is not None
    assert 0.005 <= smallest.extra <= 0.02
    assert found.healthy.found.count <= 3


# Words and data.

HEALTHY = Rung(0.0, Share(2, 100), Share(0, 100), Spread(97, 101), Spread(1, 2))
FOUND = Rung(0.01, Share(96, 100), Share(1, 100), Spread(157, 294), Spread(10, 61))
MISSED = Rung(0.005, Share(7, 20), Share(0, 20), Spread(158, 248), Spread(12, 46))
NEVER = Rung(1.0, Share(0, 20), Share(20, 20), None, None)


def detection(*rungs: Rung, healthy: Rung = HEALTHY) -> Detection:
    return Detection(setup(), 100, 0, healthy, rungs)


def test_what_is_found_in_words() -> None:
    assert smallest_words(detection(MISSED, FOUND)) == (
        "A version that fails 1 percentage point more often than stable is found in 96 % of the "
        "rollouts (96 of 100; 90.2 % to 98.4 %). Those that are found are rolled back after 2:37 "
        "and 10 requests that go wrong (medians); in one in twenty of them more than 61 go wrong."
    )
    assert "2 percentage points more" in smallest_words(detection(replace(FOUND, extra=0.02)))
    assert smallest_words(detection(NEVER)).startswith("No regression is found in 95 %")
    always = replace(FOUND, extra=0.999, always_fails=True)
    assert smallest_words(detection(always)).startswith("A version that always fails is found in")
    assert [rung_name(rung) for rung in (HEALTHY, MISSED, FOUND, always)] == [
        "healthy",
        "+0.5 points",
        "+1 point",
        "always fails",
    ]


def test_where_healthy_versions_are_rolled_back_too_nothing_is_found() -> None:
    """A limit that every version misses: that says nothing about regressions."""
    played = Scripted(lambda _extra, _seed: end("AnalysisFailed"))
    found = detect(setup(), 100, 0, played, lambda _: None)
    assert played.asked[0][0] == 0, "healthy versions are tried first"
    assert found.tells_nothing
    assert found.smallest is None
    assert smallest_words(found) == (
        "This analysis rolls back healthy versions, too (100 %), so it tells nothing about "
        "regressions."
    )
    data = plan_data(replace(plan_of(setup()), detection=found))["detection"]
    assert (data["smallest"], data["reason"]) == (None, "HealthyVersionsRolledBack")


@pytest.mark.parametrize(("alarms", "tells"), [(20, True), (21, False)])
def test_a_claim_needs_few_false_alarms(alarms: int, tells: bool) -> None:
    healthy = replace(HEALTHY, found=Share(alarms, 100))
    assert (detection(FOUND, healthy=healthy).smallest is not None) == tells


@pytest.mark.parametrize(
    ("base", "ladder"),
    [
        (0.0, LADDER),
        (0.5, (*LADDER[:-1],)),
        (0.997, (0.001, 0.002, 0.003)),
    ],
)
def test_no_version_fails_more_than_always(base: float, ladder: tuple[float, ...]) -> None:
    assert ladder_of(base) == ladder


def test_where_every_request_fails_nothing_can_be_worse() -> None:
    one = setup()
    one = replace(one, scenario=replace(one.scenario, base_error_rate=1.0))
    with pytest.raises(PluginError, match="no version can be worse"):
        detect(one, 20, 0, Scripted(lambda _extra, _seed: end("Promoted")), lambda _: None)


def test_what_is_assumed_in_words() -> None:
    assert assumed_words(detection(), parse_spec(SPEC)) == "Assumed: pods start in 5s."
    steps = {"steps": [{"weight": 1, "approval": True}]}
    assert assumed_words(detection(), parse_spec(SPEC | {"strategy": steps})) == (
        "Assumed: pods start in 5s, approvals come after 10s."
    )


@pytest.mark.parametrize(
    ("metrics", "only"),
    [
        ([{"name": "a", "latency": {"percentile": 99, "max": "1s"}}], True),
        (
            [
                {"name": "a", "latency": {"percentile": 99, "max": "1s"}},
                {"name": "b", "successRate": {"min": 99}},
            ],
            False,
        ),
        (
            [
                {"name": "a", "latency": {"percentile": 99, "max": "1s"}},
                {"name": "b", "successRate": {"min": 99}, "dryRun": True},
            ],
            True,
        ),
        ([QUERY], False),
    ],
)
def test_whether_only_latency_decides(metrics: list[dict[str, Any]], only: bool) -> None:
    analysis = SPEC["analysis"] | {"metrics": metrics}
    assert only_latency_decides(parse_spec(SPEC | {"analysis": analysis})) == only


def test_healthy_versions_in_words() -> None:
    words = "A healthy version is rolled back in 2 % of the rollouts (0.55 % to 7 %)."
    assert healthy_words(detection()) == words
    quiet = replace(HEALTHY, undecided=Share(40, 100))
    assert healthy_words(detection(healthy=quiet)).endswith(
        "In 40 % it is taken back, or waits, because too little can be told."
    )


@pytest.mark.parametrize(
    ("rps", "told"),
    [(46.46, "47"), (0.929, "0.93"), (1234.5, "1,300"), (1, "1.0"), (0.5, "0.50"), (10, "10")],
)
def test_requests_are_rounded_up(rps: float, told: str) -> None:
    assert rounded_up(rps) == told


def test_a_plan_is_plain_data() -> None:
    plan = replace(plan_of(setup()), detection=detection(MISSED, FOUND, NEVER))
    data = plan_data(plan)
    assert yaml.safe_load(yaml.safe_dump(data)) == data
    assert data["steps"][1] == {
        "step": 1,
        "weight": 10,
        "hold": 60.0,
        "approval": False,
        "startsAt": 60.0,
        "endsAt": 120.0,
        "checks": [120.0],
        "canaryPods": 1,
        "pods": 5,
        "neededRequestsPerSecond": 4.646,
    }
    assert data["promotion"] == {"startsAt": 240.0, "endsAt": 240.0, "pods": 7}
    assert (data["detection"]["smallest"], data["detection"]["reason"]) == (0.01, None)
    assert (data["detection"]["podStart"], data["detection"]["seed"]) == (5.0, 0)
    assert [one["played"] for one in data["detection"]["regressions"]] == [20, 100, 20]
    assert plan_data(plan_of(setup()))["detection"] is None


# The picture.

PLANS: dict[str, Callable[[], Plan]] = {
    "times alone": lambda: plan_of(setup()),
    "with what is found": lambda: replace(
        plan_of(setup()), detection=detection(MISSED, FOUND, NEVER)
    ),
    "custom queries alone": lambda: plan_of(
        setup(analysis=SPEC["analysis"] | {"metrics": [QUERY]})
    ),
    "with an approval": lambda: plan_of(
        setup(strategy={"steps": [{"weight": 1, "approval": True}, {"weight": 100}]})
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_drawn(tmp_path: Path, name: str) -> None:
    plan, svg, png = PLANS[name](), tmp_path / "plan.svg", tmp_path / "plan.PNG"
    write(plan, svg)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    first = svg.read_bytes()
    write(plan, svg)
    assert svg.read_bytes() == first, "the same plan gives the same bytes"
    write(plan, png)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"a picture ends in .svg or .png") as refused:
        format_of(tmp_path / "plan.pdf")
    assert refused.value.exit_code == Exit.USAGE


def test_a_picture_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PluginError, match=r"pip install 'canary-operator\[playground\]'"):
        format_of(tmp_path / "plan.png")


def test_a_picture_where_none_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").touch()
    for place, problem in {
        "nowhere/plan.png": "No such file or directory",
        "folder.svg": "Is a directory",
        "file/plan.svg": "Not a directory",
    }.items():
        with pytest.raises(PluginError, match=f"cannot be written: {problem}"):
            check_place(tmp_path / place)
    check_place(tmp_path / "plan.svg")
    assert not (tmp_path / "plan.svg").exists()
    with pytest.raises(PluginError, match="cannot be written: No such file"):
        write(plan_of(setup()), tmp_path / "nowhere" / "plan.png")
