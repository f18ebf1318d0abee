"""Names and metadata: what becomes a Service is a name for one; oddities beside it do no harm."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.spec import check_name
from canary_operator.playground.client import MERGE, NotFoundError, Resource
from canary_operator.playground.local import ROLLOUTS
from tests.crd.specs import SMALLEST
from tests.fuzz.amount import examples
from tests.fuzz.planes import Planes, rollout
from tests.fuzz.schemas import TEXT
from tests.support.bed import Bed, condition, quick_spec
from tests.support.clusters import eventually

INNER = string.ascii_lowercase + string.digits + "-"
LONGEST = 56
NEARLY = st.text(INNER, min_size=1, max_size=63) | st.builds(
    lambda first, length: first + "a" * length,
    st.sampled_from("a9-.A_ä"),
    st.sampled_from([0, 1, 54, 55, 56, 57, 62, 63, 64, 252, 253, 254]),
)
NAMES = NEARLY | st.builds(
    lambda name, odd, at: name[:at] + odd + name[at:],
    NEARLY,
    st.sampled_from(".A_é-9\x00 "),
    st.integers(0, 63),
)


def operators_refusal(name: str) -> str:
    try:
        check_name(name)
    except InvalidSpecError as error:
        return error.message
    return ""


@examples(200)
@given(NAMES)
def test_operator_and_api_server_agree_on_names(planes: Planes, name: str) -> None:
    refusal = operators_refusal(name)
    verdicts = planes.create(rollout(SMALLEST, name))
    assert {verdict.accepted for verdict in verdicts.values()} == {not refusal}, verdicts
    assert not refusal or refusal.startswith("metadata.name is ")
    assert not refusal or "must be a name of lower-case letters, digits" in refusal


@pytest.mark.parametrize("length", range(1, 64))
def test_a_name_of_every_length(planes: Planes, length: int) -> None:
    name = "a" * length
    verdicts = planes.create(rollout(SMALLEST, name))
    assert {verdict.accepted for verdict in verdicts.values()} == {length <= LONGEST}
    assert bool(operators_refusal(name)) == (length > LONGEST)


KEYS = st.text(string.ascii_letters + string.digits + "/._-", max_size=70)


@examples(150)
@given(
    metadata=st.fixed_dictionaries(
        {},
        optional={
            "labels": st.dictionaries(KEYS, KEYS | TEXT, max_size=3),
            "annotations": st.dictionaries(KEYS, TEXT | st.just("ä" * 5000), max_size=3),
            "finalizers": st.lists(KEYS, max_size=2),
            "generateName": NEARLY,
        },
    )
)
def test_metadata_is_judged_alike(planes: Planes, metadata: dict[str, Any]) -> None:
    """The operator has no opinion on it; the embedded API has that of the real one."""
    verdicts = planes.create(rollout(SMALLEST, **metadata))
    assert len({verdict.accepted for verdict in verdicts.values()}) == 1, verdicts


CONFIG_MAPS = Resource("configmaps")
ODDITIES: dict[str, Any] = {
    "annotations": {
        "example.com/story": "\u202e\U0001f600 ä\n\x1b[31m" * 100,
        "kubectl.kubernetes.io/last-applied-configuration": "{",
        "canary-operator.dev/request": "\u202e/\U0001f600",
        "canary-operator.dev/nothing": "",
    },
    "labels": {"canary-operator.dev/rollout": "another", "canary-operator.dev/track": "stable"},
    "finalizers": ["example.com/mine"],
    "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1", "controller": True}
    ],
}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.xdist_group("fuzz")
@pytest.mark.timeout(300)
async def test_a_rollout_with_odd_metadata_is_followed_and_goes(bed: Bed) -> None:
    namespace = await bed.cluster.namespace()
    owner = await bed.client.create(CONFIG_MAPS, {"metadata": {"name": "owner"}}, namespace)
    reference = {**ODDITIES["ownerReferences"][0], "name": "owner", "uid": owner["metadata"]["uid"]}
    metadata = {**ODDITIES, "ownerReferences": [reference], "generateName": "odd-"}
    body = rollout(quick_spec(), **metadata)
    del body["metadata"]["name"]
    made = await bed.client.create(ROLLOUTS, body, namespace)
    name = made["metadata"]["name"]
    assert name.startswith("odd-")

    async def served() -> Any:
        found = await bed.client.get(ROLLOUTS, name, namespace)
        return condition(found.get("status") or {}, "Ready")["status"] == "True" and found

    found = await eventually(served)
    assert found["status"]["lastRequest"]["outcome"] == "Refused"
    assert found["metadata"]["finalizers"] == ["example.com/mine"]
    assert found["metadata"]["ownerReferences"] == [reference]
    assert found["metadata"]["labels"] == ODDITIES["labels"]
    await bed.client.delete(ROLLOUTS, name, namespace)
    await bed.client.patch(
        ROLLOUTS, name, {"metadata": {"finalizers": None}}, namespace, ctype=MERGE
    )

    async def gone() -> bool:
        try:
            await bed.client.get(ROLLOUTS, name, namespace)
        except NotFoundError:
            return True
        return False

    await eventually(gone)
