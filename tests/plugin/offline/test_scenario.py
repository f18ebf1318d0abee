"""What words and files mean, and what is said about those that mean nothing."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline.simulation.asked import Asked, setup_of
from canary_operator.plugin.offline.simulation.scenario import (
    KINDS,
    Change,
    Event,
    Scenario,
    When,
    fitted,
    parse_events,
)
from canary_operator.plugin.offline.simulation.scenario_file import read_file
from canary_operator.plugin.offline.simulation.stage import Conditions, Reached, Stage
from canary_operator.plugin.offline.simulation.told import event_words, when_words
from canary_operator.plugin.offline.simulation.traffic import Behaviour

FAULTY = Path(__file__).parents[3] / "examples" / "helloworld" / "3-helloworld-v3-faulty.yaml"
SECOND = timedelta(seconds=1)
HALF_OF_BOTH = {"canary": Change(errors=0.5), "stable": Change(errors=0.5)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("healthy", (), id="nothing happens"),
        pytest.param("errors=8%", (Event(canary=Change(errors=0.08)),), id="from the beginning on"),
        pytest.param(
            "errors=0.5%@step2",
            (Event(at=When(step=2), canary=Change(errors=0.005)),),
            id="from a step on",
        ),
        pytest.param(
            "latency=1.5s@1m30s/10s",
            (
                Event(
                    at=When(after=90 * SECOND),
                    lasts=10 * SECOND,
                    canary=Change(latency=1.5 * SECOND),
                ),
            ),
            id="from a time on, for a while",
        ),
        pytest.param(
            "outage",
            (Event(at=When(step=2, or_last=True), lasts=120 * SECOND, **HALF_OF_BOTH),),
            id="an outage has a usual place and length",
        ),
        pytest.param(
            "outage=50%@90s/2m",
            (Event(at=When(after=90 * SECOND), lasts=120 * SECOND, **HALF_OF_BOTH),),
            id="and may have others",
        ),
        pytest.param("no-traffic", (Event(rps=0.0),), id="no traffic"),
        pytest.param("crashloop@step3", (Event(at=When(step=3), crash=True),), id="crashes"),
        pytest.param(
            "prometheus-down@promotion/1m",
            (Event(at=When(promotion=True), lasts=60 * SECOND, prometheus_down=True),),
            id="while promoting",
        ),
        pytest.param(
            "bypass, rps=5@10s,hangup=1%",
            (
                Event(bypass=True),
                Event(at=When(after=10 * SECOND), rps=5.0),
                Event(canary=Change(hang_up=0.01)),
            ),
            id="several at once",
        ),
    ],
)
def test_words(text: str, expected: tuple[Event, ...]) -> None:
    assert parse_events(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("errors=5", "--scenario errors=5: '5' is no share of the requests: did you mean 5%?"),
        ("errors=half", "write a percentage such as 5% or 0.1%"),
        ("errors=101%", "'101%' is no share of the requests"),
        ("errors", "errors needs a value; write for example errors=5%"),
        ("errors=", "errors needs a value; write for example errors=5%"),
        ("latency=2", "'2' is no duration; write it such as 30s, 1m30s or 2h"),
        ("rps=many", "'many' is no number of requests a second, such as 100"),
        ("rps=1e9", "'1e9' is more than the 10,000,000 requests a second at most"),
        ("rps=nan", "'nan' is no number of requests a second, such as 100"),
        ("rps=-1", "'-1' is no number of requests a second, such as 100"),
        ("crashloop=3", "--scenario crashloop=3: crashloop takes no value"),
        ("errors=5%@step0", "'step0' is no moment of a rollout: write step2, a time such as 90s"),
        ("errors=5%@", "'' is no moment of a rollout"),
        ("outage/long", "'long' is no duration"),
        ("erors=5%", "'erors=5%' is unknown. Did you mean errors? Known are healthy, errors=5%"),
        ("", "'' is unknown. Known are healthy"),
        ("errors=5%,", "'' is unknown"),
        ("healthy,outage", "healthy means that nothing happens, and stands alone"),
    ],
)
def test_words_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(PluginError) as refused:
        parse_events(text)
    assert message in refused.value.message
    assert refused.value.exit_code == Exit.USAGE


def test_every_kind_of_event_is_told_in_the_refusal() -> None:
    with pytest.raises(PluginError) as refused:
        parse_events("nonsense")
    assert all(word in refused.value.message for word in KINDS)


def test_steps_that_there_are_not() -> None:
    with pytest.raises(PluginError, match="at step3, but there is only one step"):
        fitted(parse_events("errors=5%@step3"), 1)
    with pytest.raises(PluginError, match="at step9, but there are only 4 steps"):
        fitted(parse_events("errors=5%@step9"), 4)
    assert fitted(parse_events("outage"), 1)[0].at.step == 1
    assert fitted(parse_events("outage"), 4)[0].at.step == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("errors=8%", "the canary fails 8 % of its requests"),
        ("outage/1m", "both versions fail 50 % of their requests, for 1m"),
        ("latency=2s", "the canary answers after 2s (median)"),
        ("hangup=5%", "5 % of the callers of the canary hang up before the response"),
        ("no-traffic", "nobody sends a request"),
        ("rps=2.5", "2.5 requests/s"),
        ("bypass", "no caller follows the route"),
        ("crashloop", "the new version's pods crash"),
        ("prometheus-down", "Prometheus is down"),
    ],
)
def test_events_in_words(text: str, words: str) -> None:
    assert event_words(parse_events(text)[0]) == words


def test_more_events_in_words() -> None:
    both = Event(canary=Change(errors=0.5), stable=Change(latency=SECOND), request="abort")
    assert event_words(both) == (
        "the canary fails 50 % of its requests, stable answers after 1s (median), a person aborts"
    )
    assert event_words(Event(queries={"carts": 0.5})) == "the query of carts gives 0.5"
    assert event_words(Event(canary=HALF_OF_BOTH["canary"])) != event_words(Event(**HALF_OF_BOTH))
    assert event_words(Event()) == "nothing changes"
    moments = [When(), When(after=90 * SECOND), When(step=2), When(promotion=True)]
    assert [when_words(moment) for moment in moments] == [
        "all the time",
        "from 1m30s on",
        "from step 2 on",
        "from the promotion on",
    ]


# Files.

WRITTEN = """\
rps: 200
baseErrorRate: 0.05%
baseLatency: 20ms
seed: 3
approveAfter: never
queries: {carts: 0.02}
events:
- {at: step2, canary: {errors: 5%, latency: 2s}, for: 1m}
- {at: 90s, both: {errors: 50%}, prometheus: down}
- {stable: {hangUp: 1%}, rps: 0, bypass: true, pods: crash}
- {at: promotion, request: abort, queries: {carts: 1}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_says_more_than_words(tmp_path: Path) -> None:
    found = read_file(written(tmp_path, WRITTEN))
    assert found.seed == 3
    assert found.scenario("mine") == Scenario(
        name="mine",
        rps=200.0,
        base_error_rate=0.0005,
        base_latency=timedelta(milliseconds=20),
        approve_after=None,
        queries={"carts": 0.02},
        events=(
            Event(
                at=When(step=2),
                lasts=60 * SECOND,
                canary=Change(errors=0.05, latency=2 * SECOND),
            ),
            Event(at=When(after=90 * SECOND), prometheus_down=True, **HALF_OF_BOTH),
            Event(stable=Change(hang_up=0.01), rps=0.0, bypass=True, crash=True),
            Event(at=When(promotion=True), request="abort", queries={"carts": 1.0}),
        ),
    )


@pytest.mark.parametrize(
    ("changes", "canary", "stable"),
    [
        ("both: {errors: 5%}, canary: {latency: 2s}", Change(0.05, None, 2 * SECOND), Change(0.05)),
        ("both: {errors: 5%}, stable: {errors: 1%}", Change(0.05), Change(0.01)),
        ("both: {errors: 5%}, canary: {errors: 0%}", Change(0.0), Change(0.05)),
    ],
)
def test_what_is_said_of_one_version_outranks_what_is_said_of_both(
    tmp_path: Path, changes: str, canary: Change, stable: Change
) -> None:
    found = read_file(written(tmp_path, f"events: [{{{changes}}}]")).scenario("mine")
    assert (found.events[0].canary, found.events[0].stable) == (canary, stable)


def test_an_empty_file_is_a_healthy_rollout(tmp_path: Path) -> None:
    assert read_file(written(tmp_path, "")).scenario("mine") == Scenario(name="mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events: [{at: 90}]", "scenario.events[0].at is 90, but must be step2, a time such as"),
        ("events: [{canary: {errors: 5}}]", "did you mean 5%?"),
        ("events: [{canary: {eror: 5%}}]", "unknown field scenario.events[0].canary.eror"),
        ("events: [{request: retry}]", 'is "retry", but must be'),
        ("rps: -1", "scenario.rps is -1, but must be requests a second, from 0 to 10000000"),
        ("approveAfter: 10", "scenario.approveAfter is 10, but must be a duration such as 5m"),
        ("seed: x", 'scenario.seed is "x", but must be a whole number'),
        ("[1, 2]", "scenario must be an object with fields"),
        ("events: [", "scenario.yaml: while parsing"),
    ],
)
def test_files_that_mean_nothing(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError) as refused:
        read_file(written(tmp_path, text))
    assert message in refused.value.message
    assert refused.value.exit_code == Exit.USAGE


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"none.yaml: No such file"):
        read_file(tmp_path / "none.yaml")


# The command line outranks a file.


def asked(**words: Any) -> Asked:
    return Asked(files=[str(FAULTY)], **words)


def test_options_outrank_a_file(tmp_path: Path) -> None:
    file = str(written(tmp_path, "rps: 200\nbaseErrorRate: 1%\nseed: 7\napproveAfter: 5m"))
    setup, seed = setup_of(asked(scenario=file))
    assert (setup.scenario.rps, setup.scenario.base_error_rate, seed) == (200.0, 0.01, 7)
    assert setup.scenario.approve_after == 300 * SECOND
    setup, seed = setup_of(
        asked(scenario=file, rps="50", base_error_rate="2%", approve_after="never", seed=1)
    )
    assert (setup.scenario.rps, setup.scenario.base_error_rate, seed) == (50.0, 0.02, 1)
    assert setup.scenario.approve_after is None


def test_the_manifest_is_the_canarys() -> None:
    setup, _ = setup_of(asked(base_latency=timedelta(milliseconds=5)))
    assert (setup.namespace, setup.name) == ("demo", "helloworld")
    assert setup.spec == yaml.safe_load(FAULTY.read_text())["spec"]
    assert setup.stable_spec["template"]["spec"] == setup.spec["template"]["spec"]
    assert setup.stable_spec["template"] != setup.spec["template"]
    assert setup.scenario.base_latency == timedelta(milliseconds=5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rps": "nan"}, "--rps: 'nan' is no number of requests a second, such as 100"),
        ({"base_error_rate": "5"}, "--base-error-rate: '5' is no share"),
        ({"approve_after": "soon"}, "--approve-after: 'soon' is no duration"),
        ({"name": "web"}, "There is no rollout web; there are: demo/helloworld"),
        ({"scenario": "errors=5%@step9"}, "at step9, but there are only 4 steps"),
    ],
)
def test_options_that_mean_nothing(words: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError) as refused:
        setup_of(asked(**words))
    assert message in refused.value.message
    assert refused.value.exit_code == Exit.USAGE


def test_a_scrape_interval_that_the_operator_would_refuse() -> None:
    with pytest.raises(PluginError, match="must not be shorter than 1m") as refused:
        setup_of(asked(scrape_interval=60 * SECOND))
    assert refused.value.exit_code == Exit.FAILED


def test_answers_to_queries_that_there_are_not(tmp_path: Path) -> None:
    file = str(written(tmp_path, "events: [{queries: {carts: 1}}]"))
    with pytest.raises(PluginError, match="'carts', but metrics with a query are: none"):
        setup_of(asked(scenario=file))


# The stage.


def test_events_begin_and_end_where_they_should() -> None:
    scenario = Scenario(events=parse_events("errors=5%@10s/20s,rps=5@step2,crashloop@promotion"))
    stage = Stage(scenario)
    usual = Behaviour(0.001, 0.0, timedelta(milliseconds=40))
    assert stage.conditions == Conditions(100.0, usual, usual)
    assert stage.next_at(timedelta()) == 10 * SECOND

    assert stage.advance(Reached(9 * SECOND)) == ([], [])
    begun, over = stage.advance(Reached(10 * SECOND, step=1))
    assert ([event.canary.errors for event in begun], over) == ([0.05], [])
    assert stage.conditions.canary == replace(usual, errors=0.05)
    assert stage.conditions.stable == usual
    assert stage.next_at(10 * SECOND) == 30 * SECOND

    begun, over = stage.advance(Reached(30 * SECOND, step=2))
    assert ([event.rps for event in begun], [event.canary.errors for event in over]) == (
        [5.0],
        [0.05],
    )
    assert stage.conditions == Conditions(5.0, usual, usual)
    assert stage.next_at(30 * SECOND) is None

    stage.advance(Reached(31 * SECOND, step=2, promoting=True))
    assert stage.conditions.crash


def test_of_several_events_the_latest_counts() -> None:
    stage = Stage(Scenario(events=parse_events("errors=5%/1m,errors=50%@10s/10s")))
    seen = []
    for second in (0, 10, 20, 60):
        stage.advance(Reached(second * SECOND))
        seen.append(stage.conditions.canary.errors)
    assert seen == [0.05, 0.5, 0.05, 0.001]
