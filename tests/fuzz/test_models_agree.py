"""What the API server accepts, the operator accepts, and the other way round.

Differences are named in `exceptions.py`. Where `KUBEBUILDER_ASSETS` says where a real API server
is, it is asked too, and the embedded one has to say the same.
"""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from canary_operator.crd import custom_resource_definition
from canary_operator.domain.acceptance import read_spec
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec, find_problems
from tests.crd.specs import GOOD
from tests.fuzz.amount import asked_for_more, examples
from tests.fuzz.exceptions import REFUSED_BY_THE_API_SERVER, REFUSED_BY_THE_OPERATOR, Difference
from tests.fuzz.mutations import changed, single_changes
from tests.fuzz.planes import Planes, rollout

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
SERVED = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC = SERVED["properties"]["spec"]
SPECS = changed(list(GOOD.values()), SPEC)
WHOLE = GOOD["everything of a comparison"]
"""With nearly every field."""

PLACE = r"spec(\.[^ ]*|\[\d+\])*"
SENTENCE = re.compile(
    rf"({PLACE}.* (must|needs|is required|may not change)|"
    rf"unknown field {PLACE}.*(did you mean|known are)).*",
    re.DOTALL,
)
"""Every refusal begins with the field, and says what is allowed."""


def operators_refusal(spec: Mapping[str, Any]) -> str:
    """Return why the operator would not follow a spec; nothing if it would."""
    try:
        read_spec(spec, name="web", namespace="demo", settings=Settings(allowed_hosts=None))
    except InvalidSpecError as error:
        return error.message
    return ""


def explained(
    differences: tuple[Difference, ...], spec: Mapping[str, Any], words: str
) -> str | None:
    return next((each.id for each in differences if each.explains(spec, words)), None)


def judge(planes: Planes, spec: Mapping[str, Any], *, updates: bool = True) -> str:
    """Check that all agree on a spec, and return on what."""
    verdicts = planes.create(rollout(spec)) | (planes.update(spec) if updates else {})
    assert len({verdict.accepted for verdict in verdicts.values()}) == 1, verdicts
    served = next(iter(verdicts.values()))
    refusal = operators_refusal(spec)
    if served.accepted and refusal:
        difference = explained(REFUSED_BY_THE_OPERATOR, spec, refusal)
        assert difference, refusal
        return difference
    if refusal or served.accepted:
        for verdict in verdicts.values():
            assert not verdict.stored or not operators_refusal(verdict.stored["spec"])
        return "refused" if refusal else "accepted"
    difference = explained(REFUSED_BY_THE_API_SERVER, spec, served.refusal)
    assert difference, served.refusal
    return difference


def test_operator_and_api_server_agree(planes: Planes) -> None:
    seen = Counter[str]()

    @examples(200)
    @given(SPECS)
    def agree(spec: dict[str, Any]) -> None:
        seen[judge(planes, spec)] += 1

    agree()
    for outcome in ("accepted", "refused"):
        assert seen[outcome] >= seen.total() / 10, seen


@pytest.mark.timeout(300)
def test_they_agree_on_every_strange_value_in_every_field(planes: Planes) -> None:
    """Of some four thousand specs every fifteenth, and all of them where more is asked for."""
    specs = islice(single_changes(WHOLE, SPEC), 0, None, 1 if asked_for_more() else 15)
    seen = Counter(judge(planes, spec, updates=False) for spec in specs)
    for outcome in ("accepted", "refused"):
        assert seen[outcome] >= seen.total() / 20, seen


@pytest.mark.parametrize(
    "difference", [*REFUSED_BY_THE_API_SERVER, *REFUSED_BY_THE_OPERATOR], ids=lambda each: each.id
)
def test_every_named_difference_is_one(planes: Planes, difference: Difference) -> None:
    assert judge(planes, difference.example) == difference.id


@pytest.mark.parametrize(
    "difference", [*REFUSED_BY_THE_API_SERVER, *REFUSED_BY_THE_OPERATOR], ids=lambda each: each.id
)
def test_the_reference_names_every_difference(difference: Difference) -> None:
    assert difference.id in REFERENCE.read_text(encoding="utf-8")


@examples(300)
@given(SPECS)
def test_every_refusal_names_the_field_and_what_is_allowed(spec: dict[str, Any]) -> None:
    _, problems = find_problems(RolloutSpec, spec)
    for problem in problems:
        assert SENTENCE.fullmatch(problem.sentence), problem.sentence
