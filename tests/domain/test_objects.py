"""The objects of a rollout, as manifests."""

from typing import Any

import pytest

from canary_operator.domain.objects import (
    Owner,
    controller_revision,
    deployment,
    services,
    without_nulls,
)
from canary_operator.domain.spec import ServicePort

OWNER = Owner("web", "demo", "uid-1")
ROLLOUT = "canary-operator.dev/rollout"
TRACK = "canary-operator.dev/track"


def pods_of(track: str, **template: Any) -> dict[str, Any]:
    template = {"spec": {"containers": []}, **template}
    wanted = deployment(OWNER, track, revision="r1", template=template, replicas=3)
    return wanted["spec"]["template"]


def test_a_deployment_belongs_to_its_rollout() -> None:
    wanted = deployment(OWNER, "canary", revision="r1", template={}, replicas=3)
    assert wanted["metadata"] == {
        "name": "web-canary",
        "namespace": "demo",
        "labels": {
            ROLLOUT: "web",
            TRACK: "canary",
            "app.kubernetes.io/managed-by": "canary-operator",
        },
        "annotations": {"canary-operator.dev/revision": "r1"},
        "ownerReferences": [
            {
                "apiVersion": "canary-operator.dev/v1alpha1",
                "kind": "CanaryRollout",
                "name": "web",
                "uid": "uid-1",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


@pytest.mark.parametrize(
    ("track", "strategy"),
    [
        pytest.param("stable", {"maxUnavailable": 0, "maxSurge": "25%"}, id="never fewer pods"),
        pytest.param("canary", {"maxUnavailable": "100%", "maxSurge": "100%"}, id="at once"),
    ],
)
def test_how_pods_are_replaced(track: str, strategy: dict[str, Any]) -> None:
    spec = deployment(OWNER, track, revision="r1", template={}, replicas=3)["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": strategy}
    assert spec["selector"] == {"matchLabels": {ROLLOUT: "web", TRACK: track}}
    assert spec["replicas"] == 3


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param(None, {"track": "canary"}, id="no metadata"),
        pytest.param({"labels": None}, {"track": "canary"}, id="no labels"),
        pytest.param({"labels": {"app": "a"}}, {"track": "canary", "app": "a"}, id="labels"),
        pytest.param({"labels": {"track": "x"}}, {"track": "x"}, id="a track of its own"),
    ],
)
def test_pods_carry_labels_of_the_template_and_ours(metadata: Any, expected: Any) -> None:
    ours = {ROLLOUT: "web", TRACK: "canary", "canary-operator.dev/revision": "r1"}
    assert pods_of("canary", metadata=metadata)["metadata"]["labels"] == {**expected, **ours}


def test_the_rest_of_a_template_is_kept_as_it_is() -> None:
    metadata = {"annotations": {"a": "b"}, "creationTimestamp": None}
    spec = {"containers": [{"name": "app", "env": None, "args": [None, "x"]}], "unknown": {"x": 1}}
    pods = pods_of("stable", metadata=metadata, spec=spec)
    assert pods["metadata"]["annotations"] == {"a": "b"}
    assert "creationTimestamp" not in pods["metadata"]
    assert pods["spec"] == {
        "containers": [{"name": "app", "args": [None, "x"]}],
        "unknown": {"x": 1},
    }


def test_a_template_is_not_changed() -> None:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}
    deployment(OWNER, "stable", revision="r1", template=template, replicas=1)
    assert template == {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}


def test_only_stable_is_behind_the_name_that_callers_use() -> None:
    ports = [
        ServicePort("http", 80, "web"),
        ServicePort("grpc", 81, 8081, app_protocol="grpc"),
    ]
    wanted = list(services(OWNER, ports))
    tracks = {each["metadata"]["name"]: each["spec"]["selector"][TRACK] for each in wanted}
    assert tracks == {"web": "stable", "web-stable": "stable", "web-canary": "canary"}
    assert all(each["spec"]["selector"][ROLLOUT] == "web" for each in wanted)
    for each in wanted:
        assert each["spec"]["ports"] == [
            {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"},
            {
                "name": "grpc",
                "port": 81,
                "targetPort": 8081,
                "protocol": "TCP",
                "appProtocol": "grpc",
            },
        ]


def test_a_record_keeps_the_template_and_the_settings() -> None:
    record = controller_revision(
        OWNER, revision="r1", template={"a": None}, settings={"b": 1, "a": "é"}, number=7
    )
    assert record["metadata"]["name"] == "web-r1"
    assert (record["data"], record["revision"]) == ({"template": {"a": None}}, 7)
    assert record["metadata"]["annotations"] == {
        "canary-operator.dev/revision": "r1",
        "canary-operator.dev/settings": '{"a":"é","b":1}',
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": None, "b": 0, "c": ""}, {"b": 0, "c": ""}),
        ({"a": {"b": None}}, {"a": {}}),
        ([{"a": None}, None], [{}, None]),
    ],
)
def test_null_counts_as_absent(value: Any, expected: Any) -> None:
    assert without_nulls(value) == expected
