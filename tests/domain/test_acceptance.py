from datetime import timedelta
from typing import Any

import pytest

from canary_operator.domain.acceptance import (
    check_interval,
    check_target_ports,
    doubts_about,
    read_spec,
    settings_of,
)
from canary_operator.domain.diagram import BEGIN, END, draw, with_diagram
from canary_operator.domain.errors import HostNotAllowedError, InvalidRolloutError, InvalidSpecError
from canary_operator.domain.phase import TRANSITIONS
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import merge_patch
from canary_operator.testing.builders import spec, template


def read(raw: dict[str, Any], name: str = "web", **settings: Any) -> RolloutSpec:
    return read_spec(raw, name=name, namespace="shop", settings=Settings(**settings))


def hosts(*names: str) -> dict[str, Any]:
    return spec(traffic={"istio": {"hosts": list(names)}})


@pytest.mark.parametrize("host", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"])
def test_a_rollout_may_always_claim_its_own_service(host: str) -> None:
    assert read(hosts(host)).traffic.istio is not None


@pytest.mark.parametrize(
    ("host", "allowed", "accepted"),
    [
        ("shop.example.com", (), False),
        ("shop.example.com", ("shop.example.com",), True),
        ("shop.example.com", ("*.example.com",), True),
        ("shop.example.com", ("shop/*.example.com",), True),
        ("shop.example.com", ("bank/*.example.com",), False),
        ("web.bank", (), False),
        ("web.bank.svc.cluster.local", (), False),
    ],
)
def test_other_hosts_need_the_admin(host: str, allowed: tuple[str, ...], accepted: bool) -> None:
    if accepted:
        read(hosts(host), allowed_hosts=allowed)
        return
    with pytest.raises(HostNotAllowedError, match="--allowed-host") as refused:
        read(hosts(host), allowed_hosts=allowed)
    assert host in refused.value.message


def test_every_host_at_once_is_never_allowed() -> None:
    with pytest.raises(InvalidRolloutError):
        read(hosts("*"), allowed_hosts=("*",))


def query(promql: str) -> dict[str, Any]:
    metric = {"name": "carts", "query": {"promql": promql, "max": 1}}
    return spec(analysis={"metrics": [metric]})


def test_custom_queries_may_be_kept_to_some_namespaces() -> None:
    read(query("up"), custom_queries=None)
    read(query("up"), custom_queries=("shop",))
    with pytest.raises(InvalidSpecError, match="--custom-queries shop"):
        read(query("up"), custom_queries=())


def test_an_unknown_variable_in_a_query_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidSpecError, match=r"metrics\[0\]\.query\.promql") as refused:
        read(query('up{namespace="{{ namespce }}"}'))
    assert "namespce" in refused.value.message
    assert "namespace" in refused.value.message


def named(name: str) -> dict[str, Any]:
    pod = template("v2")
    pod["spec"]["containers"][0]["ports"] = [{"name": name, "containerPort": 9090}]
    return pod


def service(target: object) -> dict[str, Any]:
    return {"port": 80, "targetPort": target}


def test_a_named_port_that_no_container_has_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match="named ports there: http"):
        read(spec(template=named("http"), service=service("web")))
    with pytest.raises(InvalidSpecError, match="named ports there: none"):
        read(spec(service=service("web")))


@pytest.mark.parametrize("ports", [[8080], [{"name": 3}], [None], "http", {"name": "http"}])
@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_ports_that_are_none_are_left_to_the_api_server(kind: str, ports: object) -> None:
    """The schema allows them; only what is named can be a targetPort."""
    pod = template("v2")
    container = {"name": "side", "image": "side:1", "ports": ports}
    pod["spec"][kind] = [*pod["spec"].get(kind, []), container]
    assert read(spec(template=pod))
    with pytest.raises(InvalidSpecError, match="named ports there: none"):
        read(spec(template=pod, service=service("http")))


def test_containers_that_are_none_are_left_to_the_api_server() -> None:
    pod = template("v2")
    pod["spec"]["initContainers"] = [None, 3]
    assert read(spec(template=pod))


@pytest.mark.parametrize(
    ("stable", "stable_template", "wanted", "accepted"),
    [
        (8080, template("v1"), 8080, True),
        (8080, template("v1"), 9090, False),
        (8080, template("v1"), "http", False),
        (8080, named("http"), "http", True),
        ("http", named("http"), "http", True),
        ("http", named("http"), 9090, False),
    ],
)
def test_a_target_port_may_not_leave_stable_without_endpoints(
    stable: object, stable_template: dict[str, Any], wanted: object, accepted: bool
) -> None:
    raw = spec(template=named("http"), service=service(wanted))
    recorded = settings_of(spec(service=service(stable)))
    if accepted:
        check_target_ports(read(raw), recorded, stable_template)
        return
    with pytest.raises(InvalidSpecError, match="may not change"):
        check_target_ports(read(raw), recorded, stable_template)


def test_what_is_recorded_of_a_spec_leaves_scale_and_pause_out() -> None:
    assert settings_of(spec()).keys() == {"service", "strategy", "analysis"}


def test_the_diagram_shows_every_transition() -> None:
    picture = draw()
    for phase, row in TRANSITIONS.items():
        for target in row.values():
            assert f"{phase} --> {target}:" in picture
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_diagram(text) == f"before\n{BEGIN}\n{picture}\n{END}\nafter\n"
    with pytest.raises(ValueError, match="missing"):
        with_diagram("no markers")


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
)
def test_a_status_patch_has_only_what_changed(
    before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert merge_patch(before, after) == patch


@pytest.mark.parametrize(
    ("metric", "doubt"),
    [
        pytest.param(
            {"name": "a", "successRate": {"min": 0.99}},
            "spec.analysis.metrics[0].successRate.min is 0.99, which means 0.99 %: it is a "
            "percentage. If 99 % is meant, write 99.",
            id="a fraction",
        ),
        pytest.param(
            {"name": "a", "latency": {"percentile": 0.95, "max": "1s"}},
            "spec.analysis.metrics[0].latency.percentile is 0.95, which means 0.95 %: it is a "
            "percentage. If 95 % is meant, write 95.",
            id="a percentile as a fraction",
        ),
        pytest.param({"name": "a", "successRate": {"min": 99}}, None, id="a percentage"),
        pytest.param({"name": "a", "query": {"promql": "up", "max": 0.5}}, None, id="a query"),
    ],
)
def test_percentages_that_look_like_fractions_are_doubted(
    metric: dict[str, Any], doubt: str | None
) -> None:
    accepted = read(spec(analysis={"metrics": [metric]}))
    assert list(doubts_about(accepted)) == ([doubt] if doubt else [])


def test_an_interval_without_a_scrape_is_refused() -> None:
    accepted = read(spec(analysis={"interval": "10s"}))
    check_interval(accepted, Settings(scrape_interval=timedelta(seconds=10)))
    with pytest.raises(InvalidSpecError, match="--prometheus-scrape-interval") as refused:
        check_interval(accepted, Settings(scrape_interval=timedelta(seconds=15)))
    assert "spec.analysis.interval is 10s, but must not be shorter than 15s" in str(refused.value)
