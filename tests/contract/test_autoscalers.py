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
