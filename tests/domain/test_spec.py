from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec import (
    IstioTraffic,
    MetricCheck,
    RolloutSpec,
    ServicePort,
    Step,
    Strategy,
    SuccessRate,
    TrafficSpec,
    check_name,
    find_problems,
    parse_spec,
)
from tests.crd.specs import BAD, FULL, GOOD, SMALLEST, Bad, edited

DESIGN = """
replicas: 4
paused: false
template:
  metadata: {labels: {app: helloworld}}
  spec:
    containers:
    - name: app
      image: helloworld:v1
      ports: [{name: http, containerPort: 8080}]
service: {port: 80, targetPort: http, portName: http, ports: []}
traffic:
  istio: {hosts: [], gateways: []}
strategy:
  steps:
  - {weight: 5, hold: 1m}
  - {weight: 20, hold: 1m}
  - {weight: 50, hold: 2m, approval: true}
  hold: 1m
  progressDeadline: 10m
  scaleDownDelay: 30s
analysis:
  interval: 30s
  window: 60s
  failureLimit: 2
  minRequests: 10
  metrics:
  - {name: success-rate, successRate: {min: 99}}
  - {name: latency, latency: {percentile: 99, max: 500ms}}
  - {name: carts, query: {promql: "…{{ namespace }}…{{ canary }}…", max: 0.01}}
"""


def parsed(**edits: Any) -> RolloutSpec:
    return parse_spec(edited(SMALLEST, {path.replace("__", "."): edits[path] for path in edits}))


def test_the_example_of_the_design_is_read() -> None:
    spec = parse_spec(yaml.safe_load(DESIGN))
    assert spec.replicas == 4
    assert spec.template.labels == {"app": "helloworld"}
    assert spec.service.all_ports == (ServicePort("http", 80, "http"),)
    assert spec.strategy.resolved_steps == (
        Step(5, timedelta(minutes=1)),
        Step(20, timedelta(minutes=1)),
        Step(50, timedelta(minutes=2), approval=True),
    )
    success_rate, latency, carts = spec.analysis.metrics
    assert success_rate.success_rate is not None
    assert success_rate.success_rate.min == 99
    assert latency.latency is not None
    assert latency.latency.max == timedelta(milliseconds=500)
    assert carts.query is not None
    assert (carts.query.min, carts.query.max) == (None, 0.01)


def test_what_is_left_out_has_a_default() -> None:
    spec = parse_spec(SMALLEST)
    assert spec.replicas == 1
    assert not spec.paused
    assert spec.service.all_ports == (ServicePort("http", 80, 80),)
    assert spec.traffic == TrafficSpec(istio=IstioTraffic(hosts=(), gateways=()))
    assert [step.weight for step in spec.strategy.resolved_steps] == [10, 20, 30, 40, 50]
    assert {step.hold for step in spec.strategy.resolved_steps} == {timedelta(minutes=1)}
    assert spec.strategy.progress_deadline == timedelta(minutes=10)
    assert spec.strategy.scale_down_delay == timedelta(seconds=30)
    assert spec.analysis.interval == timedelta(seconds=30)
    assert spec.analysis.failure_limit == 2
    assert spec.analysis.min_requests == 10
    assert spec.analysis.metrics == (
        MetricCheck(name="success-rate", success_rate=SuccessRate(min=99)),
    )


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD.keys())
def test_a_good_spec_has_no_problem(spec: dict[str, Any]) -> None:
    assert find_problems(RolloutSpec, spec)[1] == ()


@pytest.mark.parametrize("bad", BAD, ids=[bad.id for bad in BAD])
def test_a_bad_spec_is_refused_with_field_value_and_what_is_allowed(bad: Bad) -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        parse_spec(bad.spec)
    assert refusal.value.message == bad.problem


def test_every_problem_is_listed() -> None:
    spec = edited(FULL, {"replicas": "3", "strategy.hold": "1 hour", "service": {}, "pause": True})
    with pytest.raises(InvalidSpecError) as refusal:
        parse_spec(spec)
    for part in ("spec.replicas", "spec.strategy.hold", "spec.service", "spec.pause; did you mean"):
        assert part in refusal.value.message


def test_a_problem_knows_its_place() -> None:
    _, problems = find_problems(RolloutSpec, edited(FULL, {"strategy.steps.1.weight": 1}))
    assert [problem.place for problem in problems] == [("spec", "strategy", "steps", 1, "weight")]


@pytest.mark.parametrize("spec", [None, "web", ["web"], 3])
def test_a_spec_that_is_no_object_is_refused(spec: Any) -> None:
    with pytest.raises(InvalidSpecError, match="must be an object with fields"):
        parse_spec(spec)


@pytest.mark.parametrize(
    "number", [float("nan"), float("inf"), 10**400], ids=["nan", "inf", "huge"]
)
def test_a_number_that_no_float_holds_is_refused(number: float) -> None:
    with pytest.raises(InvalidSpecError, match="must be a percentage"):
        parse_spec(edited(FULL, {"analysis.metrics.0.successRate.min": number}))


@pytest.mark.parametrize("value", [[], {}, ["1m"], {"m": 1}])
def test_a_duration_that_is_a_list_or_an_object_is_refused(value: object) -> None:
    with pytest.raises(InvalidSpecError, match="must be a duration"):
        parse_spec(edited(FULL, {"strategy.hold": value}))


def test_a_label_that_is_no_text_is_told_as_it_was_written() -> None:
    with pytest.raises(InvalidSpecError, match="quote inject: true"):
        parse_spec(edited(FULL, {"template.metadata.labels": {"inject": True}}))


def test_a_long_value_is_cut() -> None:
    with pytest.raises(InvalidSpecError, match="…, but") as refusal:
        parse_spec(edited(FULL, {"paused": "x" * 10_000}))
    assert len(refusal.value.message) < 200


def test_a_spec_of_endless_depth_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(InvalidSpecError, match="nested"):
        parse_spec(edited(SMALLEST, {}) | {"template": deep})


def test_the_names_of_python_are_unknown_to_users() -> None:
    with pytest.raises(InvalidSpecError, match="did you mean stepWeight"):
        parse_spec(edited(SMALLEST, {"strategy": {"step_weight": 10}}))


def test_a_view_of_a_mapping_is_read_like_a_dict() -> None:
    assert parse_spec(MappingProxyType(FULL)) == parse_spec(FULL)


def test_the_template_stays_as_the_user_wrote_it() -> None:
    template = edited(FULL, {})["template"] | {"metadata": None}
    spec = parse_spec({**FULL, "template": template})
    assert spec.template.raw == template
    assert spec.template.labels == {}
    assert spec.template.annotations == {}


def test_a_later_change_of_the_raw_spec_does_not_reach_the_template() -> None:
    raw = edited(FULL, {})
    spec = parse_spec(raw)
    raw["template"]["spec"]["containers"][0]["image"] = "web:v2"
    assert spec.template.raw["spec"]["containers"][0]["image"] == "web:v1"


def test_specs_are_equal_when_they_say_the_same() -> None:
    assert parse_spec(FULL) == parse_spec(edited(FULL, {}))
    other_env = {"template.spec.containers.0.env": []}
    assert parse_spec(FULL) != parse_spec(edited(FULL, other_env))


def test_a_spec_is_written_as_it_was_read() -> None:
    raw = edited(FULL, {"replicas": 2.0})
    written = parse_spec(raw).model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude_none=True
    )
    assert parse_spec(written) == parse_spec(edited(raw, {"replicas": 2}))


def test_ports_are_complete() -> None:
    spec = parse_spec(GOOD["several ports"])
    assert spec.service.all_ports == (
        ServicePort("http", 80, 8080),
        ServicePort("api", 81, "api", "grpc"),
        ServicePort("grpc-web-ui", 82, 82),
    )


@pytest.mark.parametrize(
    ("strategy", "weights"),
    [
        pytest.param({"stepWeight": 10, "maxWeight": 30}, [10, 20, 30], id="it fits"),
        pytest.param({"stepWeight": 20, "maxWeight": 50}, [20, 40, 50], id="a shorter last step"),
        pytest.param({"stepWeight": 30}, [30, 50], id="the default end"),
        pytest.param({"maxWeight": 25}, [10, 20, 25], id="the default step"),
        pytest.param({"stepWeight": 100, "maxWeight": 100}, [100], id="all at once"),
    ],
)
def test_the_shorthand_ends_at_the_last_weight(
    strategy: dict[str, int], weights: list[int]
) -> None:
    steps = parsed(strategy=strategy).strategy.resolved_steps
    assert [step.weight for step in steps] == weights


@given(step=st.integers(1, 100), last=st.integers(1, 100))
def test_the_shorthand_rises_by_at_most_one_step(step: int, last: int) -> None:
    step = min(step, last)
    strategy = Strategy(step_weight=step, max_weight=last)
    weights = [0, *(one.weight for one in strategy.resolved_steps)]
    assert all(0 < after - before <= step for before, after in pairwise(weights))
    assert weights[-1] == last


def test_a_step_may_have_a_hold_of_nothing() -> None:
    steps = [{"weight": 1, "hold": "0s"}, {"weight": 2}]
    first, second = parsed(strategy={"hold": "5m", "steps": steps}).strategy.resolved_steps
    assert (first.hold, second.hold) == (timedelta(), timedelta(minutes=5))


@pytest.mark.parametrize(
    ("analysis", "scrape_seconds", "window_seconds"),
    [
        pytest.param({}, 5, 30, id="the interval"),
        pytest.param({}, 15, 60, id="four scrapes, where they take longer"),
        pytest.param({"window": "45s"}, 15, 45, id="what the user says"),
    ],
)
def test_a_check_looks_back_on(
    analysis: dict[str, str], scrape_seconds: int, window_seconds: int
) -> None:
    window = parsed(analysis=analysis).analysis.resolved_window(timedelta(seconds=scrape_seconds))
    assert window == timedelta(seconds=window_seconds)


@pytest.mark.parametrize("name", ["a", "web", "web-2", "w" * 56])
def test_a_name_that_services_can_have(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "2web", "Web", "web-", "we.b", "web\n", "w" * 57])
def test_a_name_that_no_service_can_have(name: str) -> None:
    with pytest.raises(InvalidSpecError, match=r"metadata\.name is .*, but must be a name of"):
        check_name(name)


def test_parts_that_were_read_before_are_taken_as_they_are() -> None:
    before = parse_spec(FULL)
    spec = RolloutSpec(template=before.template, service=before.service)
    assert spec.template.raw == FULL["template"]
    assert spec.service == before.service
