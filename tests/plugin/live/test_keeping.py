"""From a Deployment that stays to a CanaryRollout that names it: the pure part."""

import json
from typing import Any

import pytest
import yaml

from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.adoption.keeping import propose_keeping
from canary_operator.plugin.live.adoption.proposal import Proposal
from canary_operator.plugin.screens.adoption import proposal_text
from tests.plugin.live.test_adoption import (
    HTTP,
    PORT,
    deployment,
    guard,
    named,
    pods,
    route,
    scaler,
    seen,
    service,
)


def kept(**changes: Any) -> Proposal:
    return propose_keeping(seen(**{"services": HTTP, **changes}))


def words(proposal: Proposal, title: str) -> list[str]:
    """Return what is said in the stage whose title begins so."""
    found = [stage for stage in proposal.stages if stage.title.startswith(title)]
    return [remark.words for stage in found for remark in stage.remarks]


def commands(proposal: Proposal, title: str) -> list[str]:
    found = [stage for stage in proposal.stages if stage.title.startswith(title)]
    return [line for stage in found for remark in stage.remarks for line in remark.commands]


def test_the_rollout_names_the_deployment_and_is_called_as_the_service() -> None:
    proposal = kept()
    assert proposal.manifest["metadata"] == {"name": "web", "namespace": "demo"}
    spec = {"workloadRef": {"name": "web"}, "service": {"port": 80, "targetPort": "http"}}
    assert proposal.manifest["spec"] == spec
    assert find_problems(RolloutSpec, spec)[1] == ()


def test_what_to_do_can_be_pasted_in_this_order() -> None:
    assert commands(kept(), "Give it") == [
        "kubectl annotate service/web canary-operator.dev/adopt=web -n demo",
        "kubectl canary lint -f rollout.yaml",
        "kubectl apply -f rollout.yaml",
        "kubectl wait cro/web -n demo --for=condition=Ready --timeout=10m",
        "kubectl delete cro/web -n demo",
    ]


def test_nothing_of_the_deployment_or_the_service_is_deleted() -> None:
    text = proposal_text(kept(scalers=(scaler(),)))
    assert "delete deployment" not in text
    assert "delete service" not in text
    assert yaml.safe_load(text) == kept().manifest


def test_an_autoscaler_gets_a_number_to_begin_with_and_another_target() -> None:
    scale, patch = commands(kept(scalers=(scaler(least=5),)), "Hand over")
    assert scale == "kubectl scale cro/web -n demo --replicas=5"
    assert patch.startswith("kubectl patch hpa/load -n demo --type merge -p '")
    target = json.loads(patch.split("'")[1])["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("CanaryRollout", "web")


def test_a_guard_is_narrowed_as_in_the_other_way() -> None:
    [said] = words(kept(budgets=(guard(matchLabels={"app": "web"}),)), "Hand over")
    assert "selects app=web" in said


def test_the_service_of_another_name_gives_the_name() -> None:
    front = service("front", {"name": "http", **PORT})
    proposal = propose_keeping(seen(services=(front,)))
    assert proposal.manifest["metadata"]["name"] == "front"
    assert proposal.manifest["spec"]["workloadRef"] == {"name": "web"}


@pytest.mark.parametrize(
    ("around", "name", "expected"),
    [
        pytest.param({}, "shop", "is called as the Service that it takes over, web", id="a name"),
        pytest.param(
            {"deployments": (named("web"), named("web-stable"))},
            None,
            "names that are taken: Deployment web-stable. Delete or rename them",
            id="a Deployment for a track",
        ),
        pytest.param(
            {"routes": (named("web"),)}, None, "are taken: VirtualService web", id="a route"
        ),
        pytest.param({"rollouts": (named("web"),)}, None, "CanaryRollout web", id="done before"),
    ],
)
def test_a_name_that_cannot_be(around: dict[str, Any], name: str | None, expected: str) -> None:
    with pytest.raises(PluginError) as raised:
        propose_keeping(seen(services=HTTP, **around), name=name)
    assert expected in raised.value.format_message()


OWNED = {"ownerReferences": [{"kind": "Rollout", "name": "shop", "controller": True}]}
TOOLED = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}


def of(meta: dict[str, Any]) -> dict[str, Any]:
    body = deployment()
    body["metadata"] |= meta
    return body


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param(
            {"deployment": of(OWNED)}, "first: Rollout shop controls the Deployment", id="owned"
        ),
        pytest.param(
            {"rollouts": ({**named("old"), "spec": {"workloadRef": {"name": "web"}}},)},
            "first: CanaryRollout old takes its pods from it already.",
            id="another rollout has it",
        ),
        pytest.param(
            {"deployment": of(TOOLED)},
            "Flux (Kustomization shop) manages the Deployment: put the CanaryRollout there, too",
            id="a tool",
        ),
        pytest.param(
            {"services": (service("web", {"name": "http", **PORT}, {"port": 53, "name": "dns"}),)},
            None,
            id="a second port",
        ),
        pytest.param(
            {
                "services": (
                    service(
                        "web",
                        {"name": "http", **PORT},
                        {"port": 53, "name": "dns", "protocol": "UDP"},
                    ),
                )
            },
            "first: Service web cannot be taken over: it has port 53",
            id="a port that no rollout can have",
        ),
        pytest.param(
            {"services": (service("web", {"name": "http", "port": 80, "targetPort": "other"}),)},
            "first: spec.service: targetPort 'other' of port 80",
            id="a port that no container has",
        ),
        pytest.param(
            {"deployment": pods(containers=[{"name": "app", "image": "shop:v1"}])},
            "No container has a readinessProbe",
            id="no readiness",
        ),
        pytest.param({"istio": False}, "has no VirtualServices", id="no Istio"),
        pytest.param({"deployment": deployment(replicas=0)}, "has 0 replicas", id="no pods"),
    ],
)
def test_what_cannot_be_decided(changes: dict[str, Any], expected: str | None) -> None:
    found = words(kept(**changes), "Look at what")
    if expected is None:
        assert not [said for said in found if said.startswith("To be put right")]
    else:
        assert [said for said in found if expected in said]


@pytest.mark.parametrize("name", ["door", "web"])
def test_a_route_of_the_services_own_host_is_deleted_just_before(name: str) -> None:
    own = {**route("web", "web.demo"), **named(name)}
    proposal = kept(routes=(own,))
    first, *_ = words(proposal, "Give it")
    assert first.startswith(f"VirtualService {name} routes web, web.demo, and so does the rollout")
    assert commands(proposal, "Give it")[0] == f"kubectl delete virtualservice/{name} -n demo"
    assert words(proposal, "Look at who") == []


def test_a_route_with_further_hosts_keeps_those() -> None:
    proposal = kept(routes=(route("web", "shop.example.com", gateways=("public",)),))
    first, *_ = words(proposal, "Give it")
    assert "take that host out" in first
    assert not [one for one in commands(proposal, "Give it") if "virtualservice" in one]
    [said] = words(proposal, "Look at who")
    assert "requests would only meet stable" in said
    assert (proposal.traffic.hosts, proposal.traffic.gateways) == (
        ("shop.example.com",),
        ("public",),
    )


def test_who_else_calls_the_pods_is_said() -> None:
    other, sent = service("other", {"name": "http", **PORT}), named("public")
    sent["spec"] = {"defaultBackend": {"service": {"name": "web"}}}
    around = seen(services=(*HTTP, other), ingresses=(sent,))
    proposal = propose_keeping(around, service="web")
    ingress, second = words(proposal, "Look at who")
    assert ingress.startswith("Ingress public sends to Service web. Unless")
    assert second.startswith("Service other selects the same pods: canary pods, too")
