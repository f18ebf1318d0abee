"""What generated input has brought to light, one sentence each."""

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from canary_operator.domain.reasons import Reason
from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.domain.status import RolloutStatus
from canary_operator.testing.driver import Driver
from tests.crd.specs import SMALLEST, edited
from tests.fuzz.planes import Planes, rollout
from tests.fuzz.test_strange_statuses import stored, worlds

PROGRESSING = ("Progressing", False)
ROLLED_BACK = ("RolledBack", False)


def written_by_somebody(begin: tuple[str, bool], **changes: Any) -> dict[str, Any]:
    return {**deepcopy(worlds()[begin].status), **changes}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"step": -2147483648}, id="a step before the first"),
        pytest.param({"weight": 101}, id="a weight above all requests"),
        pytest.param({"weight": -1}, id="a weight below none"),
        pytest.param(
            {"attempt": {"startedAt": "2026-01-01T00:00:00Z", "requestsHurt": -1}},
            id="less than no hurt requests",
        ),
        pytest.param(
            {
                "attempt": {
                    "startedAt": "2026-01-01T00:00:00Z",
                    "evidence": [{"name": "success-rate", "staked": []}],
                }
            },
            id="bets on less than all ratios",
        ),
        pytest.param({"failedChecks": -1000000}, id="checks that failed less than never"),
    ],
)
def test_the_api_server_refuses_a_number_that_no_operator_writes(changes: dict[str, Any]) -> None:
    status = written_by_somebody(PROGRESSING, **changes)
    assert stored(status) is None
    assert RolloutStatus.read(status) == RolloutStatus()


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_at_an_end_of_the_calendar_is_no_status(moment: str) -> None:
    status = written_by_somebody(PROGRESSING, weightAppliedAt=moment)
    assert stored(status) == status
    assert RolloutStatus.read(status) == RolloutStatus()
    world = deepcopy(worlds()[PROGRESSING])
    world.status = status
    driver = Driver(world)
    asyncio.run(driver.work())
    assert driver.status.phase is not None


def test_a_reason_that_only_another_operator_knows_does_not_stop_a_rollback() -> None:
    world = deepcopy(worlds()[ROLLED_BACK])
    world.status["history"][0]["reason"] = "OfALaterVersion"
    asyncio.run(Driver(world).work())
    assert world.route.weight == 0
    assert world.route.rejected == world.status["rejectedRevision"]
    assert world.route.rejected_because == Reason.ROLLED_BACK


def test_no_server_takes_a_port_with_a_fraction_not_even_an_unchanged_one(planes: Planes) -> None:
    spec = edited(SMALLEST, {"service.port": 80.0})
    for verdict in (planes.create(rollout(spec)) | planes.update(spec)).values():
        assert "invalid data, expected int, got float64" in verdict.refusal


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_whole_numbers_beyond_64_bits_are_fractions(planes: Planes, number: int) -> None:
    spec = edited(SMALLEST, {"template.spec.x": number})
    for verdict in planes.create(rollout(spec)).values():
        assert verdict.stored is not None
        assert verdict.stored["spec"]["template"]["spec"]["x"] == pytest.approx(number)


def test_a_number_beyond_all_floats_is_no_json(planes: Planes) -> None:
    spec = edited(SMALLEST, {"template.spec.x": 10**400})
    for verdict in planes.create(rollout(spec)).values():
        assert not verdict.accepted


def test_a_beginning_of_names_may_end_with_a_hyphen_but_not_be_one(planes: Planes) -> None:
    for prefix, accepted in (("web-", True), ("-", False), ("web-.", False)):
        for verdict in planes.create(rollout(SMALLEST, generateName=prefix)).values():
            assert verdict.accepted == accepted, (prefix, verdict)


def test_a_finalizer_of_a_custom_object_needs_no_domain(planes: Planes) -> None:
    for verdict in planes.create(rollout(SMALLEST, finalizers=["mine"])).values():
        assert verdict.accepted, verdict


def test_the_largest_spec_is_within_what_rules_may_cost(planes: Planes) -> None:
    """A CEL rule over two lists costs their product; the API server refuses what costs too much."""
    names = [f"{number:063}" for number in range(100)]
    spec = {
        "template": {
            "metadata": {"labels": {f"example.com/{name}": name for name in names}},
            "spec": {"containers": [{"name": name, "image": "i" * 1024} for name in names]},
        },
        "service": {
            "ports": [{"name": f"http-{name[5:]}", "port": 1 + int(name)} for name in names[:20]]
        },
        "traffic": {
            "istio": {
                "hosts": [f"{'a.' * 95}{name}" for name in names[:20]],
                "gateways": [f"{name}/{'g' * 63}" for name in names[:20]],
            }
        },
        "strategy": {"steps": [{"weight": 100, "hold": "1m" * 10} for _ in range(20)]},
        "analysis": {
            "comparison": {},
            "metrics": [
                {"name": names[0], "successRate": {}},
                *(
                    {"name": name, "query": {"promql": "q" * 4096, "max": 1}}
                    for name in names[1:20]
                ),
            ],
        },
    }
    assert find_problems(RolloutSpec, spec)[1] == ()
    for verdict in (planes.create(rollout(spec)) | planes.update(spec)).values():
        assert verdict.accepted, verdict.refusal
