"""A pod template without what the API server filled in.

Only what equals the default goes: https://github.com/kubernetes/kubernetes has the list in
`pkg/apis/core/v1/defaults.go`; pods get more defaults than templates do.
"""

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

FILE_MODE = 0o644
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")

_POD: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Mapping[str, Any] = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Mapping[str, Any] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_HTTP_GET: Mapping[str, Any] = {"path": "/", "scheme": "HTTP"}
_CLAIM: Mapping[str, Any] = {"volumeMode": "Filesystem"}
_ROTATED: Mapping[str, Any] = {"expirationSeconds": 3600}
_FILES: Mapping[str, Any] = {"defaultMode": FILE_MODE}
_V1: Mapping[str, Any] = {"apiVersion": "v1"}


def without_defaults(template: Mapping[str, Any]) -> Json:
    """Return a pod template with only what somebody decided."""
    out = dict(template)
    meta = _dropped(out.get("metadata") or {}, {"creationTimestamp": None})
    kept = {key: value for key, value in meta.items() if value not in ({}, None)}
    out["metadata"] = kept
    out["spec"] = _pod(out.get("spec") or {})
    return out if kept else {"spec": out["spec"]}


def _pod(spec: Mapping[str, Any]) -> Json:
    out = _dropped(spec, _POD)
    if out.get("serviceAccount") == out.get("serviceAccountName"):
        out.pop("serviceAccount", None)  # the old name of the same field
    host = bool(out.get("hostNetwork"))
    for name in _CONTAINER_LISTS:
        if out.get(name):
            out[name] = [_container(one, host=host) for one in out[name]]
    if out.get("volumes"):
        out["volumes"] = [_volume(one) for one in out["volumes"]]
    return out


def _container(container: Mapping[str, Any], *, host: bool) -> Json:
    pull = {"imagePullPolicy": pull_policy(container.get("image") or "")}
    out = _dropped(container, {**_CONTAINER, **pull})
    if out.get("ports"):
        out["ports"] = [_port(port, host=host) for port in out["ports"]]
    for name in _PROBES:
        _within(out, name, _probe)
    if out.get("env"):
        out["env"] = [_variable(one) for one in out["env"]]
    if out.get("lifecycle"):
        out["lifecycle"] = {hook: _action(one) for hook, one in out["lifecycle"].items()}
    return out


def pull_policy(image: str) -> str:
    """Return when an image is pulled that says nothing about it.

    Example:
        >>> pull_policy("shop"), pull_policy("localhost:5000/shop:v2"), pull_policy("shop@sha256:1")
        ('Always', 'IfNotPresent', 'IfNotPresent')
    """
    name = image.rpartition("/")[2]
    if "@" in name:
        return "IfNotPresent"
    return "Always" if name.partition(":")[2] in {"", "latest"} else "IfNotPresent"


def _port(port: Mapping[str, Any], *, host: bool) -> Json:
    same = {"hostPort": port.get("containerPort")} if host else {}
    return _dropped(port, {"protocol": "TCP", **same})


def _probe(probe: Mapping[str, Any]) -> Json:
    out = _dropped(_action(probe), _PROBE)
    _within(out, "grpc", lambda grpc: _dropped(grpc, {"service": ""}))
    return out


def _action(action: Mapping[str, Any]) -> Json:
    out = dict(action)
    _within(out, "httpGet", lambda get: _dropped(get, _HTTP_GET))
    return out


def _variable(variable: Mapping[str, Any]) -> Json:
    out = dict(variable)
    _within(out, "valueFrom", _with_plain_reference)
    return out


def _with_plain_reference(source: Mapping[str, Any]) -> Json:
    out = dict(source)
    _within(out, "fieldRef", lambda reference: _dropped(reference, _V1))
    return out


def _volume(volume: Mapping[str, Any]) -> Json:
    out = dict(volume)
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        _within(out, name, lambda source: _dropped(source, _FILES))
    _within(out, "downwardAPI", _with_plain_items)
    _within(out, "projected", _projected)
    _within(out, "hostPath", lambda path: _dropped(path, {"type": ""}))
    _within(out, "ephemeral", _ephemeral)
    return out


def _with_plain_items(source: Mapping[str, Any]) -> Json:
    out = dict(source)
    if out.get("items"):
        out["items"] = [_with_plain_reference(item) for item in out["items"]]
    return out


def _projected(source: Mapping[str, Any]) -> Json:
    out = dict(source)
    if out.get("sources"):
        out["sources"] = [_projection(one) for one in out["sources"]]
    return out


def _projection(source: Mapping[str, Any]) -> Json:
    out = dict(source)
    _within(out, "serviceAccountToken", lambda token: _dropped(token, _ROTATED))
    _within(out, "downwardAPI", _with_plain_items)
    return out


def _ephemeral(source: Mapping[str, Any]) -> Json:
    out = dict(source)
    _within(out, "volumeClaimTemplate", _claim)
    return out


def _claim(claim: Mapping[str, Any]) -> Json:
    out = dict(claim)
    if out.get("metadata") in ({}, None, {"creationTimestamp": None}):
        out.pop("metadata", None)
    _within(out, "spec", lambda spec: _dropped(spec, _CLAIM))
    return out


def _within(holder: Json, name: str, change: Callable[[Mapping[str, Any]], Json]) -> None:
    if isinstance(holder.get(name), Mapping):
        holder[name] = change(holder[name])


def _dropped(value: Mapping[str, Any], defaults: Mapping[str, Any]) -> Json:
    """Return `value` without the fields that equal their default."""
    nothing = object()
    return {key: one for key, one in value.items() if defaults.get(key, nothing) != one}
