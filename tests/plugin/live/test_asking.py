"""Requests: what may be asked for, what is set, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.domain.requests import Verb
from canary_operator.playground.client import MERGE, Client
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import Cluster as Live
from canary_operator.plugin.live.access import connect
from canary_operator.plugin.live.asking import (
    Answered,
    Asked,
    Wish,
    answer_to,
    ask,
    check_nobody_waits,
    outcome_in,
    revision_for,
)
from canary_operator.plugin.target import Target
from tests.plugin.objects import (
    AT_REST,
    CANARY,
    ON_TRIAL,
    OTHER,
    ROLLED_BACK,
    annotate,
    create,
    sight,
    write_status,
)
from tests.support.bed import REQUEST
from tests.support.clusters import Cluster

pytestmark = pytest.mark.xdist_group("plugin")
on_a_cluster = pytest.mark.asyncio(loop_scope="session")

PAUSE = f"pause/{CANARY}/1a2b3c"
ROLLING_BACK = {**ON_TRIAL, "phase": "RollingBack", "rejectedRevision": CANARY, "weight": 20}


def record(value: str = PAUSE, **changes: Any) -> dict[str, Any]:
    said = {"value": value, "outcome": "Accepted", "message": "Yes.", "at": "2026-11-28T10:00:00Z"}
    return {"lastRequest": said | changes}


def complaint(act: Callable[[], object]) -> str:
    with pytest.raises(PluginError) as raised:
        act()
    assert raised.value.exit_code == Exit.FAILED
    return raised.value.format_message()


@pytest.mark.parametrize(
    ("status", "wish", "expected"),
    [
        pytest.param(ON_TRIAL, Wish(Verb.PROMOTE), CANARY, id="the canary that is there"),
        pytest.param(ON_TRIAL, Wish(Verb.ABORT, CANARY), CANARY, id="the canary that is meant"),
        pytest.param(ROLLED_BACK, Wish(Verb.RETRY), CANARY, id="a retry means what was rejected"),
        pytest.param(ROLLING_BACK, Wish(Verb.ABORT), CANARY, id="abort hurries a roll back"),
    ],
)
def test_the_revision_of_a_request(status: dict[str, Any], wish: Wish, expected: str) -> None:
    assert revision_for(sight(status), wish) == expected


@pytest.mark.parametrize(
    ("status", "wish", "meta", "expected"),
    [
        pytest.param(
            AT_REST,
            Wish(Verb.PROMOTE),
            {},
            "Nothing to promote: web has no canary (phase Stable). "
            f"Revision {AT_REST['stableRevision']} serves everything.",
            id="nothing is on trial",
        ),
        pytest.param(
            ON_TRIAL,
            Wish(Verb.RETRY),
            {},
            "Nothing to retry: web has no rolled back revision (phase Progressing). "
            f"{ON_TRIAL['message']}",
            id="nothing was rolled back",
        ),
        pytest.param(
            {},
            Wish(Verb.PAUSE),
            {},
            "Nothing to pause: the operator has not looked at web yet. "
            "Does it run, and does it watch namespace demo?",
            id="no operator",
        ),
        pytest.param(
            AT_REST,
            Wish(Verb.PROMOTE),
            {"generation": 2},
            "Nothing to promote: the operator has not looked at the newest spec of web yet. "
            "Try again in a moment.",
            id="an image that was set a moment ago",
        ),
        pytest.param(
            ON_TRIAL,
            Wish(Verb.PROMOTE, OTHER),
            {},
            f"web: the canary is {CANARY}, not {OTHER}. Nothing was asked for.",
            id="another canary than the one that is meant",
        ),
        pytest.param(
            ROLLED_BACK,
            Wish(Verb.RETRY, OTHER),
            {},
            f"web: the rolled back revision is {CANARY}, not {OTHER}. Nothing was asked for.",
            id="another rejected one than the one that is meant",
        ),
        pytest.param(
            ON_TRIAL,
            Wish(Verb.PROMOTE),
            {"deletionTimestamp": "2026-11-28T10:00:00Z"},
            "web is being deleted",
            id="on its way out",
        ),
    ],
)
def test_what_cannot_be_asked_for(
    status: dict[str, Any], wish: Wish, meta: dict[str, Any], expected: str
) -> None:
    assert complaint(lambda: revision_for(sight(status, **meta), wish)) == expected


@pytest.mark.parametrize(
    ("status", "waiting", "verb", "expected"),
    [
        pytest.param(ON_TRIAL, None, Verb.PAUSE, None, id="nobody waits"),
        pytest.param(
            ON_TRIAL | record(), PAUSE, Verb.PAUSE, None, id="answered, and not removed yet"
        ),
        pytest.param(ON_TRIAL, PAUSE, Verb.ABORT, PAUSE, id="an abort goes first"),
    ],
)
def test_a_request_that_may_be_set(
    status: dict[str, Any], waiting: str | None, verb: Verb, expected: str | None
) -> None:
    seen = sight(status, annotations={REQUEST: waiting} if waiting else {})
    assert check_nobody_waits(seen, Wish(verb)) == expected


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(ON_TRIAL, id="never answered"),
        pytest.param(ON_TRIAL | record("pause"), id="another one was answered"),
        pytest.param(ON_TRIAL | record(removed=True), id="the same was answered before"),
    ],
)
def test_a_request_of_somebody_else_is_left(status: dict[str, Any]) -> None:
    seen = sight(status, annotations={REQUEST: PAUSE})
    assert complaint(lambda: check_nobody_waits(seen, Wish(Verb.PROMOTE))) == (
        f"web: another request, {PAUSE}, is waiting for the operator. Wait for it, or take it "
        "back with: kubectl annotate cro/web -n demo canary-operator.dev/request-"
    )


ASKED = Asked(PAUSE, Verb.PAUSE, CANARY, sight(ON_TRIAL), None)
SET = {"annotations": {REQUEST: PAUSE}}


def test_not_answered_yet() -> None:
    assert outcome_in(sight(ON_TRIAL, **SET), ASKED) is None
    assert outcome_in(sight(ON_TRIAL | record("pause"), **SET), ASKED) is None


@pytest.mark.parametrize("meta", [SET, {}])
@pytest.mark.parametrize(("outcome", "accepted"), [("Accepted", True), ("Refused", False)])
def test_the_answer(meta: dict[str, Any], outcome: str, accepted: bool) -> None:
    seen = sight(ON_TRIAL | record(outcome=outcome), **meta)
    found = outcome_in(seen, ASKED)
    assert isinstance(found, Answered)
    assert (found.accepted, found.record.message) == (accepted, "Yes.")


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        pytest.param(
            {}, "web: somebody took it back before the operator answered pause", id="gone"
        ),
        pytest.param(
            {"annotations": {REQUEST: "abort"}},
            "web: somebody replaced it by abort before the operator answered pause",
            id="replaced",
        ),
        pytest.param(
            {**SET, "uid": "u2"}, "web was deleted before the operator answered pause", id="anew"
        ),
        pytest.param(
            {**SET, "deletionTimestamp": "2026-11-28T10:00:00Z"},
            "web was deleted before the operator answered pause",
            id="on its way out",
        ),
    ],
)
def test_no_answer_will_come(meta: dict[str, Any], expected: str) -> None:
    found = outcome_in(sight(ON_TRIAL, **meta), ASKED)
    assert isinstance(found, PluginError)
    assert found.format_message() == expected


@pytest_asyncio.fixture(loop_scope="session")
async def live(cluster: Cluster) -> AsyncIterator[Live]:
    namespace = await cluster.namespace()
    async with connect(Target(cluster.kubeconfig, namespace=namespace)) as live:
        await create(cluster.client, namespace, ON_TRIAL)
        yield live


class Meddler(Live):
    """Somebody else writes between our read and our write, once."""

    def __init__(self, live: Live, meddle: Callable[[], Awaitable[object]]) -> None:
        super().__init__(live._configuration, live.namespace, live.who)
        self.meddle: Callable[[], Awaitable[object]] | None = meddle

    async def merge(self, *arguments: Any) -> dict[str, Any]:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            await meddle()
        return await super().merge(*arguments)


async def ask_while(live: Live, meddle: Callable[[], Awaitable[object]]) -> Asked:
    async with Meddler(live, meddle) as meddler:
        return await ask(meddler, "web", Wish(Verb.PROMOTE))


async def request_of(client: Client, namespace: str) -> str | None:
    found = await client.get(ROLLOUTS, "web", namespace)
    value: str | None = (found["metadata"].get("annotations") or {}).get(REQUEST)
    return value


@on_a_cluster
async def test_the_annotation_names_the_revision(cluster: Cluster, live: Live) -> None:
    asked = await ask(live, "web", Wish(Verb.PROMOTE))
    verb, revision, identity = asked.value.split("/")
    assert (verb, revision, len(identity)) == ("promote", CANARY, 6)
    found = await cluster.client.get(ROLLOUTS, "web", live.namespace)
    assert found["metadata"]["annotations"] == {REQUEST: asked.value}
    assert found["metadata"]["generation"] == 1  # nothing of the spec was touched
    managers = {one["manager"] for one in found["metadata"]["managedFields"]}
    assert "kubectl-canary" in managers


@on_a_cluster
async def test_a_write_of_something_else_is_no_reason_to_fail(cluster: Cluster, live: Live) -> None:
    async def raise_weight() -> None:
        await write_status(cluster.client, live.namespace, ON_TRIAL | {"weight": 50})

    asked = await ask_while(live, raise_weight)
    assert await request_of(cluster.client, live.namespace) == asked.value
    assert asked.sight.weight == 50


@on_a_cluster
async def test_a_canary_that_nobody_saw_is_not_hit(cluster: Cluster, live: Live) -> None:
    async def another_canary() -> None:
        newer = ON_TRIAL | {"canaryRevision": OTHER}
        await write_status(cluster.client, live.namespace, newer)

    with pytest.raises(PluginError) as raised:
        await ask_while(live, another_canary)
    expected = f"web: the canary changed to {OTHER} meanwhile. Look again."
    assert raised.value.format_message() == expected
    assert await request_of(cluster.client, live.namespace) is None


@on_a_cluster
async def test_a_canary_that_is_gone_is_not_hit(cluster: Cluster, live: Live) -> None:
    async def no_canary() -> None:
        gone = AT_REST | {"canaryRevision": None}
        await write_status(cluster.client, live.namespace, gone)

    with pytest.raises(PluginError, match="Nothing to promote: web has no canary"):
        await ask_while(live, no_canary)


@on_a_cluster
async def test_another_object_of_that_name_is_not_hit(cluster: Cluster, live: Live) -> None:
    async def anew() -> None:
        await cluster.client.delete(ROLLOUTS, "web", live.namespace)
        await create(cluster.client, live.namespace, ON_TRIAL)

    with pytest.raises(PluginError, match="web was deleted and made anew meanwhile"):
        await ask_while(live, anew)
    assert await request_of(cluster.client, live.namespace) is None


@on_a_cluster
async def test_an_object_that_is_gone_is_not_made(cluster: Cluster, live: Live) -> None:
    async def delete() -> None:
        await cluster.client.delete(ROLLOUTS, "web", live.namespace)

    with pytest.raises(PluginError, match="No CanaryRollout web in namespace"):
        await ask_while(live, delete)


@on_a_cluster
async def test_of_many_at_once_one_is_set(cluster: Cluster, live: Live) -> None:
    asking = (ask(live, "web", Wish(verb)) for verb in (Verb.PAUSE, Verb.PROMOTE, Verb.RESUME))
    results = await asyncio.gather(*asking, return_exceptions=True)
    [asked] = [one for one in results if isinstance(one, Asked)]
    refused = [one for one in results if isinstance(one, PluginError)]
    assert [str(one) for one in refused if "is waiting for the operator" in str(one)] == [
        str(one) for one in refused
    ]
    assert len(refused) == 2
    assert await request_of(cluster.client, live.namespace) == asked.value


@on_a_cluster
async def test_an_abort_takes_the_place_of_another_request(cluster: Cluster, live: Live) -> None:
    first = await ask(live, "web", Wish(Verb.PROMOTE))
    second = await ask(live, "web", Wish(Verb.ABORT))
    assert second.replaced == first.value
    assert await request_of(cluster.client, live.namespace) == second.value
    with pytest.raises(PluginError, match="somebody replaced it by abort/"):
        await asyncio.wait_for(answer_to(live, first), 20)


async def answer(client: Client, namespace: str, value: str, outcome: str = "Accepted") -> None:
    """Answer a request in the way of the operator: first the status, then the annotation."""
    said = {"value": value, "outcome": outcome, "message": "Done.", "at": "2026-11-28T10:00:00Z"}
    await write_status(client, namespace, {"lastRequest": said})
    await annotate(client, namespace, None)


@on_a_cluster
async def test_the_answer_is_waited_for(cluster: Cluster, live: Live) -> None:
    asked = await ask(live, "web", Wish(Verb.PROMOTE))
    waiting = asyncio.create_task(answer_to(live, asked))
    await write_status(cluster.client, live.namespace, {"weight": 50})
    await answer(cluster.client, live.namespace, asked.value)
    found = await asyncio.wait_for(waiting, 20)
    assert (found.record.message, found.sight.weight) == ("Done.", 50)


@on_a_cluster
async def test_it_is_followed_and_not_polled(cluster: Cluster, live: Live) -> None:
    asked = await ask(live, "web", Wish(Verb.PROMOTE))
    cluster.forget_requests()
    waiting = asyncio.create_task(answer_to(live, asked))
    for weight in range(21, 30):
        await write_status(cluster.client, live.namespace, {"weight": weight})
    await answer(cluster.client, live.namespace, asked.value)
    await asyncio.wait_for(waiting, 20)
    log = cluster.requests().matching(user_agent="canary-operator/")
    assert [each.verb for each in log] == ["list", "watch"]


@on_a_cluster
@pytest.mark.parametrize("anew", [False, True])
async def test_a_deletion_ends_the_wait(cluster: Cluster, live: Live, anew: bool) -> None:
    asked = await ask(live, "web", Wish(Verb.PROMOTE))
    waiting = asyncio.create_task(answer_to(live, asked))
    await cluster.client.delete(ROLLOUTS, "web", live.namespace)
    if anew:
        await create(cluster.client, live.namespace, ON_TRIAL)
    with pytest.raises(PluginError, match="web was deleted before the operator answered promote"):
        await asyncio.wait_for(waiting, 20)


@on_a_cluster
async def test_what_was_taken_back_is_not_waited_for(cluster: Cluster, live: Live) -> None:
    asked = await ask(live, "web", Wish(Verb.PROMOTE))
    waiting = asyncio.create_task(answer_to(live, asked))
    body = {"metadata": {"annotations": {REQUEST: None}}}
    await cluster.client.patch(ROLLOUTS, "web", body, live.namespace, ctype=MERGE)
    with pytest.raises(PluginError, match="somebody took it back"):
        await asyncio.wait_for(waiting, 20)
