"""What counts as drift, as tables."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.convergence import Convergence
from canary_operator.adapters.cluster.drift import Rules, projection
from canary_operator.domain.errors import DriftConflictError

APP = {"name": "app", "image": "web:v1"}
SIDECAR = {"name": "istio-proxy", "image": "proxy"}


def pods(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("wanted", "live", "drifted"),
    [
        pytest.param({"a": 1}, {"a": 1}, False, id="equal"),
        pytest.param({"a": 1}, {"a": 2}, True, id="another value"),
        pytest.param({"a": 1}, {}, True, id="missing"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, id="a field of others"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False, id="deeper"),
        pytest.param({"a": {"b": 1}}, {"a": "text"}, True, id="another type"),
        pytest.param({"a": 0}, {}, True, id="zero is a value"),
        pytest.param({"a": False}, {}, True, id="false is a value"),
        pytest.param({"a": {}}, {}, False, id="an empty object may be left out"),
        pytest.param({"a": []}, {}, False, id="an empty list may be left out"),
        pytest.param({"a": ""}, {}, False, id="an empty text may be left out"),
        pytest.param({"args": ["a", "b"]}, {"args": ["a", "b"]}, False, id="equal lists"),
        pytest.param({"args": ["a", "b"]}, {"args": ["b", "a"]}, True, id="order of plain lists"),
        pytest.param({"args": ["a"]}, {"args": ["a", "b"]}, True, id="longer plain list"),
        pytest.param({"x": [{"a": 1}]}, {"x": [{"a": 1, "b": 2}]}, False, id="defaults in items"),
        pytest.param(pods(APP), pods(APP, SIDECAR), False, id="an injected sidecar"),
        pytest.param(pods(APP), pods(SIDECAR, APP), False, id="order of containers"),
        pytest.param(pods(APP), pods(SIDECAR), True, id="our container is gone"),
        pytest.param(pods(APP), pods({**APP, "image": "evil"}), True, id="another image"),
        pytest.param(
            pods({**APP, "env": [{"name": "A", "value": "1"}]}),
            pods({**APP, "env": [{"name": "B"}, {"name": "A", "value": "1"}]}),
            False,
            id="a variable of others",
        ),
        pytest.param(
            pods({**APP, "ports": [{"containerPort": 80}]}),
            pods({**APP, "ports": [{"containerPort": 80, "protocol": "TCP"}]}),
            False,
            id="a port with its default",
        ),
        pytest.param(
            pods({**APP, "ports": [{"containerPort": 80}]}),
            pods({**APP, "ports": [{"containerPort": 80, "protocol": "UDP"}]}),
            True,
            id="a port of another protocol",
        ),
        pytest.param(
            pods({**APP, "volumeMounts": [{"mountPath": "/a", "name": "a"}]}),
            pods({**APP, "volumeMounts": [{"mountPath": "/token", "name": "t"}]}),
            True,
            id="our mount is gone",
        ),
        pytest.param(pods("text"), pods("text"), False, id="nonsense is compared as it is"),
    ],
)
def test_drift(wanted: Any, live: Any, drifted: bool) -> None:
    assert (projection(wanted, live, Rules()) != wanted) is drifted


SERVICE = Rules(exact=frozenset({"spec.selector"}), complete=frozenset({"spec.ports"}))
PORTS = [{"port": 80, "name": "http"}]


@pytest.mark.parametrize(
    ("spec", "drifted"),
    [
        pytest.param({"selector": {"a": "b"}, "ports": PORTS}, False, id="equal"),
        pytest.param({"selector": {"a": "b", "c": "d"}, "ports": PORTS}, True, id="more selectors"),
        pytest.param({"ports": PORTS}, True, id="no selector"),
        pytest.param({"selector": {"a": "b"}, "ports": [*PORTS, {"port": 81}]}, True, id="a port"),
        pytest.param(
            {"selector": {"a": "b"}, "ports": [{**PORTS[0], "nodePort": 30000}]},
            False,
            id="a field that the server adds",
        ),
        pytest.param(
            {"selector": {"a": "b"}, "ports": PORTS, "clusterIP": "10.0.0.1"}, False, id="an IP"
        ),
    ],
)
def test_drift_where_nobody_else_may_add(spec: dict[str, Any], drifted: bool) -> None:
    wanted = {"spec": {"selector": {"a": "b"}, "ports": PORTS}}
    assert (projection(wanted, {"spec": spec}, SERVICE) != wanted) is drifted


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


PLACE = ("demo", "web")


def test_an_answer_is_as_good_as_the_wish_it_was_given_to() -> None:
    past = Convergence(Clock())
    past.written(PLACE, {"cpu": "0.5"}, {"cpu": "500m"})
    assert past.is_as_answered(PLACE, {"cpu": "0.5"}, {"cpu": "500m"})
    assert not past.is_as_answered(PLACE, {"cpu": "0.5"}, {"cpu": "600m"})
    assert not past.is_as_answered(PLACE, {"cpu": "0.6"}, {"cpu": "500m"})
    assert not past.is_as_answered(("demo", "other"), {"cpu": "0.5"}, {"cpu": "500m"})
    past.forget(PLACE)
    assert not past.is_as_answered(PLACE, {"cpu": "0.5"}, {"cpu": "500m"})


def pause(past: Convergence, wish: Any, *, urgent: bool = False) -> float:
    """Return how long a write is put off."""
    try:
        past.check(PLACE, wish, "Deployment web", urgent=urgent)
    except DriftConflictError as error:
        return error.retry_after.total_seconds() if error.retry_after else 0
    return 0


def test_pauses_grow_until_it_is_quiet() -> None:
    clock = Clock()
    past = Convergence(clock)
    waited = []
    for _ in range(10):
        past.written(PLACE, {"a": 1}, {"a": 1})
        waited.append(pause(past, {"a": 1}))
        clock.seconds += waited[-1]
        assert pause(past, {"a": 1}) == 0
    assert waited == [0, 0, 30, 60, 120, 240, 480, 600, 600, 600]
    clock.seconds += 3600
    past.written(PLACE, {"a": 1}, {"a": 1})
    assert pause(past, {"a": 1}) == 0


def test_what_protects_requests_is_never_put_off_for_long() -> None:
    clock = Clock()
    past = Convergence(clock)
    waited = []
    for _ in range(8):
        past.written(PLACE, {"a": 1}, {"a": 1})
        waited.append(pause(past, {"a": 1}, urgent=True))
        clock.seconds += waited[-1]
        assert pause(past, {"a": 1}, urgent=True) == 0
    assert waited == [0, 0, 5, 5, 5, 5, 5, 5]


def test_edits_far_enough_apart_are_no_quarrel() -> None:
    clock = Clock()
    past = Convergence(clock)
    for _ in range(20):
        past.written(PLACE, {"a": 1}, {"a": 1})
        assert pause(past, {"a": 1}) == 0
        clock.seconds += 10.1


def test_another_wish_is_written_at_once() -> None:
    past = Convergence(Clock())
    for _ in range(5):
        past.written(PLACE, {"weight": 20}, {"weight": 20})
    assert pause(past, {"weight": 20}) > 0
    assert pause(past, {"weight": 0}) == 0


def test_what_is_settled_is_this_version_and_this_wish() -> None:
    past = Convergence(Clock())
    past.settled(PLACE, 7, {"cpu": "1"})
    assert past.is_settled(PLACE, 7, {"cpu": "1"})
    assert not past.is_settled(PLACE, 8, {"cpu": "1"}), "somebody changed the object"
    assert not past.is_settled(PLACE, 7, {"cpu": "2"}), "another wish"
    past.forget(PLACE)
    assert not past.is_settled(PLACE, 7, {"cpu": "1"})
