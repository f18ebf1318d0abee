"""`adopt`, with the API server's own defaults and with the real operator."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.playground.client import APPLY, DEPLOYMENTS, MERGE, NAMESPACES, Resource
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.live.adoption.defaults import without_defaults
from tests.plugin.objects import create
from tests.plugin.people import rule, somebody
from tests.plugin.running import Plugin, Said
from tests.support.bed import VIRTUAL_SERVICES, Bed, condition, open_cluster
from tests.support.clusters import Cluster, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

SERVICES = Resource("services")
SCALERS = Resource("horizontalpodautoscalers", "autoscaling", "v2")
BUDGETS = Resource("poddisruptionbudgets", "policy")
POLICIES = Resource("networkpolicies", "networking.k8s.io")

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "image": "app:v1",
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"port": "http", "path": "/ready"}},
                "env": [
                    {"name": "FLAG", "value": "y"},
                    {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "resources": {"requests": {"cpu": "100m"}},
            }
        ],
    },
}
RICH: dict[str, Any] = {
    **TEMPLATE,
    "spec": {
        "initContainers": [{"name": "first", "image": "tool", "command": ["true"]}],
        "containers": [
            {
                **TEMPLATE["spec"]["containers"][0],
                "livenessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 3},
                "startupProbe": {"grpc": {"port": 8080}},
                "lifecycle": {"preStop": {"httpGet": {"port": 8080}}},
                "volumeMounts": [{"name": "files", "mountPath": "/files"}],
            }
        ],
        "serviceAccountName": "default",
        "volumes": [
            {"name": "files", "configMap": {"name": "files"}},
            {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 256}},
            {"name": "cache", "emptyDir": {}},
            {"name": "node", "hostPath": {"path": "/var/log"}},
            {
                "name": "info",
                "downwardAPI": {
                    "items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
                },
            },
            {
                "name": "all",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token"}},
                        {"configMap": {"name": "files"}},
                    ]
                },
            },
        ],
    },
}


def deployment(name: str = "web", template: Any = TEMPLATE, **spec: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": selector, "template": template, **spec},
    }


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [port], **spec},
    }


async def place(cluster: Cluster, *services: dict[str, Any]) -> Plugin:
    """Make a Deployment with Services in a namespace of its own."""
    namespace = await cluster.namespace()
    await cluster.client.create(DEPLOYMENTS, deployment(), namespace)
    for one in services:
        await cluster.client.create(SERVICES, one, namespace)
    return Plugin(cluster.kubeconfig, namespace)


def manifest_in(said: Said) -> dict[str, Any]:
    assert (said.code, said.err) == (0, "")
    loaded: dict[str, Any] = yaml.safe_load(said.out)
    assert find_problems(RolloutSpec, loaded["spec"])[1] == ()
    return loaded


async def test_what_is_printed_becomes_ready_beside_the_deployment(bed: Bed) -> None:
    plugin = await place(bed.cluster, service())
    client, namespace = bed.client, plugin.namespace
    loaded = manifest_in(await plugin("adopt", "deployment/web"))
    name = loaded["metadata"]["name"]
    assert name == "web-rollout"
    await client.patch(ROLLOUTS, name, loaded, namespace, ctype=APPLY, fieldManager="kubectl")

    async def ready() -> dict[str, Any] | None:
        status = (await client.get(ROLLOUTS, name, namespace)).get("status") or {}
        return status if condition(status, "Ready")["status"] == "True" else None

    status = await eventually(ready, 30)
    assert (status["phase"], status["replicas"]) == ("Stable", 2)
    made = await client.get(DEPLOYMENTS, f"{name}-stable", namespace)
    before = await client.get(DEPLOYMENTS, "web", namespace)
    assert made["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]
    kept = await client.get(SERVICES, "web", namespace)
    assert kept["spec"]["selector"] == {"app": "web"}
    again = manifest_in(await plugin("adopt", "deploy/web"))
    assert again["metadata"]["name"] == "web-rollout-2"


async def test_a_deployment_that_is_kept_gives_its_place_to_what_is_printed(bed: Bed) -> None:
    plugin = await place(bed.cluster, service())
    client, namespace = bed.client, plugin.namespace
    said = await plugin("adopt", "deployment/web", "--keep-deployment")
    loaded = manifest_in(said)
    assert loaded["spec"]["workloadRef"] == {"name": "web"}
    command = f"kubectl annotate service/web canary-operator.dev/adopt=web -n {namespace}"
    assert command in said.out
    mark = {"metadata": {"annotations": {"canary-operator.dev/adopt": "web"}}}
    await client.patch(SERVICES, "web", mark, namespace, ctype=MERGE)
    await client.patch(ROLLOUTS, "web", loaded, namespace, ctype=APPLY, fieldManager="kubectl")

    async def handed_over() -> dict[str, Any] | None:
        status = (await client.get(ROLLOUTS, "web", namespace)).get("status") or {}
        return status if (status.get("workload") or {}).get("scaledDownAt") else None

    status = await eventually(handed_over, 30)
    assert (status["phase"], status["replicas"]) == ("Stable", 2)
    taken = await client.get(SERVICES, "web", namespace)
    assert taken["spec"]["selector"]["canary-operator.dev/track"] == "stable"


async def test_defaults_are_those_of_the_api_server(cluster: Cluster) -> None:
    client, namespace = cluster.client, await cluster.namespace()
    first = await client.create(DEPLOYMENTS, deployment("a", RICH), namespace)
    running = first["spec"]["template"]
    assert running != RICH
    assert without_defaults(running) == RICH
    second = await client.create(DEPLOYMENTS, deployment("b", without_defaults(running)), namespace)
    assert second["spec"]["template"] == running


async def test_the_template_is_the_one_that_was_applied(cluster: Cluster) -> None:
    client, namespace = cluster.client, await cluster.namespace()
    body = deployment()
    applied = json.dumps({**body, "spec": {**body["spec"], "template": {**TEMPLATE}}})
    marks = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    body["metadata"]["annotations"] = marks
    await client.create(DEPLOYMENTS, body, namespace)
    await client.create(SERVICES, service(), namespace)
    loaded = manifest_in(await Plugin(cluster.kubeconfig, namespace)("adopt", "deployment/web"))
    assert loaded["spec"] == {
        "replicas": 2,
        "service": {"port": 80, "targetPort": "http"},
        "template": TEMPLATE,
    }


async def test_what_is_around_is_seen(cluster: Cluster) -> None:
    plugin = await place(cluster, service("front"))
    client, namespace = cluster.client, plugin.namespace
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaling = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 9}
    guard = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    destination = {"destination": {"host": "front"}}
    route = {"hosts": ["shop.example.com"], "http": [{"route": [destination]}]}
    for kind, resource, spec in (
        ("HorizontalPodAutoscaler", SCALERS, scaling),
        ("PodDisruptionBudget", BUDGETS, guard),
        ("NetworkPolicy", POLICIES, {"podSelector": {}}),
        ("VirtualService", VIRTUAL_SERVICES, route),
    ):
        group = f"{resource.group}/{resource.version}"
        body = {"apiVersion": group, "kind": kind, "metadata": {"name": "thing"}, "spec": spec}
        await client.create(resource, body, namespace)
    said = await plugin("adopt", "deployments.apps/web")
    loaded = manifest_in(said)
    assert (loaded["metadata"]["name"], loaded["spec"]["replicas"]) == ("web", 3)
    text = " ".join(said.out.replace("#", " ").split())
    assert "HorizontalPodAutoscaler thing scales the Deployment" in text
    assert "PodDisruptionBudget thing selects app=web" in text
    assert "for both versions: thing." in text
    assert "VirtualService thing routes shop.example.com to Service front" in text
    assert '- "shop.example.com"' in text
    assert f"kubectl delete deployment/web service/front -n {namespace}" in text


async def test_only_ascii(cluster: Cluster) -> None:
    plugin = await place(cluster, service())
    patch = [{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"a": "Größe"}}]
    await cluster.client.patch(
        DEPLOYMENTS, "web", patch, plugin.namespace, ctype="application/json-patch+json"
    )
    said = await plugin("adopt", "deployment/web", "--ascii")
    assert said.out.isascii()
    loaded = manifest_in(said)
    assert loaded["spec"]["template"]["metadata"]["annotations"] == {"a": "Größe"}


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        pytest.param(["web"], Exit.USAGE, "'web' has no kind. Write deployment/web.", id="no kind"),
        pytest.param(
            ["sts/web"], Exit.USAGE, "'sts/web' is no Deployment. Write deployment/NAME.", id="kind"
        ),
        pytest.param(["deploy/"], Exit.USAGE, "'deploy/' is no Deployment", id="no name"),
        pytest.param(
            ["deploy/wbe"],
            Exit.IMPOSSIBLE,
            "No Deployment wbe in namespace $NS; did you mean web?",
            id="misspelt",
        ),
        pytest.param(
            ["deploy/web"],
            Exit.FAILED,
            "Several Services select the pods of Deployment web: a",
            id="several Services",
        ),
        pytest.param(
            ["deploy/web", "--service", "c"],
            Exit.FAILED,
            "No Service c in namespace $NS",
            id="none",
        ),
        pytest.param(
            ["deploy/web", "--service=a", "--name=b"],
            Exit.FAILED,
            "CanaryRollout b would need names that are taken: Service b.",
            id="a name that is taken",
        ),
    ],
)
async def test_what_cannot_be_adopted(
    cluster: Cluster, arguments: list[str], code: Exit, expected: str
) -> None:
    plugin = await place(cluster, service("a"), service("b"))
    said = await plugin("adopt", *arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith(f"error: {expected.replace('$NS', plugin.namespace)}")
    assert len(said.err.splitlines()) == 1


async def test_no_service(cluster: Cluster) -> None:
    said = await (await place(cluster))("adopt", "deploy/web")
    assert said.code == Exit.FAILED
    assert "No Service selects the pods of Deployment web (app=web)" in said.err


async def test_what_may_not_be_seen_is_told(cluster: Cluster, tmp_path: Path) -> None:
    admin = await place(cluster, service())
    await create(cluster.client, admin.namespace, name="web-rollout")
    person = await somebody(
        cluster,
        admin.namespace,
        tmp_path,
        rule("get list", "deployments", "apps"),
        rule("list", "services", ""),
    )
    said = await person("adopt", "deploy/web")
    manifest_in(said)
    text = " ".join(said.out.replace("#", " ").split())
    for kind in ("CanaryRollout", "HorizontalPodAutoscaler", "VirtualService"):
        assert f"{kind}s could not be seen: You may not list " in text


async def test_a_cluster_that_knows_neither_rollouts_nor_istio(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as bare:
        await bare.client.get(NAMESPACES, "default")
        said = await (await place(bare, service()))("adopt", "deploy/web")
    manifest_in(said)
    text = " ".join(said.out.replace("#", " ").split())
    assert "This cluster has no VirtualServices: " in text
    assert "CanaryRollouts could not be seen: This cluster does not know CanaryRollouts" in text
