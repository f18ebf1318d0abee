"""Which addresses stand behind a Service."""

from typing import Any

import pytest

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.endpoint_slices import (
    ports_of,
    slice_manifest,
    wanted_slices,
)
from canary_operator.playground.controllers.runtime import PORT_ANNOTATION

READY = [{"type": "Ready", "status": "True"}]


def service(target: int | str | None = "http", **spec: Any) -> Manifest:
    port = {"name": "web", "port": 80, **({"targetPort": target} if target else {})}
    return {
        "metadata": {"name": "web", "namespace": "demo", "uid": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [port], **spec},
    }


def pod(name: str = "p", number: int = 8080, ready: bool = True, **meta: Any) -> Manifest:
    ports = [{"name": "http", "containerPort": number}]
    return {
        "metadata": {
            "name": name,
            "namespace": "demo",
            "uid": name,
            "labels": {"app": "web"},
            **meta,
        },
        "spec": {"nodeName": "node", "containers": [{"name": "app", "ports": ports}]},
        "status": {"podIP": f"10.0.0.{name[-1:]}", "conditions": READY if ready else []},
    }


def numbers(item: Manifest, *pods: Manifest) -> dict[tuple[Any, ...], list[str]]:
    return {
        tuple(dict(port)["port"] for port in ports): [each["addresses"][0] for each in endpoints]
        for ports, endpoints in wanted_slices(item, pods).items()
    }


@pytest.mark.parametrize(
    ("item", "pods", "expected"),
    [
        pytest.param(service(), [pod("1")], {(8080,): ["10.0.0.1"]}, id="a named port"),
        pytest.param(service(9000), [pod("1")], {(9000,): ["10.0.0.1"]}, id="a number"),
        pytest.param(service(None), [pod("1")], {(80,): ["10.0.0.1"]}, id="the port itself"),
        pytest.param(
            service(),
            [pod("2"), pod("1"), pod("3", 9090)],
            {(8080,): ["10.0.0.1", "10.0.0.2"], (9090,): ["10.0.0.3"]},
            id="one name, two numbers",
        ),
        pytest.param(
            service(),
            [pod("1", annotations={PORT_ANNOTATION: "41000"})],
            {(41000,): ["10.0.0.1"]},
            id="a pod that shares its address tells its port",
        ),
        pytest.param(service("other"), [pod("1")], {(): ["10.0.0.1"]}, id="an unknown name"),
        pytest.param(service(), [], {(): []}, id="no pods leave one empty slice"),
        pytest.param(
            service(), [pod("1", labels={"app": "db"})], {(): []}, id="pods of others do not count"
        ),
        pytest.param(
            service(), [pod("1", namespace="else")], {(): []}, id="nor those of other namespaces"
        ),
    ],
)
def test_addresses_by_resolved_port(
    item: Manifest, pods: list[Manifest], expected: dict[tuple[Any, ...], list[str]]
) -> None:
    assert numbers(item, *pods) == expected


@pytest.mark.parametrize(
    ("item", "one", "expected"),
    [
        pytest.param(service(), pod(), (True, True, False), id="ready"),
        pytest.param(service(), pod(ready=False), (False, False, False), id="not ready"),
        pytest.param(
            service(), pod(deletionTimestamp="now"), (False, True, True), id="terminating"
        ),
        pytest.param(
            service(publishNotReadyAddresses=True),
            pod(ready=False),
            (True, False, False),
            id="published anyhow",
        ),
    ],
)
def test_conditions(item: Manifest, one: Manifest, expected: tuple[bool, bool, bool]) -> None:
    [[endpoint]] = wanted_slices(item, [one]).values()
    conditions = endpoint["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected


def test_a_slice_is_recognised_by_its_ports() -> None:
    item = service(ports=[{"port": 80, "targetPort": "http", "appProtocol": "http2"}])
    [(ports, endpoints)] = wanted_slices(item, [pod()]).items()
    assert ports_of(slice_manifest(item, ports, endpoints)) == ports
