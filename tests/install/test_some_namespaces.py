"""The operator for some namespaces only: Roles there, nothing in the whole cluster, no election."""

import pytest

from canary_operator.playground.client import NAMESPACES, Resource
from deploy.rendering import NAME
from tests.install.installation import USER, Installation
from tests.support.bed import template

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]
RBAC = "rbac.authorization.k8s.io"
CLUSTER_BINDINGS = Resource("clusterrolebindings", RBAC, namespaced=False)


async def test_roles_in_two_namespaces_are_enough(prepared_cluster: Installation) -> None:
    installation = prepared_cluster
    client, bed = installation.cluster.client, installation.bed
    for name in ("shop", "blog"):
        await client.create(NAMESPACES, {"metadata": {"name": name}})
    await installation.install(
        watchNamespaces=["shop", "blog"], replicas=1, leaderElection={"enabled": False}
    )
    bindings = (await client.list(CLUSTER_BINDINGS))["items"]
    bound = [each for each in bindings for who in each.get("subjects") or () if who["name"] == NAME]
    assert bound == []
    good = await bed.release("good", namespace="shop")
    bad = await bed.release("bad", namespace="blog")
    bad.traffic.canary.error_rate = 1.0
    for release in (good, bad):
        await release.apply(template=template("v2"))
    await good.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    await bad.until_phase("RolledBack")
    elsewhere = await bed.release("unseen", wait=False)
    await good.ask("pause")
    await good.until_request_answered("Refused")  # so there was the time to see the other one
    assert (await elsewhere.status()).get("phase") is None
    asked = installation.cluster.requests().matching(user=USER)
    assert {each.namespace for each in asked} == {"shop", "blog"}
    assert installation.denied() == set()
