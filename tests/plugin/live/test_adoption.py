"""From a Deployment to a CanaryRollout: the pure part."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.adoption.defaults import without_defaults
from canary_operator.plugin.live.adoption.handover import callers, others, traffic_of
from canary_operator.plugin.live.adoption.leftovers import of_deployment, of_service
from canary_operator.plugin.live.adoption.naming import choose_name
from canary_operator.plugin.live.adoption.ports import choose_service, ports_of
from canary_operator.plugin.live.adoption.proposal import Proposal, propose
from canary_operator.plugin.live.adoption.surroundings import Surroundings
from canary_operator.plugin.live.adoption.template import written_template
from canary_operator.plugin.live.adoption.yamltext import manifest_text
from canary_operator.plugin.screens.adoption import proposal_text

PROBE = {"httpGet": {"port": "http"}}
APP = {
    "name": "app",
    "image": "shop:v1",
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": PROBE,
}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", "tier": "front"}},
    "spec": {"containers": [APP]},
}
FILLED_IN: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", "tier": "front"}, "creationTimestamp": None},
    "spec": {
        "containers": [
            {
                **APP,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"port": "http", "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    },
}
PORT = {"port": 80, "targetPort": "http", "protocol": "TCP"}


def deployment(template: Any = None, **spec: Any) -> dict[str, Any]:
    body = {"replicas": 3, "template": template or FILLED_IN, **spec}
    return {"metadata": {"name": "web", "namespace": "demo"}, "spec": body}


def service(name: str = "web", *ports: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    body = {"selector": {"app": "web"}, "ports": [*(ports or [PORT])], **spec}
    return {"metadata": {"name": name}, "spec": body}


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def seen(**changes: Any) -> Surroundings:
    known = {"namespace": "demo", "deployment": deployment(), "services": (service(),)}
    return Surroundings(**{**known, **changes})


def test_defaults_go() -> None:
    assert without_defaults(FILLED_IN) == TEMPLATE
    assert without_defaults(TEMPLATE) == TEMPLATE


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"dnsPolicy": "Default"}, id="a policy"),
        pytest.param({"terminationGracePeriodSeconds": 0}, id="a zero"),
        pytest.param({"securityContext": {"runAsNonRoot": True}}, id="an object"),
        pytest.param(
            {"serviceAccountName": "web", "serviceAccount": "other"}, id="two names that differ"
        ),
        pytest.param({"volumes": [{"name": "cache", "emptyDir": {}}]}, id="an empty volume"),
        pytest.param(
            {"volumes": [{"name": "files", "secret": {"secretName": "x", "defaultMode": 256}}]},
            id="a file mode",
        ),
    ],
)
def test_what_somebody_decided_stays(spec: dict[str, Any]) -> None:
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], **spec}}
    assert without_defaults(template) == template


@pytest.mark.parametrize(
    ("image", "policy", "kept"),
    [
        ("shop:v1", "IfNotPresent", False),
        ("shop:v1", "Always", True),
        ("shop", "Always", False),
        ("localhost:5000/shop", "Always", False),
        ("localhost:5000/shop:latest", "IfNotPresent", True),
        ("shop@sha256:0123", "IfNotPresent", False),
        ("shop:v1", "Never", True),
    ],
)
def test_a_pull_policy_stays_where_it_is_a_decision(image: str, policy: str, kept: bool) -> None:
    container = {"name": "app", "image": image, "imagePullPolicy": policy}
    [out] = without_defaults({"spec": {"containers": [container]}})["spec"]["containers"]
    assert ("imagePullPolicy" in out) == kept


def last_applied(template: Any) -> dict[str, Any]:
    text = json.dumps({"spec": {"template": template}})
    return {"kubectl.kubernetes.io/last-applied-configuration": text}


def annotated(template: Any, annotations: Mapping[str, str]) -> dict[str, Any]:
    body = deployment(template)
    body["metadata"]["annotations"] = annotations
    return body


WRITTEN = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "dnsPolicy": "ClusterFirst"}}
"""As its author wrote it: with a default that another author would have left out."""
RESTARTED = {
    **FILLED_IN,
    "metadata": {
        **FILLED_IN["metadata"],
        "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-28T10:00:00Z"},
    },
}
STAMPED = {**WRITTEN, "metadata": {**WRITTEN["metadata"], "creationTimestamp": None}}


@pytest.mark.parametrize(
    ("body", "content", "applied", "changed", "restarted"),
    [
        pytest.param(deployment(), TEMPLATE, False, False, False, id="nothing is remembered"),
        pytest.param(
            annotated(FILLED_IN, last_applied(WRITTEN)), WRITTEN, True, False, False, id="the same"
        ),
        pytest.param(
            annotated(FILLED_IN, last_applied(STAMPED)), WRITTEN, True, False, False, id="a stamp"
        ),
        pytest.param(
            annotated(RESTARTED, last_applied(WRITTEN)), WRITTEN, True, False, True, id="a restart"
        ),
        pytest.param(deployment(RESTARTED), TEMPLATE, False, False, True, id="only a restart"),
        pytest.param(
            annotated(FILLED_IN, last_applied({"spec": {"containers": []}})),
            TEMPLATE,
            False,
            True,
            False,
            id="another image was set since",
        ),
        pytest.param(
            annotated(FILLED_IN, {"kubectl.kubernetes.io/last-applied-configuration": "{"}),
            TEMPLATE,
            False,
            False,
            False,
            id="nonsense is remembered",
        ),
    ],
)
def test_the_template_as_it_was_written(
    body: dict[str, Any], content: Any, applied: bool, changed: bool, restarted: bool
) -> None:
    found = written_template(body)
    assert found.content == content
    assert (found.applied, found.changed_since, found.restarted) == (applied, changed, restarted)


def complaint(**changes: Any) -> str:
    wanted = changes.pop("wanted", None)
    with pytest.raises(PluginError) as raised:
        choose_service(seen(**changes), wanted)
    return raised.value.format_message()


def test_the_only_service_is_found() -> None:
    other = {"metadata": {"name": "other"}, "spec": {"selector": {"app": "other"}}}
    without = {"metadata": {"name": "external"}, "spec": {"type": "ExternalName"}}
    around = seen(services=(without, other, service("front")))
    assert choose_service(around, None)["metadata"]["name"] == "front"


def test_no_service() -> None:
    other = service("other", selector={"app": "other"})
    assert complaint(services=(other,)) == (
        "No Service selects the pods of Deployment web (app=web,tier=front), and only requests to "
        "a Service can be split. Services in namespace demo: other (port 80)."
    )


def test_several_services() -> None:
    both = (service("a"), service("b", {"port": 1}, {"port": 2}))
    assert complaint(services=both) == (
        "Several Services select the pods of Deployment web: a (port 80), b (port 1, 2). Choose "
        "one with --service; ports of the others can be added by hand."
    )
    assert choose_service(seen(services=both), "b")["metadata"]["name"] == "b"


def test_a_service_that_is_not_there() -> None:
    expected = "No Service x in namespace demo; there: web (port 80)"
    assert complaint(wanted="x") == expected


def test_a_service_of_others() -> None:
    other = service("other", selector={"app": "other"})
    assert complaint(services=(service(), other), wanted="other") == (
        "Service other does not lead to Deployment web: it selects app=other, the pods have "
        "app=web,tier=front"
    )


@pytest.mark.parametrize(
    ("ports", "expected", "doubts"),
    [
        pytest.param(
            [{"name": "http", **PORT}], {"port": 80, "targetPort": "http"}, [], id="called http"
        ),
        pytest.param([PORT], {"port": 80, "targetPort": "http"}, ["has no name"], id="no name"),
        pytest.param(
            [{"name": "http", "port": 80, "targetPort": 80}], {"port": 80}, [], id="one number"
        ),
        pytest.param(
            [{"name": "grpc-api", "port": 80, "targetPort": 9000}],
            {"port": 80, "targetPort": 9000, "portName": "grpc-api"},
            [],
            id="another protocol",
        ),
        pytest.param(
            [{"name": "web", "port": 80}],
            {"port": 80, "portName": "http-web"},
            ["called http-web"],
            id="a name that says no protocol",
        ),
        pytest.param(
            [{"name": "web", "port": 80, "appProtocol": "grpc"}],
            {"ports": [{"name": "web", "port": 80, "appProtocol": "grpc"}]},
            [],
            id="appProtocol",
        ),
        pytest.param(
            [{"name": "http", "port": 80, "appProtocol": "example.com/x"}],
            {"port": 80},
            ["appProtocol example.com/x"],
            id="an appProtocol of somebody",
        ),
        pytest.param(
            [{"name": "tcp-admin", "port": 9000}, {"name": "http", "port": 80}],
            {"ports": [{"name": "http", "port": 80}, {"name": "tcp-admin", "port": 9000}]},
            ["Port 80 is the one that is analysed"],
            id="the port with requests comes first",
        ),
        pytest.param(
            [{"name": "tcp", "port": 5432}],
            {"port": 5432, "portName": "tcp"},
            ["no built-in check sees it"],
            id="nothing that is split by request",
        ),
        pytest.param(
            [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}],
            {"port": 80},
            [],
            id="UDP is left out",
        ),
    ],
)
def test_ports(ports: list[Any], expected: dict[str, Any], doubts: list[str]) -> None:
    found = ports_of(service("web", *ports))
    assert found.spec == expected
    assert len(found.doubts) == len(doubts)
    assert all(part in words for part, words in zip(doubts, found.doubts, strict=True))
    assert find_problems(RolloutSpec, {"template": TEMPLATE, "service": found.spec})[1] == ()


def test_a_service_without_tcp() -> None:
    with pytest.raises(PluginError, match="Service web has no TCP port"):
        ports_of(service("web", {"port": 53, "protocol": "UDP"}))


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        pytest.param({"services": (service("front"),)}, "web", id="nothing has its name"),
        pytest.param({}, "web-rollout", id="the Service has its name"),
        pytest.param(
            {"services": (service("front"),), "routes": (named("web"),)},
            "web-rollout",
            id="a VirtualService",
        ),
        pytest.param(
            {"services": (service("front"),), "deployments": (named("web"), named("web-canary"))},
            "web-rollout",
            id="a Deployment for a track",
        ),
        pytest.param(
            {"services": (service("front"), named("web-stable"))},
            "web-rollout",
            id="a Service for a track",
        ),
        pytest.param({"rollouts": (named("web-rollout"),)}, "web-rollout-2", id="done before"),
    ],
)
def test_a_free_name(around: dict[str, Any], expected: str) -> None:
    assert choose_name(seen(**around), None) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("web", "CanaryRollout web would need names that are taken: Service web. The operator"),
        ("Web", 'metadata.name is "Web", but must be a name of lower-case letters'),
        ("x" * 57, "must be a name of lower-case letters"),
    ],
)
def test_a_name_that_cannot_be(wanted: str, expected: str) -> None:
    with pytest.raises(PluginError) as raised:
        choose_name(seen(), wanted)
    assert expected in raised.value.format_message()


def test_a_deployment_whose_name_no_service_can_have() -> None:
    body = deployment()
    body["metadata"]["name"] = "1web"
    with pytest.raises(PluginError, match="Choose another with --name"):
        choose_name(seen(deployment=body), None)
    assert choose_name(seen(deployment=body), "web1") == "web1"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, [], id="nothing special"),
        pytest.param(
            {
                "progressDeadlineSeconds": 600,
                "revisionHistoryLimit": 10,
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
                },
            },
            [],
            id="defaults",
        ),
        pytest.param(
            {"minReadySeconds": 5},
            ["minReadySeconds: 5; the hold of a step takes its place"],
            id="minReadySeconds",
        ),
        pytest.param(
            {"progressDeadlineSeconds": 60},
            ["progressDeadlineSeconds: 60; spec.strategy.progressDeadline is its counterpart"],
            id="progressDeadlineSeconds",
        ),
        pytest.param(
            {"paused": True}, ["paused: true; spec.paused: true pauses a rollout"], id="p"
        ),
        pytest.param(
            {"strategy": {"type": "Recreate"}},
            ["strategy Recreate; stable is always rolled"],
            id="Recreate",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
            [
                (
                    "strategy with maxSurge: 1, maxUnavailable: 0; stable is rolled with "
                    "maxUnavailable 0 and maxSurge 25%"
                )
            ],
            id="numbers of a rolling update",
        ),
    ],
)
def test_what_a_deployment_loses(spec: dict[str, Any], expected: list[str]) -> None:
    assert [*of_deployment(deployment(**spec))] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"type": "ClusterIP", "clusterIP": "10.0.0.1"}, [], id="nothing special"),
        pytest.param(
            {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
            ["type: LoadBalancer of Service web"],
            id="a load balancer",
        ),
        pytest.param(
            {"sessionAffinity": "ClientIP"}, ["sessionAffinity: ClientIP of Service web"], id="s"
        ),
        pytest.param(
            {"clusterIP": "None"},
            ["Service web is headless; those of the rollout have an address"],
            id="headless",
        ),
        pytest.param(
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            ["loadBalancerSourceRanges of Service web"],
            id="who may come",
        ),
    ],
)
def test_what_a_service_loses(spec: dict[str, Any], expected: list[str]) -> None:
    assert [*of_service(service("web", **spec))] == expected


def scaler(kind: str = "Deployment", name: str = "web", least: int = 2) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {**named("load"), "spec": {"scaleTargetRef": target, "minReplicas": least}}


def guard(**selector: Any) -> dict[str, Any]:
    return {**named("guard"), "spec": {"selector": selector}}


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"scalers": (scaler("StatefulSet"), scaler(name="x"))}, [], id="of others"),
        pytest.param(
            {"scalers": (scaler(),)}, ["HorizontalPodAutoscaler load"], id="an autoscaler"
        ),
        pytest.param({"budgets": (guard(matchLabels={"app": "x"}),)}, [], id="a guard of others"),
        pytest.param(
            {"budgets": (guard(matchLabels={"app": "web"}),)}, ["selects app=web: "], id="a guard"
        ),
        pytest.param(
            {
                "budgets": (
                    guard(
                        matchExpressions=[
                            {"key": "app", "operator": "In", "values": ["web"]},
                            {"key": "tier", "operator": "NotIn", "values": ["back"]},
                            {"key": "x", "operator": "DoesNotExist"},
                        ]
                    ),
                )
            },
            ["selects these pods: "],
            id="a guard by expressions",
        ),
        pytest.param(
            {
                "policies": (
                    {**named("deny"), "spec": {"podSelector": {}}},
                    {**named("x"), "spec": {"podSelector": {"matchLabels": {"app": "x"}}}},
                )
            },
            ["for both versions: deny. "],
            id="policies",
        ),
    ],
)
def test_what_acts_on_the_deployment(around: dict[str, Any], expected: list[str]) -> None:
    found = [remark.words for remark in others(seen(**around), "shop")]
    assert len(found) == len(expected)
    assert all(part in words for part, words in zip(expected, found, strict=True))


def test_commands_for_what_acts_on_it_can_be_pasted() -> None:
    around = seen(scalers=(scaler(),), budgets=(guard(matchLabels={"app": "web"}),))
    [scale], [protect] = (remark.commands for remark in others(around, "shop"))
    assert scale.startswith("kubectl patch hpa/load -n demo --type merge -p '")
    assert json.loads(scale.split("'")[1])["spec"]["scaleTargetRef"] == {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "name": "shop",
    }
    labels = json.loads(protect.split("'")[1])["spec"]["selector"]["matchLabels"]
    expected = {"canary-operator.dev/rollout": "shop", "canary-operator.dev/track": "stable"}
    assert labels == expected


def route(*hosts: str, to: str = "web", gateways: tuple[str, ...] = ()) -> dict[str, Any]:
    rule = {"route": [{"destination": {"host": to}}]}
    return {**named("door"), "spec": {"hosts": [*hosts], "gateways": [*gateways], "http": [rule]}}


@pytest.mark.parametrize(
    ("found", "words", "hosts", "gateways"),
    [
        pytest.param(route("shop.example.com", to="other"), None, (), (), id="to others"),
        pytest.param(route("web"), "it goes with the Service", (), (), id="its own host"),
        pytest.param(
            route(
                "shop.example.com",
                "web",
                to="web.demo.svc.cluster.local",
                gateways=("istio-system/public", "mesh"),
            ),
            "take the hosts out there",
            ("shop.example.com",),
            ("istio-system/public",),
            id="a host beyond it",
        ),
    ],
)
def test_routes(
    found: dict[str, Any], words: str | None, hosts: tuple[str, ...], gateways: tuple[str, ...]
) -> None:
    around = seen(routes=(found,))
    traffic = traffic_of(around, "web")
    assert (traffic.hosts, traffic.gateways) == (hosts, gateways)
    told = [remark.words for remark in callers(around, "web", "shop")][1:]
    assert bool(told) == (words is not None)
    assert all(words in each for each in told if words)


def test_an_ingress_is_named() -> None:
    path = {"backend": {"service": {"name": "web"}}}
    public = {**named("public"), "spec": {"rules": [{"http": {"paths": [path]}}]}}
    default = {**named("all"), "spec": {"defaultBackend": {"service": {"name": "web"}}}}
    around = seen(ingresses=(public, default, named("empty")))
    told = [remark.words for remark in callers(around, "web", "shop")][1:]
    assert [words.partition(" sends")[0] for words in told] == ["Ingress public", "Ingress all"]


def doubts(**changes: Any) -> str:
    proposal = propose(seen(**changes))
    first = proposal.stages[0]
    return "\n".join(remark.words for remark in first.remarks) if first.title[:4] == "Look" else ""


HTTP = (service("web", {"name": "http", **PORT}),)


def pods(**spec: Any) -> dict[str, Any]:
    return deployment({**TEMPLATE, "spec": {**TEMPLATE["spec"], **spec}})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param(
            {"deployment": pods(containers=[{"name": "app", "image": "x", "ports": APP["ports"]}])},
            "No container has a readinessProbe (app): ",
            id="no readiness",
        ),
        pytest.param(
            {"deployment": deployment(strategy={"type": "Recreate"})},
            "The strategy is Recreate, so two versions never ran side by side.",
            id="Recreate",
        ),
        pytest.param(
            {
                "deployment": pods(
                    volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]
                )
            },
            "share the claims of these volumes: data.",
            id="a claim",
        ),
        pytest.param({"deployment": pods(hostNetwork=True)}, "ports of their node", id="a node"),
        pytest.param({"deployment": deployment(replicas=0)}, "has 0 replicas", id="no pod"),
        pytest.param({"istio": False}, "RouterUnavailable", id="no Istio"),
        pytest.param({"unseen": ("Ingresses: no.",)}, "Ingresses: no.", id="what was not seen"),
        pytest.param(
            {
                "deployment": deployment(
                    {
                        **TEMPLATE,
                        "metadata": {"labels": {"app": "web", "sidecar.istio.io/inject": "false"}},
                    }
                )
            },
            "The pods say sidecar.istio.io/inject: false",
            id="out of the mesh",
        ),
        pytest.param(
            {"services": (service("web", {"name": "http", "port": 80, "targetPort": "nope"}),)},
            "To be put right first: spec.service: targetPort 'nope' of port 80",
            id="a port that leads nowhere",
        ),
        pytest.param(
            {
                "deployment": {
                    **deployment(),
                    "metadata": {
                        "name": "web",
                        "annotations": {"meta.helm.sh/release-name": "shop"},
                        "ownerReferences": [
                            {"kind": "Shop", "name": "till", "controller": True, "uid": "u"}
                        ],
                    },
                }
            },
            "Shop till controls the Deployment and may make it again: it has to let go of it.\n"
            "Helm (release shop) manages the Deployment: ",
            id="who makes it again",
        ),
        pytest.param(
            {"deployment": annotated(FILLED_IN, last_applied({}))},
            "it is not what was applied last",
            id="changed by hand",
        ),
    ],
)
def test_what_has_to_be_looked_at(changes: dict[str, Any], expected: str) -> None:
    found = doubts(**{"services": HTTP, **changes})
    assert expected in found
    assert bool(found) == bool(expected)


@pytest.mark.parametrize(
    ("asked", "least", "expected"), [(3, 2, 3), (1, 2, 2), (0, 1, 1), (5, 5, 5)]
)
def test_an_autoscaler_has_a_least_number(asked: int, least: int, expected: int) -> None:
    around = seen(deployment=deployment(replicas=asked), scalers=(scaler(least=least),))
    assert propose(around).manifest["spec"]["replicas"] == expected


def everything() -> Proposal:
    return propose(
        seen(
            deployment=deployment(minReadySeconds=5),
            scalers=(scaler(),),
            budgets=(guard(matchLabels={"app": "web"}),),
            routes=(route("shop.example.com", gateways=("public",)),),
        )
    )


def test_the_file_is_a_manifest_with_comments() -> None:
    text = proposal_text(everything())
    loaded = yaml.safe_load(text)
    assert loaded == everything().manifest
    assert find_problems(RolloutSpec, loaded["spec"])[1] == ()
    titles = [line for line in text.splitlines() if line[:3] in {f"# {n}" for n in range(1, 9)}]
    assert titles == [
        "# 1. Look at what could not be decided here.",
        "# 2. Check it, apply it, wait until it serves.",
        "# 3. Point callers to it.",
        "# 4. Hand over what acts on the Deployment.",
        "# 5. Delete what nobody needs any more.",
    ]
    assert text.index("# Not carried over:") < text.index("minReadySeconds: 5")
    assert all(len(line) <= 100 for line in text.splitlines() if "kubectl" not in line)


def test_what_is_commented_out_fits_where_it_stands() -> None:
    text = proposal_text(everything())
    [block] = [part for part in text.split("  # traffic:") if part.startswith("\n  #   istio")]
    uncommented = ("  # traffic:" + block).replace("  # ", "  ")
    head = text.partition("  # Defaults")[0]
    spec = yaml.safe_load(head + uncommented)["spec"]
    expected = {"istio": {"hosts": ["shop.example.com"], "gateways": ["public"]}}
    assert spec["traffic"] == expected
    assert find_problems(RolloutSpec, spec)[1] == ()


@pytest.mark.parametrize(
    "value",
    [
        *("y", "n", "on", "off", "yes", "no", "true", "null", "~", "", " x", "1", "1e3", "0x1f"),
        *("1_000", "012", ".5", "+1", "-", "1:30", "2026-11-28", "=", "<<", "a: b", "a #b", "&a"),
        *("two\nlines", "two\nlines\n", "  indented\nlines", "Grüße", "tab\there", "nan", ".nan"),
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_text_stays_text(value: str, ascii_only: bool) -> None:
    text = manifest_text({"env": [{"name": value, "value": value}]}, ascii_only=ascii_only)
    assert yaml.safe_load(text) == {"env": [{"name": value, "value": value}]}
    assert text.isascii() or not ascii_only
    ambiguous = {"y", "n", "1e3", "012", "1_000", "0x1f"}
    assert value not in ambiguous or f'value: "{value}"' in text
