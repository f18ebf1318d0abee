"""The small pure parts of the node: images, back-off, probes, selectors, pod status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.addresses import Address, free_address, is_free
from canary_operator.playground.controllers.images import behaviour, tag
from canary_operator.playground.controllers.labels import matches, parsed
from canary_operator.playground.controllers.pod_status import (
    Container,
    Ended,
    PodState,
    Running,
    Waiting,
    pod_status,
)
from canary_operator.playground.controllers.probes import Probe
from canary_operator.playground.controllers.process import variables
from canary_operator.playground.controllers.runtime import Backoff
from canary_operator.playground.controllers.timestamps import written
from canary_operator.playground.sample_behaviour import Behaviour, duration_seconds, fraction

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
POD: Manifest = {
    "metadata": {"name": "web-0", "namespace": "demo", "uid": "u"},
    "spec": {"nodeName": "node", "containers": [{"name": "app", "image": "app:v1"}]},
}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("app:v1", "v1"),
        ("app", "latest"),
        ("registry.example:5000/team/app", "latest"),
        ("registry.example:5000/team/app:v2", "v2"),
        ("app:v1@sha256:00", "v1"),
    ],
)
def test_the_tag_of_an_image(image: str, expected: str) -> None:
    assert tag(image) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("helloworld:v1", {"VERSION": "v1"}),
        ("registry.example/helloworld:v3", {"VERSION": "v3", "ERROR_RATE": "8%"}),
        ("other:v3", {"VERSION": "v3"}),
        ("any:crash-now", {"VERSION": "crash-now", "CRASH_AFTER": "0s"}),
    ],
)
def test_what_an_image_does(image: str, expected: dict[str, str]) -> None:
    assert behaviour(image) == expected


def test_a_restart_waits_longer_each_time() -> None:
    waits = [Backoff(10, 300).seconds(restarts) for restarts in (0, 1, 2, 3, 9, 9999)]
    assert waits == [0, 10, 20, 40, 300, 300]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,track=canary", True),
        ("app!=web", False),
        ("app", True),
        ("!app", False),
        ("app in (db, web)", True),
        ("app notin (db, web),track", False),
        ("other", False),
    ],
)
def test_selectors(selector: str, selected: bool) -> None:
    assert matches(parsed(selector), {"app": "web", "track": "canary"}) is selected


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown operator 'Gt'"):
        matches({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, {})


ENDED = Ended(1, NOW, NOW)


@pytest.mark.parametrize(
    ("container", "phase", "ready", "state"),
    [
        pytest.param(Container(), "Pending", "False", "waiting", id="being created"),
        pytest.param(Container(Running(NOW)), "Running", "False", "running", id="running"),
        pytest.param(Container(Running(NOW), ready=True), "Running", "True", "running", id="ready"),
        pytest.param(
            Container(Waiting("CrashLoopBackOff"), restarts=2, last=ENDED),
            "Running",
            "False",
            "waiting",
            id="crash-looping",
        ),
        pytest.param(
            Container(Waiting("ImagePullBackOff")), "Pending", "False", "waiting", id="no image"
        ),
        pytest.param(Container(ENDED, last=ENDED), "Running", "False", "terminated", id="exited"),
    ],
)
def test_pod_status(container: Container, phase: str, ready: str, state: str) -> None:
    status = pod_status(POD, PodState("10.0.0.1", {"app": container}), NOW, NOW)
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert status["phase"] == phase
    assert (conditions["Ready"], conditions["ContainersReady"]) == (ready, ready)
    [container_status] = status["containerStatuses"]
    assert list(container_status["state"]) == [state]
    assert container_status["restartCount"] == container.restarts


def test_transition_times_move_only_with_the_status() -> None:
    state = PodState("10.0.0.1", {"app": Container(Running(NOW), ready=True)})
    before = {**POD, "status": pod_status(POD, state, NOW, NOW)}
    unready = PodState("10.0.0.1", {"app": Container(Running(NOW))})
    later = NOW + timedelta(seconds=30)
    after = pod_status(before, unready, NOW, later)
    times = {each["type"]: each["lastTransitionTime"] for each in after["conditions"]}
    assert times["Ready"] == written(later)
    assert times["PodScheduled"] == written(NOW)


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        pytest.param(None, Probe(Address("ip", 9), is_repeated=False), id="no probe: it listens"),
        pytest.param(
            {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
            Probe(Address("ip", 9), "/healthz", period_seconds=1.0),
            id="a named port is where the pod really listens",
        ),
        pytest.param(
            {"tcpSocket": {"port": 8080}, "failureThreshold": 1},
            Probe(Address("ip", 9), failures_tolerated=0),
            id="so is its number",
        ),
        pytest.param(
            {"httpGet": {"port": 9999}}, Probe(Address("ip", 9999), "/"), id="another port is not"
        ),
    ],
)
def test_reading_probes(probe: dict[str, Any] | None, expected: Probe) -> None:
    container = {"ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe}
    assert Probe.of(container, Address("ip", 9)) == expected


def test_the_environment_of_a_container() -> None:
    env = [
        {"name": "PLAIN", "value": "x"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    found = variables({"env": env}, POD, "127.1.2.3")
    assert found == {"PLAIN": "x", "NAME": "web-0", "IP": "127.1.2.3", "SECRET": ""}


def test_pods_get_addresses_that_are_free() -> None:
    address = free_address(18099)
    assert is_free(address.ip, address.port)


@pytest.mark.parametrize(
    ("text", "seconds"), [("20ms", 0.02), ("1m30s", 90), ("0", 0), ("1.5s", 1.5), ("2h", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "s", "-1s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_seconds(text)


@pytest.mark.parametrize("text", ["8", "-1", "101%", "many"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 0\.08 or 8%"):
        fraction(text)


def test_a_behaviour_is_read_from_the_environment() -> None:
    environment = {
        "VERSION": "v2",
        "ERROR_RATE": "100%",
        "LATENCY": "20ms",
        "LATENCY_JITTER": "5ms",
        "UNHEALTHY": "true",
    }
    found = Behaviour.of(environment)
    assert found.next_status() == 500
    assert 0.015 <= found.delay_seconds() <= 0.025
    assert not found.is_healthy
