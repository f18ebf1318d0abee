"""What Flux makes of a rollout: how long it waits, and when it fails."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.crd import GROUP, KIND, VERSION
from canary_operator.domain.durations import parse_duration
from canary_operator.domain.phase import Phase
from tests.gitops.flux import Check
from tests.gitops.kstatus import KStatus
from tests.gitops.states import State, states

FOLDER = Path(__file__).parents[2] / "deploy" / "flux"
FILES = {
    name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for name in ("acceptance", "approval", "promotion")
}
STATES = [state for state in states() if "status" in state.manifest]  # the CRD sees to it


def check(name: str) -> Check:
    (entry,) = FILES[name]["spec"]["healthCheckExprs"]
    assert (entry["apiVersion"], entry["kind"]) == (f"{GROUP}/{VERSION}", KIND)
    return Check(entry)


APPROVAL, ACCEPTANCE = check("approval"), check("acceptance")


def is_calm(state: State) -> bool:
    """Whether there is no problem and nothing newer than what the operator looked at."""
    status: dict[str, Any] = state.manifest["status"]
    reasons = {one["reason"] for one in status.get("conditions", [])}
    paused = {"ApprovalRequired", "PausedByRequest", "PausedBySpec", "PromotionRequired"}
    words = {*Phase, *paused, "StableUnavailable"}
    return "edited" not in state.name and reasons <= words


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_with_approval_a_step_that_waits_for_a_person_is_done(state: State) -> None:
    waits = state.name in {"waits for approval", "waits for promotion"}
    assert APPROVAL(state.manifest) is (KStatus.CURRENT if waits else state.kstatus)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_with_acceptance_a_rollout_that_is_under_way_is_done(state: State) -> None:
    going = state.phase in {Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING}
    accepted = is_calm(state) and (going or state.name == "at rest, another revision is next")
    assert ACCEPTANCE(state.manifest) is (KStatus.CURRENT if accepted else state.kstatus)


@pytest.mark.parametrize("name", FILES)
def test_times_leave_room_for_each_other(name: str) -> None:
    spec = FILES[name]["spec"]
    timeout, interval, retry = (
        parse_duration(spec[field]) for field in ("timeout", "interval", "retryInterval")
    )
    assert retry < timeout < interval
    assert spec["wait"] is True
    assert "force" not in spec, "it deletes and makes anew, and a rollout does not survive that"


def test_only_promotion_relies_on_conditions_alone() -> None:
    assert {name for name, each in FILES.items() if "healthCheckExprs" not in each["spec"]} == {
        "promotion"
    }
