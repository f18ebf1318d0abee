"""What somebody who may write CanaryRollouts, and nothing else, tries: the operator refuses."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from canary_operator.playground.client import MERGE
from tests.support.bed import (
    VIRTUAL_SERVICES,
    Bed,
    Release,
    bed_around,
    condition,
    open_cluster,
    quick_spec,
    template,
)
from tests.support.clusters import DEFINITION_FOLDERS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("authors")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
FLAGS = ("--allowed-host=*.example.com", "--log-level=debug")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    folder = tmp_path_factory.mktemp("authors")
    async with (
        open_cluster(folder, *DEFINITION_FOLDERS) as cluster,
        bed_around(cluster, folder, FLAGS) as bed,
    ):
        yield bed


async def claim(release: Release, *hosts: str) -> None:
    await release.apply(traffic={"istio": {"hosts": list(hosts)}})


async def routed_hosts(release: Release) -> list[str]:
    route = await release.bed.client.get(VIRTUAL_SERVICES, release.name, release.namespace)
    return list(route["spec"]["hosts"])


async def until_refused(release: Release) -> dict[str, str]:
    """Wait until the newest spec is refused, and return the condition that says so."""
    generation = (await release.get())["metadata"]["generation"]
    status = await release.until(lambda s: s.get("observedGeneration") == generation)
    assert condition(status, "Stalled")["status"] == "True"
    return condition(status, "Ready")


async def test_hosts_of_others_are_refused_and_what_runs_stays(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    before = await routed_hosts(release)
    for host in (
        "payments",
        f"payments.{release.namespace}",
        "kubernetes.default",
        "kubernetes.default.svc.cluster.local",
        "*.default.svc.cluster.local",
        "*.local",
        "10.0.0.1",
        "example.com",
        "shop.example.org",
    ):
        await claim(release, host)
        ready = await until_refused(release)
        assert (ready["status"], ready["reason"]) == ("False", "HostNotAllowed")
        assert repr(host) in ready["message"]
        status = await release.status()
        assert (status["phase"], status["weight"]) == ("Progressing", 20)
        assert await routed_hosts(release) == before
        assert await release.image("stable") == "app:v1"
    await claim(release, "shop.example.com", f"web.{release.namespace}")
    await release.until(lambda s: condition(s, "Ready")["reason"] == "Progressing")
    own = f"web.{release.namespace}.svc.cluster.local"
    await release.bed.client.patch(
        VIRTUAL_SERVICES,
        "web",
        {"spec": {"hosts": ["kubernetes.default.svc.cluster.local"]}},
        release.namespace,
        ctype=MERGE,
    )  # what somebody with more rights wrote into the route opens nothing for the author

    async def only_what_is_allowed() -> bool:
        return await routed_hosts(release) == [own, "shop.example.com"]

    await eventually(only_what_is_allowed)


async def test_the_debug_log_has_no_token_of_the_service_account(bed: Bed) -> None:
    release = await bed.release("quiet")
    await release.apply(template=template("v2"))
    await release.until(lambda s: s.get("canaryRevision"))
    log = bed.operator.log
    config = json.loads((log.parent / "operator.kubeconfig").read_text())
    token = config["users"][0]["user"]["token"]
    assert len(token) > 10
    text = log.read_text()
    assert "DEBUG" in text
    assert token not in text
    assert token.rpartition(".")[2] not in text  # nor its signature alone
