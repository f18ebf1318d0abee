"""HorizontalPodAutoscalers: what a server fills in, and what it refuses."""

from typing import Any

import pytest

from tests.contract.kube import Kube

pytestmark = pytest.mark.asyncio

AUTOSCALERS = "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers"


def scaler(**spec: Any) -> dict[str, Any]:
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "x"},
        "spec": {"scaleTargetRef": aim, "maxReplicas": 5, **spec},
    }


def of_pods(**target: Any) -> dict[str, Any]:
    return {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}}


def of_cpu(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


async def test_an_autoscaler_is_filled_in(kube_api: Kube) -> None:
    down = {"stabilizationWindowSeconds": 5}
    created = await kube_api.create(AUTOSCALERS, scaler(behavior={"scaleDown": down}), dryRun="All")
    assert created.body["spec"]["minReplicas"] == 1
    assert created.body["spec"]["metrics"] == [of_cpu(type="Utilization", averageUtilization=80)]
    assert created.body["spec"]["behavior"] == {
        "scaleDown": {
            "stabilizationWindowSeconds": 5,
            "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        },
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        },
    }
    plain = await kube_api.create(AUTOSCALERS, scaler(), dryRun="All")
    assert "behavior" not in plain.body["spec"]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        pytest.param({"maxReplicas": 0}, ["maxReplicas"], id="no most"),
        pytest.param({"metrics": [{}]}, ["metrics[0].type"], id="a metric of no type"),
        pytest.param({"metrics": [{"type": "Nonsense"}]}, ["metrics[0].type"], id="nonsense"),
        pytest.param({"metrics": [{"type": "Pods"}]}, ["metrics[0].pods"], id="no source"),
        pytest.param(
            {
                "metrics": [
                    of_pods(type="AverageValue", averageValue="5") | of_cpu() | {"type": "Pods"}
                ]
            },
            ["metrics[0].resource"],
            id="two sources",
        ),
        pytest.param(
            {"metrics": [of_cpu(type="Utilization")]},
            ["metrics[0].resource.target.averageUtilization"],
            id="no share",
        ),
        pytest.param(
            {"metrics": [of_cpu(type="Utilization", averageUtilization=0)]},
            ["metrics[0].resource.target.averageUtilization"],
            id="a share of nothing",
        ),
        pytest.param(
            {"metrics": [of_pods(type="Value", value="5")]},
            ["metrics[0].pods.target.averageValue"],
            id="a value of all pods",
        ),
        pytest.param(
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": -1}}},
            ["behavior.scaleUp.stabilizationWindowSeconds"],
            id="a window that ends before it begins",
        ),
        pytest.param(
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}},
            ["behavior.scaleDown.stabilizationWindowSeconds"],
            id="a window beyond an hour",
        ),
        pytest.param(
            {"behavior": {"scaleUp": {"selectPolicy": "Best"}}},
            ["behavior.scaleUp.selectPolicy"],
            id="no such choice",
        ),
        pytest.param(
            {"behavior": {"scaleUp": {"policies": [{"type": "Pods"}]}}},
            ["behavior.scaleUp.policies[0].periodSeconds", "behavior.scaleUp.policies[0].value"],
            id="a policy that says nothing",
        ),
        pytest.param(
            {
                "behavior": {
                    "scaleUp": {"policies": [{"type": "Some", "value": 1, "periodSeconds": 1801}]}
                }
            },
            ["behavior.scaleUp.policies[0].periodSeconds", "behavior.scaleUp.policies[0].type"],
            id="a policy of another kind for too long",
        ),
    ],
)
async def test_what_no_autoscaler_can_be_is_refused(
    kube_api: Kube, spec: dict[str, Any], fields: list[str]
) -> None:
    refused = await kube_api.create(AUTOSCALERS, scaler(**spec))
    assert refused.status == 422
    assert {field for field, _, _ in refused.causes} == {f"spec.{one}" for one in fields}


def container_metric(**target: Any) -> dict[str, Any]:
    about = {"name": "memory", "container": "app", "target": target}
    return {"type": "ContainerResource", "containerResource": about}


def object_metric(**target: Any) -> dict[str, Any]:
    described = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    about = {"metric": {"name": "hits"}, "describedObject": described, "target": target}
    return {"type": "Object", "object": about}


def external_metric(**target: Any) -> dict[str, Any]:
    return {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}}


def measured(metric: dict[str, Any], **current: Any) -> dict[str, Any]:
    """Return what a status says of a metric."""
    kind = metric["type"][:1].lower() + metric["type"][1:]
    kept = {name: part for name, part in metric[kind].items() if name != "target"}
    return {"type": metric["type"], kind: {**kept, "current": current}}


UTILIZED = of_cpu(type="Utilization", averageUtilization=80)
IN_CORES = of_cpu(type="AverageValue", averageValue="500m")
OF_APP = container_metric(type="Utilization", averageUtilization=70)
OF_APP_BYTES = container_metric(type="AverageValue", averageValue="1Gi")
HITS = object_metric(type="Value", value="100")
HITS_EACH = object_metric(type="AverageValue", averageValue="10")
QUEUE = external_metric(type="Value", value="30")
QUEUE_EACH = external_metric(type="AverageValue", averageValue="3")
REQUESTS = of_pods(type="AverageValue", averageValue="10")


@pytest.mark.parametrize(
    ("metric", "current", "known", "unknown"),
    [
        (REQUESTS, {"averageValue": "4500m"}, "4500m/10", "<unknown>/10"),
        (
            UTILIZED,
            {"averageUtilization": 35, "averageValue": "70m"},
            "cpu: 35%/80%",
            "cpu: <unknown>/80%",
        ),
        (IN_CORES, {"averageValue": "70m"}, "cpu: 70m/500m", "cpu: <unknown>/500m"),
        (
            OF_APP,
            {"averageUtilization": 35, "averageValue": "70Mi"},
            "memory: 35%/70%",
            "memory: <unknown>/70%",
        ),
        (OF_APP_BYTES, {"averageValue": "2Gi"}, "memory: 2Gi/1Gi", "memory: <unknown>/1Gi"),
        (HITS, {"value": "50"}, "50/100", "<unknown>/100"),
        (HITS_EACH, {"averageValue": "5"}, "5/10 (avg)", "<unknown>/10 (avg)"),
        (QUEUE, {"value": "60"}, "60/30", "<unknown>/30"),
        (QUEUE_EACH, {"averageValue": "6"}, "6/3 (avg)", "<unknown>/3 (avg)"),
    ],
    ids=["pods", "use", "amount", "container", "amount of one", "object", "each", "queue", "share"],
)
async def test_targets_are_shown_beside_what_was_measured(
    kube_api: Kube, metric: dict[str, Any], current: dict[str, Any], known: str, unknown: str
) -> None:
    await kube_api.create(AUTOSCALERS, scaler(metrics=[metric]))
    assert await shown(kube_api) == unknown
    status = {"desiredReplicas": 1, "currentMetrics": [measured(metric, **current)]}
    answer = await kube_api.patch(f"{AUTOSCALERS}/x/status", {"status": status})
    assert answer.status == 200, answer.body
    assert await shown(kube_api) == known


async def test_of_many_targets_two_are_shown(kube_api: Kube) -> None:
    metrics = [UTILIZED, REQUESTS, QUEUE]
    await kube_api.create(AUTOSCALERS, scaler(metrics=metrics))
    seen = [{"type": ""}, measured(REQUESTS, averageValue="5")]
    status = {"desiredReplicas": 1, "currentMetrics": seen}
    answer = await kube_api.patch(f"{AUTOSCALERS}/x/status", {"status": status})
    assert answer.status == 200, answer.body
    assert await shown(kube_api) == "cpu: <unknown>/80%, 5/10 + 1 more..."


async def test_a_status_without_pods_says_so_in_few_words(kube_api: Kube) -> None:
    await kube_api.create(AUTOSCALERS, scaler(metrics=[REQUESTS]))
    seen = {"currentMetrics": [{"type": ""}, measured(REQUESTS, averageValue="5")]}
    status = {"currentReplicas": 1, "desiredReplicas": 1, **seen}
    answer = await kube_api.patch(f"{AUTOSCALERS}/x/status", {"status": status})
    assert answer.body["status"] == status
    nothing = {"currentReplicas": 0, "desiredReplicas": 0, "currentMetrics": None}
    answer = await kube_api.patch(f"{AUTOSCALERS}/x/status", {"status": nothing})
    assert answer.body["status"] == {"desiredReplicas": 0, "currentMetrics": None}


async def shown(kube_api: Kube) -> str:
    """Return what `kubectl get` prints below TARGETS."""
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    table = (await kube_api.send("GET", f"{AUTOSCALERS}/x", headers=accept)).body
    names = [column["name"] for column in table["columnDefinitions"]]
    cell: str = table["rows"][0]["cells"][names.index("Targets")]
    return cell
