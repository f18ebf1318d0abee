"""What a pod spec says when it says nothing."""

from typing import Any

from canary_operator.playground.api.objects import Object

FILE_MODE = 0o644
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
CONTAINER_LISTS = ("containers", "initContainers")
POD_SPEC: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
PROBE: Object = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1}
PROBE |= {"failureThreshold": 3}
WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")


def pod_spec(spec: Object) -> Object:
    """Return a pod spec with its defaults."""
    out = {**POD_SPEC, **spec}
    for name in CONTAINER_LISTS:
        if out.get(name):
            out[name] = [_container(c, host=bool(out.get("hostNetwork"))) for c in out[name]]
    if out.get("volumes"):
        out["volumes"] = [_volume(volume) for volume in out["volumes"]]
    account = out.get("serviceAccountName") or out.get("serviceAccount")
    if account:
        out |= {"serviceAccountName": account, "serviceAccount": account}
    return out


def _container(container: Object, *, host: bool) -> Object:
    out = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": _pull_policy(container.get("image", "")),
        **container,
    }
    if out.get("ports"):
        out["ports"] = [_port(port, host=host) for port in out["ports"]]
    for name in PROBES:
        if out.get(name):
            out[name] = _probe(out[name])
    if out.get("env"):
        out["env"] = [_variable(variable) for variable in out["env"]]
    if out.get("lifecycle"):
        out["lifecycle"] = {hook: _action(action) for hook, action in out["lifecycle"].items()}
    return out


def _pull_policy(image: str) -> str:
    """Return `Always` for an image that may change under its name."""
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    tag = name.partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _port(port: Object, *, host: bool) -> Object:
    out = {"protocol": "TCP", **port}
    if host and "containerPort" in out:
        out.setdefault("hostPort", out["containerPort"])
    return out


def _action(action: Object) -> Object:
    get = action.get("httpGet")
    return {**action, "httpGet": {"path": "/", "scheme": "HTTP", **get}} if get else action


def _probe(probe: Object) -> Object:
    out = {**PROBE, **_action(probe)}
    if "grpc" in out:
        out["grpc"] = {"service": "", **out["grpc"]}
    return out


def _variable(variable: Object) -> Object:
    source: Any = variable.get("valueFrom") or {}
    if "fieldRef" not in source:
        return variable
    reference = {"apiVersion": "v1", **source["fieldRef"]}
    return {**variable, "valueFrom": {**source, "fieldRef": reference}}


def _volume(volume: Object) -> Object:
    out = dict(volume)
    if len(out) == 1:
        out["emptyDir"] = {}
    for name in WITH_MODE:
        if name in out:
            out[name] = {"defaultMode": FILE_MODE, **out[name]}
    if "projected" in out:
        sources = [_projection(source) for source in out["projected"].get("sources") or ()]
        out["projected"] = {**out["projected"], **({"sources": sources} if sources else {})}
    if "hostPath" in out:
        out["hostPath"] = {"type": "", **out["hostPath"]}
    return out


def _projection(source: Object) -> Object:
    token = source.get("serviceAccountToken")
    if token is None:
        return source
    return {**source, "serviceAccountToken": {"expirationSeconds": 3600, **token}}


TOLERATED: tuple[Object, ...] = tuple(
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
    | {"tolerationSeconds": 300}
    for key in ("not-ready", "unreachable")
)


def pod(obj: Object) -> Object:
    """Return a pod with the defaults that templates do not get."""
    spec = pod_spec({"enableServiceLinks": True, **obj.get("spec", {})})
    for name in CONTAINER_LISTS:
        if spec.get(name):
            spec[name] = [_requesting(container) for container in spec[name]]
    return {**obj, "spec": spec}


def _requesting(container: Object) -> Object:
    """Return a container that requests what it is limited to, unless it says otherwise."""
    resources = container.get("resources") or {}
    if not resources.get("limits"):
        return container
    requests = {**resources["limits"], **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}}


def new_pod(obj: Object) -> Object:
    """Return a pod as admission and the first write leave it."""
    spec = {"priority": 0, "preemptionPolicy": "PreemptLowerPriority", **obj["spec"]}
    tolerations = list(spec.get("tolerations") or ())
    known = {toleration.get("key") for toleration in tolerations}
    spec["tolerations"] = tolerations + [t for t in TOLERATED if t["key"] not in known]
    status = {"phase": "Pending", "qosClass": quality_of_service(spec)}
    return {**obj, "spec": spec, "status": status}


def quality_of_service(spec: Object) -> str:
    """Return the class that decides who goes first when a node is full."""
    resources = [c.get("resources") or {} for n in CONTAINER_LISTS for c in spec.get(n) or ()]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    for resource in resources:
        limits, requests = resource.get("limits") or {}, resource.get("requests") or {}
        if any(limits.get(n) is None or requests.get(n) != limits[n] for n in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
