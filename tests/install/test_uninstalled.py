"""What `helm uninstall` leaves: everything that serves, and what it would take to go on."""

from typing import Any

import pytest

from canary_operator.playground.client import DEPLOYMENTS, NotFoundError, Resource
from canary_operator.playground.local import ROLLOUTS
from deploy.rendering import NAME
from tests.install.installation import Installation
from tests.support.bed import VIRTUAL_SERVICES, Release, template
from tests.support.clusters import DEFINITIONS

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]
SERVICES = Resource("services")
CRD = "canaryrollouts.canary-operator.dev"


async def serving(release: Release) -> dict[str, Any]:
    """Return what a rollout consists of, by name, with the identity of each object."""
    client, name, namespace = release.bed.client, release.name, release.namespace
    wanted = [
        (ROLLOUTS, name),
        (DEPLOYMENTS, f"{name}-stable"),
        (DEPLOYMENTS, f"{name}-canary"),
        (SERVICES, name),
        (SERVICES, f"{name}-stable"),
        (SERVICES, f"{name}-canary"),
        (VIRTUAL_SERVICES, name),
    ]
    found = [await client.get(resource, each, namespace) for resource, each in wanted]
    return {
        f"{each['kind']}/{each['metadata']['name']}": (
            each["metadata"]["uid"],
            each["metadata"].get("generation"),
            "deletionTimestamp" in each["metadata"],
        )
        for each in found
    }


async def test_an_uninstall_leaves_the_definition_rollouts_and_workloads(
    prepared_cluster: Installation,
) -> None:
    installation = prepared_cluster
    client = installation.cluster.client
    await installation.install()
    release = await installation.bed.release()
    await release.until_weight(0)
    before = await serving(release)
    assert installation.denied() == set()  # later it is: its rights go before its pods
    await installation.uninstall()
    with pytest.raises(NotFoundError):
        await client.get(DEPLOYMENTS, NAME, NAME)
    await installation.until_pods(0)
    assert "deletionTimestamp" not in (await client.get(DEFINITIONS, CRD))["metadata"]
    assert await serving(release) == before
    stable = await release.deployment("stable")
    assert stable["status"]["readyReplicas"] == 2

    await installation.install()  # and the next one goes on with the same objects
    await release.apply(template=template("v2"))
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    assert await release.image("stable") == "app:v2"
