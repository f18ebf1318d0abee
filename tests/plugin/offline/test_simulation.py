"""Rollouts that are played: the operator's own decisions, and the world around them."""

import asyncio
import math
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.spec import Query
from canary_operator.domain.status import Verdict
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline.simulation import runs
from canary_operator.plugin.offline.simulation.exported import runs_data, timeline_data
from canary_operator.plugin.offline.simulation.outcomes import (
    Share,
    Spread,
    groups_of,
    quantile,
    share_of,
)
from canary_operator.plugin.offline.simulation.play import simulate
from canary_operator.plugin.offline.simulation.runs import FEW_RUNS, player, seeds_of
from canary_operator.plugin.offline.simulation.scenario import (
    Change,
    Event,
    Scenario,
    When,
    parse_events,
)
from canary_operator.plugin.offline.simulation.scenario_file import read_file
from canary_operator.plugin.offline.simulation.setup import Setup, assumed_answers, inside
from canary_operator.plugin.offline.simulation.timeline import (
    Approved,
    Begun,
    End,
    Ending,
    Hurt,
    Over,
    Timeline,
    Told,
    Turn,
)
from tests.support.clusters import eventually

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
FAULTY = yaml.safe_load((EXAMPLES / "3-helloworld-v3-faulty.yaml").read_text(encoding="utf-8"))
SECOND = timedelta(seconds=1)
COMPARED = {"interval": "15s", "comparison": {}}


def setup(scenario: str = "healthy", *events: Event, **changes: Any) -> Setup:
    """Return the faulty example under a scenario; `changes` are those of its spec."""
    surroundings = {
        field: changes.pop(field)
        for field in ("rps", "base_error_rate", "approve_after", "queries")
        if field in changes
    }
    times = {
        field: changes.pop(field) for field in ("pod_start", "scrape_interval") if field in changes
    }
    played = Scenario(scenario, (*parse_events(scenario), *events), **surroundings)
    spec = FAULTY["spec"] | changes
    return Setup(spec, played, name="helloworld", namespace="demo", **times)


def play(scenario: str = "healthy", *events: Event, seed: int = 0, **changes: Any) -> Timeline:
    return simulate(setup(scenario, *events, **changes), seed)


def turns(timeline: Timeline) -> list[tuple[Phase, int]]:
    return [(one.phase, one.weight) for one in timeline.entries if isinstance(one, Turn)]


# The examples, as their README tells them.


def test_the_faulty_example_fails_two_checks_at_1_percent() -> None:
    timeline = play("errors=8%")
    assert timeline.verdicts == ((1, Verdict.FAIL), (1, Verdict.FAIL))
    assert turns(timeline) == [
        (Phase.PROGRESSING, 0),
        (Phase.PROGRESSING, 1),
        (Phase.ROLLING_BACK, 0),
        (Phase.ROLLED_BACK, 0),
    ]
    end = timeline.end
    assert (end.ending, end.reason) == (Ending.ROLLED_BACK, Reason.ANALYSIS_FAILED)
    assert end.max_weight == 1
    assert 95 * SECOND < end.took < 110 * SECOND, "pods, a window, a slot, and another interval"
    assert timeline.checks[-1].failed_checks == 2
    assert timeline.revision == revision_of(FAULTY["spec"]["template"])


def test_a_good_version_climbs_and_is_promoted() -> None:
    timeline = play()
    assert timeline.verdicts == tuple((weight, Verdict.PASS) for weight in (1, 10, 25, 50))
    assert [weight for _, weight in timeline.weights] == [0, 1, 10, 25, 50, 0]
    assert turns(timeline)[-2:] == [(Phase.PROMOTING, 50), (Phase.STABLE, 0)]
    assert timeline.end.ending is Ending.PROMOTED


def test_every_wait_is_the_operators() -> None:
    """No step is shorter than its hold, and no check is sooner than the window allows."""
    for seed in range(5):
        timeline = play(seed=seed)
        raised = {weight: at for at, weight in timeline.weights if weight}
        for before, after in ((1, 10), (10, 25), (25, 50)):
            assert 60 * SECOND <= raised[after] - raised[before] <= 75 * SECOND
        assert raised[1] == 5 * SECOND, "the canary's pod takes as long as it was said"
        for check in timeline.checks:
            assert check.at - raised[check.weight] >= 60 * SECOND


def test_an_aligned_rollout_waits_for_no_slot() -> None:
    timeline = simulate(setup(pod_start=timedelta(), base_error_rate=0.0), late=0.0)
    at = [moment.total_seconds() for moment, _ in timeline.weights]
    assert at == [0, 0, 60, 120, 180, 240]


def test_pods_may_take_longer_than_the_operator_waits() -> None:
    end = play(pod_start=timedelta(minutes=20)).end
    assert (end.reason, end.took) == (Reason.PROGRESS_DEADLINE_EXCEEDED, 600 * SECOND)


def test_a_prometheus_may_scrape_all_the_time() -> None:
    assert play(scrape_interval=timedelta()).end.ending is Ending.PROMOTED


# Seeds.


def test_the_same_seed_gives_the_same_rollout() -> None:
    assert play("errors=2%", seed=5) == play("errors=2%", seed=5)
    assert play("errors=2%", seed=5) != play("errors=2%", seed=6)


def test_a_brief_play_ends_in_the_same_way() -> None:
    for seed in range(10):
        for scenario in ("errors=2%", "healthy", "crashloop"):
            whole = simulate(setup(scenario), seed).end
            assert simulate(setup(scenario), seed, brief=True).end == whole


def test_processes_and_one_process_give_the_same_ends() -> None:
    seeds = seeds_of(3, FEW_RUNS + 5)
    done = []
    with player(len(seeds)) as together:
        many = together.play(setup("errors=2%"), seeds, done.append)
    with player(1) as alone:
        assert alone.play(setup("errors=2%"), seeds, lambda _: None) == many
    assert sum(done) == len(seeds)
    assert len(done) > 1, "progress is seen"


@pytest.mark.parametrize("error", [OSError, ImportError, NotImplementedError])
def test_where_no_process_can_be_started_one_is_enough(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runs, "ProcessPoolExecutor", refuse)
    _check_plays_alone()


def test_processes_that_are_ended_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_begin", _give_up)
    _check_plays_alone()


def _give_up() -> None:
    os._exit(1)


def _check_plays_alone() -> None:
    seeds, done = seeds_of(0, FEW_RUNS + 1), []
    with player(len(seeds)) as found:
        assert len(found.play(setup("errors=50%"), seeds, done.append)) == len(seeds)
    assert sum(done) == len(seeds)


IN_PROC = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="children are found in /proc"
)


@IN_PROC
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(number: signal.Signals) -> None:
    with _many_runs() as parent:
        pids = _in_time(lambda: _workers(parent.pid))
        parent.send_signal(number)
        assert parent.wait(30) == -number
        _in_time(lambda: not any(map(_runs, pids)))


@IN_PROC
@pytest.mark.parametrize("started", [1, 2, 3])
def test_it_ends_in_order_while_it_starts_others(started: int) -> None:
    with _many_runs() as parent:
        _in_time(lambda: len(_children(parent.pid)) >= started)
        parent.terminate()
        assert parent.wait(30) == -signal.SIGTERM
        assert parent.stderr is not None
        assert parent.stderr.read() == b"", "such as semaphores that are left behind"


def _many_runs() -> subprocess.Popen[bytes]:
    file = str(EXAMPLES / "2-helloworld-v2.yaml")
    program = "import sys; from canary_operator.plugin.main import main; main()"
    command = [sys.executable, "-c", program, "simulate", "-f", file, "--runs", "100000"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _workers(pid: int) -> list[str]:
    found = _children(pid)
    return found if len(found) > 2 else []  # with a tracker


def _in_time(ask: Callable[[], Any]) -> Any:
    async def asked() -> Any:
        return ask()

    return asyncio.run(eventually(asked))


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_processes_are_handed_can_be_handed_on() -> None:
    one = setup("outage,rps=5", Event(queries={"a": 1.0}))
    assert pickle.loads(pickle.dumps(one)) == one


def test_without_replicas_there_is_nothing_to_play() -> None:
    with pytest.raises(PluginError, match="nothing serves, so there is nothing to play"):
        play(replicas=0)


def test_requests_that_istio_does_not_count_are_no_data() -> None:
    timeline = play(service={"port": 5432, "portName": "tcp"})
    assert timeline.uncounted == "tcp"
    assert {verdict for _, verdict in timeline.verdicts} == {Verdict.INCONCLUSIVE}
    assert timeline.end.reason == Reason.NO_DATA
    compared = play(
        service={"ports": [{"name": "x", "port": 80, "appProtocol": "mongo"}]}, analysis=COMPARED
    )
    assert compared.end.ending is not Ending.PROMOTED


@pytest.mark.parametrize(
    "service",
    [
        {"port": 80},
        {"port": 80, "portName": "grpc-web"},
        {"ports": [{"name": "x", "port": 80, "appProtocol": "kubernetes.io/h2c"}]},
    ],
)
def test_requests_that_istio_counts(service: dict[str, Any]) -> None:
    assert play(service=service).uncounted == ""


def test_who_waits_has_waited_since_its_last_progress() -> None:
    end = play(strategy=APPROVAL, approve_after=None).end
    assert end.ending is Ending.WAITING
    assert end.took < 200 * SECOND


def test_a_refused_spec_is_told_before_processes_start() -> None:
    with player(1000) as together, pytest.raises(PluginError, match="replicas"):
        together.play(setup(replicas=-1), range(1000), lambda _: None)


# Scenarios.


def test_no_traffic_ends_as_the_operator_ends_it() -> None:
    timeline = play("no-traffic")
    assert {verdict for _, verdict in timeline.verdicts} == {Verdict.INCONCLUSIVE}
    assert timeline.end.reason == Reason.NO_DATA
    assert timeline.end.hurt == Hurt(0, 0)


def test_callers_that_do_not_follow_the_route_are_seen() -> None:
    timeline = play("bypass")
    assert {m.reason for check in timeline.checks for m in check.metrics} == {
        Reason.ROUTING_NOT_OBSERVED
    }
    assert timeline.end.reason == Reason.NO_DATA


def test_pods_that_crash_from_the_beginning_get_no_traffic() -> None:
    timeline = play("crashloop")
    assert timeline.weights == ((timedelta(), 0),)
    assert timeline.end.reason == Reason.PROGRESS_DEADLINE_EXCEEDED
    assert timeline.end.took == 600 * SECOND


def test_pods_that_crash_for_a_while_come_back() -> None:
    timeline = play("crashloop@step2/20s")
    assert [weight for _, weight in timeline.weights] == [0, 1, 10, 0, 10, 25, 50, 0]
    lost, back = timeline.weights[3][0], timeline.weights[4][0]
    assert back - lost == 25 * SECOND, "20 s of the crash, and 5 s to start"
    lower = [one for one in timeline.entries if isinstance(one, Turn) and one.at == lost]
    assert lower[-1].reason == Reason.CANARY_UNAVAILABLE
    assert timeline.end.ending is Ending.PROMOTED


def test_pods_that_crash_while_promoting_take_the_rollout_back() -> None:
    timeline = play("crashloop@promotion")
    assert (Phase.PROMOTING, 0) in turns(timeline)
    assert timeline.end.reason == Reason.PROGRESS_DEADLINE_EXCEEDED


def test_nothing_is_known_while_prometheus_is_down() -> None:
    timeline = play("prometheus-down@90s/1m")
    down = [check for check in timeline.checks if 90 * SECOND <= check.at < 150 * SECOND]
    assert [check.verdict for check in down] == [Verdict.INCONCLUSIVE]
    assert down[0].metrics[0].reason == Reason.METRICS_UNAVAILABLE
    assert timeline.end.ending is Ending.PROMOTED


def test_requests_of_a_time_without_prometheus_are_counted_afterwards() -> None:
    """Counters go on: the first comparisons after it look back on what was missed."""
    timeline = play("prometheus-down@80s/45s", analysis=COMPARED, base_error_rate=0.0)
    seen = {
        check.at.total_seconds(): check.metrics[0].stable.requests
        for check in timeline.checks
        if check.metrics[0].stable
    }
    before = max(at for at in seen if at < 80)
    after = min(at for at in seen if at > 125 + 15)
    missed, expected = seen[after] - seen[before], 95 * (after - before)
    assert abs(missed - expected) < 100 * 15, "all but what one scrape may be late"


def test_callers_that_hang_up_fail_the_canary() -> None:
    timeline = play("hangup=10%")
    assert timeline.checks[0].metrics[0].reason == Reason.CALLERS_HUNG_UP
    assert timeline.end.reason == Reason.ANALYSIS_FAILED


def test_an_outage_of_both_is_waited_out_by_a_comparison_and_not_by_a_limit() -> None:
    assert play("outage", analysis=COMPARED).end.ending is Ending.PROMOTED
    assert play("outage").end.reason == Reason.ANALYSIS_FAILED


LATENCY = [
    {"name": "success-rate", "successRate": {"min": 95}},
    {"name": "latency", "latency": {"percentile": 99, "max": "250ms"}},
]


def test_a_slow_canary_is_found_by_a_limit() -> None:
    timeline = play("latency=2s", analysis=FAULTY["spec"]["analysis"] | {"metrics": LATENCY})
    assert {one.name for one in timeline.checks[-1].metrics if one.verdict is Verdict.FAIL} == {
        "latency"
    }
    assert timeline.end.hurt.slow is not None
    assert timeline.end.hurt.slow > 0.95 * timeline.end.hurt.requests
    assert timeline.end.hurt.failed < 0.05 * timeline.end.hurt.requests


def test_a_slow_canary_is_found_by_a_comparison() -> None:
    metrics = [{"name": "latency", "latency": {"max": "250ms"}}]
    timeline = play("latency=2s@step2", analysis=COMPARED | {"metrics": metrics})
    assert timeline.end.reason == Reason.WORSE_THAN_STABLE
    assert timeline.end.max_weight == 10


def test_a_fast_canary_is_promoted_under_the_same_limits() -> None:
    timeline = play(analysis=FAULTY["spec"]["analysis"] | {"metrics": LATENCY})
    assert timeline.end.ending is Ending.PROMOTED
    assert timeline.end.hurt.slow is not None
    assert timeline.end.hurt.slow < 0.01 * timeline.end.hurt.requests


def test_a_failure_that_begins_with_the_promotion_hurts_on_both_tracks() -> None:
    slow_pods = {"pod_start": 120 * SECOND}
    timeline = play("errors=100%@promotion", analysis=COMPARED, replicas=8, **slow_pods)
    assert timeline.end.reason == Reason.WORSE_THAN_STABLE
    assert timeline.weights[-2][1] == 50
    assert timeline.end.hurt.failed > 1000


# People.

APPROVAL = {"steps": [{"weight": 10, "hold": "1m", "approval": True}, {"weight": 50, "hold": "1m"}]}


def test_a_person_approves_after_a_while_and_the_timeline_says_so() -> None:
    timeline = play(strategy=APPROVAL, approve_after=40 * SECOND)
    paused = next(one for one in timeline.entries if isinstance(one, Turn) and one.reason)
    assert (paused.phase, paused.reason) == (Phase.PAUSED, Reason.APPROVAL_REQUIRED)
    approved = [one.at for one in timeline.entries if isinstance(one, Approved)]
    assert approved == [paused.at + 40 * SECOND]
    assert timeline.end.ending is Ending.PROMOTED


def test_a_person_may_approve_at_once() -> None:
    timeline = play(strategy=APPROVAL, approve_after=timedelta())
    assert sum(isinstance(one, Approved) for one in timeline.entries) == 1
    assert timeline.end.ending is Ending.PROMOTED


def test_without_an_approval_it_waits() -> None:
    end = play(strategy=APPROVAL, approve_after=None).end
    assert (end.ending, end.reason) == (Ending.WAITING, Reason.APPROVAL_REQUIRED)
    assert "approval required" in end.message


def test_a_paused_spec_waits_without_traffic() -> None:
    end = play(paused=True).end
    assert (end.ending, end.reason, end.max_weight) == (Ending.WAITING, Reason.PAUSED_BY_SPEC, 0)


def test_an_outage_that_is_waited_for_without_a_limit_ends_the_play() -> None:
    waits = {"interval": "30s", "comparison": {"guardrail": {"maxHold": "1m", "then": "Wait"}}}
    both = Change(errors=0.8)
    end = play("healthy", Event(canary=both, stable=both), analysis=waits).end
    assert end.ending is Ending.WAITING


def test_a_person_pauses_and_resumes() -> None:
    timeline = play(
        "healthy",
        Event(at=When(after=30 * SECOND), request="pause"),
        Event(at=When(after=900 * SECOND), request="resume"),
    )
    assert (Phase.PAUSED, 1) in turns(timeline)
    assert timeline.weights[2][0] >= 900 * SECOND
    assert timeline.end.ending is Ending.PROMOTED


def test_a_person_aborts() -> None:
    timeline = play("healthy", Event(at=When(step=3), request="abort"))
    assert timeline.end.reason == Reason.ABORTED
    assert timeline.end.max_weight == 25


def test_a_person_promotes() -> None:
    timeline = play("healthy", Event(at=When(after=20 * SECOND), request="promote"))
    assert timeline.end.ending is Ending.PROMOTED
    assert timeline.end.took < 60 * SECOND


def test_what_is_refused_is_told() -> None:
    timeline = play("healthy", Event(at=When(after=SECOND), request="resume"))
    told = [one for one in timeline.entries if isinstance(one, Told)]
    assert [(one.at, one.reason) for one in told] == [(SECOND, Reason.REQUEST_REFUSED)]


def test_events_are_told_when_they_begin_and_end() -> None:
    timeline = play("errors=5%@100s/10s")
    kinds = [(type(one), one.at) for one in timeline.entries if isinstance(one, Begun | Over)]
    assert kinds == [(Begun, 100 * SECOND), (Over, 110 * SECOND)]


# Custom queries.

CARTS = {"name": "carts", "query": {"promql": "sum(x)", "max": 0.1}}
ASKED = {"interval": "30s", "window": "1m", "failureLimit": 0, "metrics": [CARTS]}


def test_custom_queries_are_inside_of_their_limits_and_that_is_said() -> None:
    timeline = play(analysis=ASKED)
    assert timeline.end.ending is Ending.PROMOTED
    assert timeline.assumed == {"carts": 0.05}


def test_a_scenario_answers_them() -> None:
    later = Event(at=When(step=2), queries={"carts": 0.2})
    timeline = play("healthy", later, analysis=ASKED, queries={"carts": 0.01})
    values = [check.metrics[0].value for check in timeline.checks]
    assert values == ["0.01", "0.2"]
    assert timeline.end.reason == Reason.ANALYSIS_FAILED
    assert timeline.assumed == {}
    assert assumed_answers(setup(analysis=ASKED)) == {"carts": 0.05}


@pytest.mark.parametrize(
    ("low", "high"), [(None, 0.1), (None, -4), (None, 0), (0.5, None), (-3, None), (0, 0), (2, 9)]
)
def test_an_assumed_answer_is_inside_of_any_limits(low: float | None, high: float | None) -> None:
    value = inside(Query(promql="x", min=low, max=high))
    assert low is None or value >= low
    assert high is None or value <= high


# What the operator refuses.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicas": "3"}, 'spec.replicas is "3"'),
        ({"service": {"port": 80, "targetPort": "web"}}, "web"),
        ({"analysis": {"interval": "10s"}}, "must not be shorter than 15s"),
    ],
)
def test_a_spec_that_the_operator_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as refused:
        play(**changes)
    assert message in refused.value.message
    assert refused.value.exit_code == Exit.FAILED


def test_foreign_hosts_are_allowed_here() -> None:
    timeline = play(traffic={"istio": {"hosts": ["shop.example.com"]}})
    assert timeline.end.ending is Ending.PROMOTED


# Requests hurt.


def test_hurt_requests_are_those_that_the_new_version_got_wrong() -> None:
    """The proxies' counts, from the first to the last request, not only those of checks."""
    hurt = [
        simulate(setup("errors=20%", rps=1000.0), seed, brief=True).end.hurt for seed in range(5)
    ]
    requests, failed = sum(one.requests for one in hurt), sum(one.failed for one in hurt)
    assert abs(failed - 0.2 * requests) < 3.3 * math.sqrt(requests * 0.2 * 0.8)
    assert all(one.requests > 800 for one in hurt), "10 a second at 1 %, for more than 90 s"


# Statistics.


def test_a_healthy_version_is_rolled_back_as_often_as_arithmetic_says() -> None:
    """Two of two windows of about 60 requests with at least one failure of 0.5 % each fail.

    They overlap by half, so the chance is that of a failure in both: with λ = 0.15 for each third
    of 90 s, 1 - 2·exp(-2λ) + exp(-3λ) for two windows of two thirds that share the middle one.
    """
    third = 0.005 * 30
    expected = 1 - 2 * math.exp(-2 * third) + math.exp(-3 * third)
    one = setup(
        base_error_rate=0.005,
        strategy={"steps": [{"weight": 1, "hold": "0s"}]},
        scrape_interval=SECOND,
    )
    one = replace(one, spec=one.spec | {"analysis": one.spec["analysis"] | {"minRequests": 1}})
    ends = [simulate(one, seed, brief=True) for seed in range(300)]
    twice = sum(end.verdicts[:2] == ((1, Verdict.FAIL), (1, Verdict.FAIL)) for end in ends)
    deviation = math.sqrt(expected * (1 - expected) / len(ends))
    assert abs(twice / len(ends) - expected) < 3.3 * deviation


def ends(*found: tuple[Ending, str, float, int]) -> Sequence[End]:
    return [
        End(ending, reason, "", took * SECOND, 1, Hurt(100, failed))
        for ending, reason, took, failed in found
    ]


def test_groups_are_by_ending_and_reason() -> None:
    back, up = Ending.ROLLED_BACK, Ending.PROMOTED
    found = groups_of(
        ends(
            (back, "NoData", 9, 0),
            (up, "Promoted", 1, 1),
            (back, "AnalysisFailed", 2, 4),
            (up, "Promoted", 3, 2),
            (back, "AnalysisFailed", 4, 6),
        ),
        range(7, 12),
    )
    assert [(one.ending, one.reason, one.share, one.example) for one in found] == [
        (up, "Promoted", Share(2, 5), 8),
        (back, "AnalysisFailed", Share(2, 5), 9),
        (back, "NoData", Share(1, 5), 7),
    ]
    assert found[0].seconds == Spread(2, 2.9)
    assert found[1].hurt == Spread(5, 5.9)
    assert share_of(ends((back, "x", 1, 0), (up, "y", 1, 0)), up) == Share(1, 2)


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        (Share(0, 1000), 0.0, 0.00383),
        (Share(1000, 1000), 0.99617, 1.0),
        (Share(14, 1203), 0.00694, 0.01944),
        (Share(1, 2), 0.0945, 0.9055),
        (Share(0, 0), 0.0, 1.0),
    ],
)
def test_wilsons_interval(share: Share, low: float, high: float) -> None:
    assert share.interval == pytest.approx((low, high), abs=1e-4)


def test_quantiles() -> None:
    assert [quantile([1, 2, 3, 10], share) for share in (0, 0.5, 1)] == [1, 2.5, 10]
    assert quantile([5], 0.95) == 5


# For programs.


def test_a_timeline_is_plain_data() -> None:
    timeline = play("errors=8%@step2", Event(at=When(after=SECOND), request="resume"))
    found = timeline_data(timeline)
    assert yaml.safe_load(yaml.safe_dump(found)) == found
    assert found["scenario"] == "errors=8%@step2"
    assert [one["kind"] for one in found["entries"]][:4] == ["turn", "begins", "told", "turn"]
    checks = [one for one in found["entries"] if one["kind"] == "check"]
    assert [(one["weight"], one["verdict"]) for one in checks] == [
        (weight, verdict.value) for weight, verdict in timeline.verdicts
    ]
    assert "measuredAt" not in checks[0]["metrics"][0]
    assert found["end"]["outcome"] == "rolled-back"
    assert found["end"]["seconds"] == timeline.end.took.total_seconds()


def test_what_was_played_can_be_played_again(tmp_path: Path) -> None:
    """The events of the output are those of a scenario file."""
    events = (
        Event(
            at=When(step=2),
            lasts=90 * SECOND,
            canary=Change(errors=0.001, latency=2 * SECOND),
            stable=Change(hang_up=0.123456),
            rps=5.0,
            bypass=True,
        ),
        Event(at=When(promotion=True), prometheus_down=True, crash=True),
        Event(at=When(after=SECOND), request="abort", canary=Change(errors=1.0)),
    )
    data = timeline_data(play("healthy", *events, base_error_rate=0.01 + 0.02))
    file = tmp_path / "again.yaml"
    file.write_text(yaml.safe_dump({"events": data["events"]}), encoding="utf-8")
    assert read_file(file).scenario("again").events == events
    assert data["baseErrorRate"] == 0.03
    assert (data["baseLatency"], data["approveAfter"]) == (0.04, 10.0)
    assert (data["podStart"], data["scrapeInterval"]) == (5.0, 15.0)


def test_every_kind_of_entry_is_plain_data() -> None:
    timeline = play("rps=90@20s/5s", strategy=APPROVAL)
    kinds = {one["kind"] for one in timeline_data(timeline)["entries"]}
    assert kinds == {"turn", "check", "begins", "ends", "approved"}


def test_runs_are_plain_data() -> None:
    seeds = range(3, 23)
    one = setup("errors=8%")
    found = [simulate(one, seed, brief=True).end for seed in seeds]
    data = runs_data(one, groups_of(found, seeds), seeds, {})
    assert yaml.safe_load(yaml.safe_dump(data)) == data
    assert (data["seed"], data["runs"]) == (3, 20)
    assert data["outcomes"][0]["outcome"] == "rolled-back"
    assert data["outcomes"][0]["count"] == 20
    assert data["outcomes"][0]["interval95"] == [pytest.approx(0.8389, abs=1e-4), 1.0]


def test_stable_may_fail_alone() -> None:
    timeline = play("healthy", Event(stable=Change(errors=0.5)), base_error_rate=0.0)
    assert timeline.end.ending is Ending.PROMOTED
    assert timeline.end.hurt.failed == 0
    stable = timeline.checks[0].metrics[0].stable
    assert stable is not None
    assert stable.bad > 1000
