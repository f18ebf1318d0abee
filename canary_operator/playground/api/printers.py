"""The columns of the built-in kinds, as `kubectl get` shows them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from canary_operator.playground.api.ages import age
from canary_operator.playground.api.kinds import Column
from canary_operator.playground.api.objects import Object, dig
from canary_operator.playground.api.scaler_targets import targets_text

Printer = Callable[[Object, datetime], list[Any]]
NONE = "<none>"


def plain(obj: Object, now: datetime) -> list[Any]:
    """Print name and age."""
    return [obj["metadata"]["name"], _age(obj, now)]


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def selector_text(selector: Object | None) -> str:
    """Write a label selector as one line."""
    if not selector:
        return NONE
    terms = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    operators = {"In": "in", "NotIn": "notin"}
    for term in selector.get("matchExpressions") or ():
        key, values = term["key"], ",".join(term.get("values") or ())
        terms.append(
            f"{key} {operators[term['operator']]} ({values})"
            if term["operator"] in operators
            else f"{'!' if term['operator'] == 'DoesNotExist' else ''}{key}"
        )
    return ",".join(terms) or NONE


def _containers(obj: Object) -> tuple[str, str]:
    items = dig(obj, "spec", "template", "spec", "containers", default=[])
    return ",".join(c["name"] for c in items), ",".join(c.get("image", "") for c in items)


def _deployment(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    ready, wanted = status.get("readyReplicas", 0), dig(obj, "spec", "replicas", default=0)
    return [
        obj["metadata"]["name"],
        f"{ready}/{wanted}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        _age(obj, now),
        *_containers(obj),
        selector_text(dig(obj, "spec", "selector")),
    ]


def _replica_set(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    return [
        obj["metadata"]["name"],
        dig(obj, "spec", "replicas", default=0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        _age(obj, now),
        *_containers(obj),
        selector_text(dig(obj, "spec", "selector")),
    ]


def _pod(obj: Object, now: datetime) -> list[Any]:
    status, spec = obj.get("status") or {}, obj["spec"]
    states = status.get("containerStatuses") or []
    restarts = sum(state.get("restartCount", 0) for state in states)
    ready = sum(bool(state.get("ready")) for state in states)
    gates = spec.get("readinessGates")
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(spec['containers'])}",
        _pod_phase(obj, states),
        str(restarts),
        _age(obj, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        f"0/{len(gates)}" if gates else NONE,
    ]


def _pod_phase(obj: Object, states: list[Object]) -> str:
    """Return the most telling word about a pod: a container's trouble before the phase."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    for state in reversed(states):
        now = state.get("state") or {}
        reason = dig(now, "waiting", "reason") or dig(now, "terminated", "reason")
        if reason:
            word = reason
        elif "terminated" in now:
            word = f"ExitCode:{dig(now, 'terminated', 'exitCode', default=0)}"
    return word


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    ports = []
    for port in spec.get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        ports.append(f"{port['port']}{node}/{port['protocol']}")
    external = {"ExternalName": spec.get("externalName", ""), "LoadBalancer": "<pending>"}
    ips = ",".join(spec.get("externalIPs") or ()) or NONE
    return [
        obj["metadata"]["name"],
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or NONE,
        external.get(spec.get("type", ""), ips),
        ",".join(ports) or NONE,
        _age(obj, now),
        _labels(spec.get("selector")),
    ]


def _event(obj: Object, now: datetime) -> list[Any]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    message = obj.get("message") or obj.get("note") or ""
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp")
    series: Object = obj.get("series") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent")
    first_seen = age(first, now)
    last_seen = age(series.get("lastObservedTime") or last, now)
    return [
        last_seen if last_seen != "<unknown>" else first_seen,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        f"{component or obj.get('reportingController', '')}"
        + (f", {source['host']}" if source.get("host") else ""),
        message.strip(),
        first_seen,
        series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1,
        obj["metadata"]["name"],
    ]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], dig(obj, "status", "phase", default=""), _age(obj, now)]


def _data(obj: Object, now: datetime) -> list[Any]:
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, _age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    count = len(obj.get("data") or {})
    return [obj["metadata"]["name"], obj.get("type", ""), count, _age(obj, now)]


def _account(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), _age(obj, now)]


def _node(obj: Object, now: datetime) -> list[Any]:
    conditions = dig(obj, "status", "conditions", default=[])
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), "Unknown")
    words = {"True": "Ready", "False": "NotReady"}
    version = dig(obj, "status", "nodeInfo", "kubeletVersion", default="")
    return [obj["metadata"]["name"], words.get(ready, "Unknown"), NONE, _age(obj, now), version]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], dig(obj, "spec", "holderIdentity", default=""), _age(obj, now)]


def _revision(obj: Object, now: datetime) -> list[Any]:
    owners = obj["metadata"].get("ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    group = owner["apiVersion"].partition("/")[0] if owner and "/" in owner["apiVersion"] else ""
    name = (
        f"{owner['kind'].lower()}{'.' if group else ''}{group}/{owner['name']}" if owner else NONE
    )
    return [obj["metadata"]["name"], name, obj.get("revision", 0), _age(obj, now)]


def _definition(obj: Object, _: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _role(obj: Object, _: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _binding(obj: Object, now: datetime) -> list[Any]:
    role = obj.get("roleRef") or {}
    return [obj["metadata"]["name"], f"{role.get('kind')}/{role.get('name')}", _age(obj, now)]


def _scaler(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    target = spec["scaleTargetRef"]
    return [
        obj["metadata"]["name"],
        f"{target['kind']}/{target['name']}",
        targets_text(obj),
        spec.get("minReplicas", "<unset>"),
        spec["maxReplicas"],
        dig(obj, "status", "currentReplicas", default=0),
        _age(obj, now),
    ]


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    bounds = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    allowed = dig(obj, "status", "disruptionsAllowed", default=0)
    return [obj["metadata"]["name"], *bounds, allowed, _age(obj, now)]


def _columns(text: str) -> tuple[Column, ...]:
    """Read `Name:type!` items: a `!` marks a column of `-o wide`."""
    out = []
    for item in text.split(","):
        name, _, kind = item.strip().partition(":")
        wide = kind.endswith("!")
        out.append(Column(name, kind.rstrip("!") or "string", "", "", name, int(wide)))
    return tuple(out)


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    kind: _columns(text)
    for kind, text in {
        "Deployment": "Ready,Up-to-date,Available,Age,Containers:!,Images:!,Selector:!",
        "ReplicaSet": "Desired:integer,Current:integer,Ready:integer,Age,Containers:!,Images:!,"
        "Selector:!",
        "Pod": "Ready,Status,Restarts,Age,IP:!,Node:!,Nominated Node:!,Readiness Gates:!",
        "Service": "Type,Cluster-IP,External-IP,Port(s),Age,Selector:!",
        "Namespace": "Status,Age",
        "ConfigMap": "Data:integer,Age",
        "Secret": "Type,Data:integer,Age",
        "ServiceAccount": "Secrets:integer,Age",
        "Node": "Status,Roles,Age,Version",
        "Lease": "Holder,Age",
        "ControllerRevision": "Controller,Revision:integer,Age",
        "CustomResourceDefinition": "Created At:date",
        "ClusterRole": "Created At:date",
        "Role": "Created At:date",
        "RoleBinding": "Role,Age",
        "ClusterRoleBinding": "Role,Age",
        "HorizontalPodAutoscaler": "Reference,Targets,MinPods,MaxPods:integer,Replicas:integer,Age",
        "PodDisruptionBudget": "Min Available,Max Unavailable,Allowed Disruptions:integer,Age",
    }.items()
}
EVENT_COLUMNS = _columns(
    "Last Seen,Type,Reason,Object,Subobject:!,Source:!,Message,First Seen:!,Count:integer!,Name:!"
)
PRINTERS: Mapping[str, Printer] = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Pod": _pod,
    "Service": _service,
    "Event": _event,
    "Namespace": _namespace,
    "ConfigMap": _data,
    "Secret": _secret,
    "ServiceAccount": _account,
    "Node": _node,
    "Lease": _lease,
    "ControllerRevision": _revision,
    "CustomResourceDefinition": _definition,
    "ClusterRole": _role,
    "Role": _role,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "HorizontalPodAutoscaler": _scaler,
    "PodDisruptionBudget": _budget,
}
