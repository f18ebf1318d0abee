"""Defaults and checks of Deployments, pods and Services."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import DEPLOYMENTS, PODS, SERVICES, container, deployment, service

pytestmark = pytest.mark.asyncio


async def test_a_deployment_is_filled_in(kube_api: Kube) -> None:
    ports = [{"containerPort": 80}]
    probe = {"httpGet": {"port": 80}}
    resources = {"limits": {"cpu": "0.5", "memory": "1024Mi"}, "requests": {"cpu": 0.25}}
    given = container(ports=ports, readinessProbe=probe, resources=resources)
    created = await kube_api.create(DEPLOYMENTS, deployment(given), dryRun="All")
    assert created.status == 201
    assert created.body["metadata"]["generation"] == 1
    assert created.body["status"] == {}
    assert created.body["spec"] == {
        "paused": True,
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
        },
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
                "containers": [
                    {
                        "name": "c",
                        "image": "i:v1",
                        "imagePullPolicy": "IfNotPresent",
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                        "readinessProbe": {
                            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                            "timeoutSeconds": 1,
                            "periodSeconds": 10,
                            "successThreshold": 1,
                            "failureThreshold": 3,
                        },
                        "resources": {
                            "limits": {"cpu": "500m", "memory": "1Gi"},
                            "requests": {"cpu": "250m"},
                        },
                    }
                ],
            },
        },
    }


TEMPLATE = "spec.template.spec"
CONTAINER = f"{TEMPLATE}.containers[0]"
PORT_RANGE = "must be between 1 and 65535, inclusive"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (deployment({"name": "c"}), (f"{CONTAINER}.image", "Required value")),
        (deployment({"image": "i"}), (f"{CONTAINER}.name", "Required value")),
        (
            deployment(container(), container()),
            (f"{TEMPLATE}.containers[1].name", 'Duplicate value: "c"'),
        ),
        (
            deployment(selector={"matchLabels": {"a": "c"}}),
            (
                "spec.template.metadata.labels",
                'Invalid value: {"a":"b"}: `selector` does not match template `labels`',
            ),
        ),
        (
            deployment(replicas=-1),
            ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0"),
        ),
        (
            deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            (
                "spec.strategy.rollingUpdate",
                "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ),
        ),
        (
            deployment(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
            (
                "spec.strategy.rollingUpdate.maxUnavailable",
                "Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ),
        ),
        (
            deployment(container(ports=[{"containerPort": 70000}])),
            (f"{CONTAINER}.ports[0].containerPort", f"Invalid value: 70000: {PORT_RANGE}"),
        ),
        (
            deployment(container(imagePullPolicy="Sometimes")),
            (
                f"{CONTAINER}.imagePullPolicy",
                (
                    'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", '
                    '"Never"'
                ),
            ),
        ),
        (
            deployment(container(volumeMounts=[{"name": "v", "mountPath": "/v"}])),
            (f"{CONTAINER}.volumeMounts[0].name", 'Not found: "v"'),
        ),
        (
            deployment(container(readinessProbe={})),
            (f"{CONTAINER}.readinessProbe", "Required value: must specify a handler type"),
        ),
        (
            deployment(container(resources={"limits": {"cpu": 1}, "requests": {"cpu": 2}})),
            (
                f"{CONTAINER}.resources.requests",
                'Invalid value: "2": must be less than or equal to cpu limit of 1',
            ),
        ),
        (
            deployment(minReadySeconds=600),
            (
                "spec.progressDeadlineSeconds",
                "Invalid value: 600: must be greater than minReadySeconds",
            ),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_deployments_that_are_refused(
    kube_api: Kube, body: Any, cause: tuple[str, str]
) -> None:
    refused = await kube_api.create(DEPLOYMENTS, body, dryRun="All")
    field, message = cause
    assert refused.summary == (
        422,
        "Invalid",
        f'Deployment.apps "x" is invalid: {field}: {message}',
    )
    assert [(f, m) for f, _, m in refused.causes] == [cause]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            deployment(replicas="3"),
            (
                "json: cannot unmarshal string into Go struct field "
                "DeploymentSpec.spec.replicas of "
                "type int32"
            ),
        ),
        (
            deployment(container(resources={"limits": {"cpu": "abc"}})),
            (
                "quantities must match the regular expression "
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ),
        ),
    ],
)
async def test_deployments_that_cannot_be_read(kube_api: Kube, body: Any, problem: str) -> None:
    refused = await kube_api.create(DEPLOYMENTS, body, dryRun="All")
    message = f'Deployment in version "v1" cannot be handled as a Deployment: {problem}'
    assert refused.summary == (400, "BadRequest", message)


async def test_a_selector_is_immutable(kube_api: Kube) -> None:
    await kube_api.create(DEPLOYMENTS, deployment())
    labels = {"matchLabels": {"a": "b", "c": "d"}}
    template = {"metadata": {"labels": {"c": "d"}}}
    refused = await kube_api.patch(
        f"{DEPLOYMENTS}/x", {"spec": {"selector": labels, "template": template}}
    )
    assert refused.causes == [
        (
            "spec.selector",
            "FieldValueInvalid",
            'Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable',
        )
    ]


async def test_the_generation_counts_changes_of_spec_only(kube_api: Kube) -> None:
    path = f"{DEPLOYMENTS}/x"
    await kube_api.create(DEPLOYMENTS, deployment())

    async def generation(patch: Any, door: str = "") -> int:
        patched = await kube_api.patch(path + door, patch)
        return int(patched.body["metadata"]["generation"])

    assert await generation({"metadata": {"labels": {"x": "y"}}}) == 1
    assert await generation({"status": {"replicas": 3}}, "/status") == 1
    assert await generation({"spec": {"replicas": 3}}) == 2
    assert await generation({"spec": {"replicas": 3}}) == 2


async def test_spec_and_status_have_their_own_doors(kube_api: Kube) -> None:
    path = f"{DEPLOYMENTS}/x"
    await kube_api.create(DEPLOYMENTS, deployment(replicas=2))
    patch = {"spec": {"replicas": 5}, "status": {"observedGeneration": 7}}
    through_status = (await kube_api.patch(f"{path}/status", patch)).body
    assert through_status["spec"]["replicas"] == 2
    assert through_status["status"]["observedGeneration"] == 7
    patch["status"]["observedGeneration"] = 9
    through_main = (await kube_api.patch(path, patch)).body
    assert through_main["spec"]["replicas"] == 5
    assert through_main["status"].get("observedGeneration") != 9


async def test_scaling_a_deployment(kube_api: Kube) -> None:
    path = f"{DEPLOYMENTS}/x/scale"
    await kube_api.create(DEPLOYMENTS, deployment())
    scale = (await kube_api.get(path)).body
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 0, "selector": "a=b"}
    assert (await kube_api.patch(path, {"spec": {"replicas": 4}})).body["spec"] == {"replicas": 4}
    assert (await kube_api.get(f"{DEPLOYMENTS}/x")).body["spec"]["replicas"] == 4
    refused = await kube_api.patch(path, {"spec": {"replicas": -1}})
    assert refused.summary == (
        422,
        "Invalid",
        (
            'Scale.autoscaling "x" is invalid: spec.replicas: Invalid value: -1: must be '
            "greater than "
            "or equal to 0"
        ),
    )


async def test_a_service_gets_an_address(kube_api: Kube) -> None:
    created = (await kube_api.create(SERVICES, service(selector={"a": "b"}))).body
    address = created["spec"]["clusterIP"]
    assert address.startswith("10.")
    assert created["status"] == {"loadBalancer": {}}
    assert created["spec"] == {
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"a": "b"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    put = await kube_api.send("PUT", f"{SERVICES}/s", service(selector={"c": "d"}))
    assert put.body["spec"]["clusterIP"] == address
    moved = await kube_api.patch(f"{SERVICES}/s", {"spec": {"clusterIP": "10.0.0.99"}})
    assert [(field, reason) for field, reason, _ in moved.causes] == [
        ("spec.clusterIPs[0]", "FieldValueInvalid")
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (service(ports=[]), "spec.ports"),
        (service(ports=[{"port": 0}]), "spec.ports[0].port"),
        (service(ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name"),
        (service(ports=[{"port": 80, "protocol": "X"}]), "spec.ports[0].protocol"),
        (service(type="Other"), "spec.type"),
        (service("Bad"), "metadata.name"),
    ],
)
async def test_services_that_are_refused(kube_api: Kube, body: Any, field: str) -> None:
    refused = await kube_api.create(SERVICES, body)
    assert refused.status == 422
    assert field in [cause[0] for cause in refused.causes]


async def test_a_pod_waits_for_a_node_and_then_terminates_gracefully(kube_api: Kube) -> None:
    path = f"{PODS}/p"
    if kube_api.has_controllers:
        await kube_api.until_served("/api/v1/namespaces/$NS/serviceaccounts/default")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    created = (await kube_api.create(PODS, {**body, "spec": {"containers": [container()]}})).body
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    target = {"apiVersion": "v1", "kind": "Node", "name": "n"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": target}
    assert (await kube_api.create(f"{path}/binding", binding)).status == 201
    again = await kube_api.create(f"{path}/binding", binding)
    assert (again.status, again.body["reason"]) == (409, "Conflict")
    assert (await kube_api.get(PODS, fieldSelector="spec.nodeName=n")).body["items"]
    gone = (await kube_api.delete(path)).body["metadata"]
    assert gone["deletionGracePeriodSeconds"] == 30
    assert (await kube_api.get(path)).status == 200
    await kube_api.delete(path, {"gracePeriodSeconds": 0})
    assert (await kube_api.get(path)).status == 404


async def test_a_revision_keeps_its_data(kube_api: Kube) -> None:
    path = "/apis/apps/v1/namespaces/$NS/controllerrevisions"
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}}
    await kube_api.create(path, {**body, "data": {"a": 1}, "revision": 1})
    raised = await kube_api.patch(f"{path}/r", {"revision": 2})
    assert (raised.status, raised.body["revision"]) == (200, 2)
    refused = await kube_api.patch(f"{path}/r", {"data": {"a": 2}})
    message = 'Invalid value: {"a":2}: field is immutable'
    assert refused.causes == [("data", "FieldValueInvalid", message)]
