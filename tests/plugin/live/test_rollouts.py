"""Finding a rollout, and following it over a connection that does not last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from canary_operator.adapters.cluster.feed import Change, ChangeKind
from canary_operator.playground.api.faults import Fault
from canary_operator.playground.client import NAMESPACES
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.access import Cluster as Live
from canary_operator.plugin.live.access import connect
from canary_operator.plugin.live.rollouts import changes, find, looks, missing
from canary_operator.plugin.target import Target
from tests.plugin.objects import AT_REST, ON_TRIAL, create, write_status
from tests.plugin.people import rule, somebody
from tests.support.bed import open_cluster
from tests.support.clusters import Cluster, EmbeddedCluster

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]


@pytest.mark.parametrize(
    ("places", "here", "expected"),
    [
        pytest.param(
            ["shop"], [], "; there is one in shop. Choose it with: -n shop", id="in another one"
        ),
        pytest.param(
            ["a", "b"], [], "; there are some in a, b. Choose it with: -n a", id="in two others"
        ),
        pytest.param(
            [*"abcdefg"],
            [],
            "; there are some in a, b, c, d, e and others. Choose it with: -n a",
            id="in many others",
        ),
        pytest.param([], ["webshop", "x"], "; did you mean webshop?", id="misspelt"),
        pytest.param([], ["api", "till"], "; there: api, till", id="nothing close, few others"),
        pytest.param([], [f"n{i}" for i in range(9)], "", id="nothing close, many others"),
        pytest.param([], [], ". Choose another with: -n NAMESPACE", id="nothing at all"),
    ],
)
async def test_what_is_not_there(places: list[str], here: list[str], expected: str) -> None:
    assert missing("No web", "webshp", places, here).format_message() == f"No web{expected}"


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: Cluster) -> str:
    return await cluster.namespace()


@pytest_asyncio.fixture(loop_scope="session")
async def live(cluster: Cluster, namespace: str) -> AsyncIterator[Live]:
    async with connect(Target(cluster.kubeconfig, namespace=namespace)) as live:
        yield live


async def complaint(live: Live, name: str) -> str:
    with pytest.raises(PluginError) as raised:
        await find(live, name)
    return raised.value.format_message()


async def test_a_rollout_is_found(cluster: Cluster, live: Live) -> None:
    await create(cluster.client, live.namespace, AT_REST)
    found = await find(live, "web")
    assert (found.namespace, found.name, found.status.phase) == (live.namespace, "web", "Stable")


async def test_one_in_another_namespace_is_told(cluster: Cluster, live: Live) -> None:
    shop = await cluster.namespace("shop")
    await create(cluster.client, shop, name="only-there")
    assert await complaint(live, "only-there") == (
        f"No CanaryRollout only-there in namespace {live.namespace}; there is one in {shop}. "
        f"Choose it with: -n {shop}"
    )


async def test_a_name_that_is_close_is_told(cluster: Cluster, live: Live) -> None:
    await create(cluster.client, live.namespace, name="webshop")
    expected = f"No CanaryRollout webshpo in namespace {live.namespace}; did you mean webshop?"
    assert await complaint(live, "webshpo") == expected


async def test_a_namespace_that_does_not_exist_is_told(cluster: Cluster) -> None:
    async with connect(Target(cluster.kubeconfig, namespace="nowhere")) as live:
        assert await complaint(live, "no-such-name") == (
            "No CanaryRollout no-such-name in namespace nowhere, which does not exist. "
            "Choose another with: -n NAMESPACE"
        )


async def test_who_may_not_look_around_is_told_less(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    shop = await cluster.namespace("shop")
    await create(cluster.client, shop, name="only-there")
    person = await somebody(cluster, namespace, tmp_path, rule("get"))
    async with connect(Target(person.kubeconfig, namespace=namespace)) as live:
        assert await complaint(live, "only-there") == (
            f"No CanaryRollout only-there in namespace {namespace}. "
            "Choose another with: -n NAMESPACE"
        )


async def following(live: Live, troubles: list[str] | None = None) -> AsyncIterator[Change]:
    noted = [] if troubles is None else troubles
    seen = changes(live, namespace=live.namespace, name="web", on_trouble=noted.append)
    async with aclosing(seen):
        async for change in seen:
            yield change


async def test_first_everything_then_every_change(cluster: Cluster, live: Live) -> None:
    client, namespace = cluster.client, live.namespace
    await create(client, namespace, AT_REST)
    await create(client, namespace, AT_REST, name="other")
    feed = following(live)
    async with aclosing(feed), asyncio.timeout(20):
        first = await anext(feed)
        assert (first.kind, first.object["metadata"]["name"]) == (ChangeKind.ADDED, "web")
        assert (await anext(feed)).kind is ChangeKind.SYNCED
        await write_status(client, namespace, ON_TRIAL, name="other")
        await write_status(client, namespace, ON_TRIAL)
        second = await anext(feed)
        assert (second.kind, second.object["status"]["weight"]) == (ChangeKind.MODIFIED, 20)
        await client.delete(ROLLOUTS, "web", namespace)
        assert (await anext(feed)).kind is ChangeKind.DELETED


async def test_all_namespaces(cluster: Cluster, live: Live) -> None:
    await create(cluster.client, live.namespace)
    shop = await cluster.namespace("shop")
    await create(cluster.client, shop)
    seen = changes(live, namespace=None)
    places = set()
    async with aclosing(seen):
        async for change in seen:
            if change.kind is ChangeKind.SYNCED:
                break
            places.add(change.object["metadata"]["namespace"])
    assert places >= {live.namespace, shop}


async def test_looks_tell_that_it_is_gone(cluster: Cluster, live: Live) -> None:
    client, namespace = cluster.client, live.namespace
    seen = looks(live, "web")
    async with aclosing(seen), asyncio.timeout(20):
        assert await anext(seen) is None
        await create(client, namespace)
        found = await anext(seen)
        assert found is not None
        assert found.name == "web"
        await client.delete(ROLLOUTS, "web", namespace)
        assert await anext(seen) is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault(verb="watch", resource="canaryrollouts", status=500, times=3),
            id="the server fails",
        ),
        pytest.param(
            Fault(verb="watch", resource="canaryrollouts", status=429, times=2),
            id="the server is overloaded",
        ),
        pytest.param(
            Fault(verb="watch", resource="canaryrollouts", reset=True, times=3),
            id="connections break",
        ),
    ],
)
async def test_an_outage_is_told_and_survived(cluster: Cluster, live: Live, fault: Fault) -> None:
    if not isinstance(cluster, EmbeddedCluster):
        pytest.skip("needs an API server that fails when asked to")
    troubles: list[str] = []
    await create(cluster.client, live.namespace, AT_REST)
    number = cluster.api.faults.add(fault)
    feed = following(live, troubles)
    async with aclosing(feed), asyncio.timeout(20):
        await anext(feed)
        await anext(feed)
        await write_status(cluster.client, live.namespace, ON_TRIAL)
        assert (await anext(feed)).object["status"]["weight"] == 20
    cluster.api.faults.remove(number)
    assert troubles  # aiohttp tries a broken connection again by itself
    assert "API server" in troubles[0]


async def test_what_was_missed_is_told_later(cluster: Cluster, live: Live) -> None:
    if not isinstance(cluster, EmbeddedCluster):
        pytest.skip("needs an API server that forgets when asked to")
    await create(cluster.client, live.namespace, AT_REST)
    feed = following(live)
    async with aclosing(feed), asyncio.timeout(20):
        await anext(feed)
        await anext(feed)
        cluster.api.faults.add(
            Fault(verb="watch", resource="canaryrollouts", expire_watch=True, times=1)
        )
        cluster.api.cluster.store.end_watches()
        await write_status(cluster.client, live.namespace, ON_TRIAL)
        assert (await anext(feed)).object["status"]["weight"] == 20


async def _to_the_end(feed: AsyncIterator[Change]) -> None:
    async for _ in feed:
        pass


async def first_complaint(target: Target) -> str:
    async with connect(target) as live:
        with pytest.raises(PluginError) as raised:
            await asyncio.wait_for(_to_the_end(following(live)), 20)
        return raised.value.format_message()


async def test_a_first_connection_that_fails_is_the_end(tmp_path: Path, cluster: Cluster) -> None:
    text = cluster.kubeconfig.read_text().replace(cluster.url, "http://127.0.0.1:9")
    (tmp_path / "closed").write_text(text)
    words = await first_complaint(Target(tmp_path / "closed", namespace="demo"))
    assert words.startswith("No answer from the API server at http://127.0.0.1:9: ")
    assert "connect" in words


async def test_a_missing_right_is_the_end(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    person = await somebody(cluster, namespace, tmp_path, rule("get list"))
    target = Target(person.kubeconfig, namespace=namespace)
    words = await first_complaint(target)
    assert words.startswith(
        f"You may not watch canaryrollouts.canary-operator.dev in namespace {namespace}. "
    )


async def test_a_missing_definition_is_the_end(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as bare:
        await bare.client.get(NAMESPACES, "default")
        target = Target(bare.kubeconfig, namespace="default", request_timeout=timedelta(seconds=5))
        words = await first_complaint(target)
    assert words.startswith("This cluster does not know CanaryRollouts: ")
