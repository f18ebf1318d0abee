"""An operator of some namespaces begins where others would wait for ever."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from canary_operator.playground.client import Resource
from tests.monitoring.probing import Probed, free_port
from tests.support.bed import Bed, bed_around, open_cluster
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, eventually, load_definitions
from tests.support.rights import RBAC, manifests

OURS, ISTIO = DEFINITION_FOLDERS
MISSING = "install its CRD"
LEADING = ("--leader-election", "--leader-election-namespace=canary-operator")
ROLE = Resource("clusterroles", RBAC, namespaced=False)


def namespaced(home: str) -> list[dict[str, object]]:
    """Return the operator's rights in one namespace, and those on its Lease."""
    documents = manifests("Namespace", "ServiceAccount", "ClusterRole", "Role", "RoleBinding")
    account = next(d["metadata"] for d in documents if d["kind"] == "ServiceAccount")
    role = next(d["metadata"]["name"] for d in documents if d["kind"] == "ClusterRole")
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": home},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ],
    }
    return [*documents, binding]


@asynccontextmanager
async def serving(
    cluster: Cluster, folder: Path, home: str, *others: str, flags: Sequence[str] = ()
) -> AsyncIterator[Bed]:
    """Start an operator that watches several namespaces and may see one."""
    flags = [*flags, *(f"--namespace={namespace}" for namespace in (home, *others))]
    async with bed_around(cluster, folder, flags, namespaced(home)) as bed:
        yield bed


async def test_the_definition_may_come_later(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster(tmp_path, ISTIO))
        home = await cluster.namespace()
        address = f"127.0.0.1:{free_port()}"
        flags = [*LEADING, f"--metrics-address={address}"]
        bed = await stack.enter_async_context(serving(cluster, tmp_path, home, flags=flags))
        probed = Probed(bed, address)

        async def told() -> bool:
            status, words = await probed.get("/readyz") or (0, "")
            return status == HTTPStatus.SERVICE_UNAVAILABLE and MISSING in words

        await eventually(told)
        assert MISSING in bed.operator.log.read_text()
        assert await probed.get("/healthz") == (200, "ok\n"), "a restart would not help"
        await load_definitions(bed.client, OURS)
        release = await bed.release(namespace=home)
        await release.until_phase("Stable")
        assert (await probed.until_ready())[-1] == (200, "ok\n")


@pytest.mark.parametrize("restarted", [False, True], ids=["from the start", "after a restart"])
async def test_a_namespace_without_rights_holds_up_no_other(
    tmp_path: Path, *, restarted: bool
) -> None:
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(open_cluster(tmp_path, *DEFINITION_FOLDERS))
        home, gone = await cluster.namespace(), await cluster.namespace()
        bed = await stack.enter_async_context(serving(cluster, tmp_path, home, gone))
        release = await bed.release(namespace=home)
        if restarted:
            await bed.operator.kill()
            await bed.operator.start()
        await release.apply(replicas=3)
        await release.until(lambda s: s["readyReplicas"] == 3)  # events arrive, too
        bed.provoked |= {str(each) for each in cluster.denied(bed.user)}
        assert "left out until its rights are back" in bed.operator.log.read_text()
