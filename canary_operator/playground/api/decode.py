"""Read a body as the Go types of a built-in kind would: prune, check types, drop what is empty.

Go writes `omitempty` fields only when they are not the zero value of their type, so an object
comes back from the real server without its empty lists, empty maps and empty strings.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from canary_operator.playground.api.fields import field_schema
from canary_operator.playground.api.objects import Object, Schema, parse_time
from canary_operator.playground.api.quantity import canonical_quantity

ZERO_IS_ABSENT = re.compile(
    r"V1(Deployment|ReplicaSet)Status\.(observedGeneration|updatedReplicas|readyReplicas"
    r"|availableReplicas|unavailableReplicas|fullyLabeledReplicas)|V1DeploymentStatus\.replicas"
    r"|V1(Deployment|ReplicaSet)Spec\.minReadySeconds|V1DeploymentSpec\.paused"
    r"|V1ContainerPort\.hostPort|V1ServicePort\.nodePort|V1VolumeMount\.readOnly"
    r"|V1Probe\.(initialDelay|timeout|period)Seconds|V1Probe\.(success|failure)Threshold"
    r"|V1PodSpec\.(hostNetwork|hostPID|hostIPC)|V1Container\.(stdin|stdinOnce|tty)"
    r"|V1ObjectMeta\.generation|CoreV1Event\.count|EventsV1Event\.deprecatedCount"
    r"|V1ServiceSpec\.publishNotReadyAddresses|V1NodeSpec\.unschedulable"
    r"|V2HorizontalPodAutoscalerStatus\.currentReplicas"
)
EMPTY_STRING_STAYS = re.compile(
    r"V1PersistentVolumeClaimSpec\.storageClassName|V1EnvVar\.name|V1PolicyRule\..*|.*Patch\..*"
    r"|V1LeaseSpec\.holderIdentity|V2MetricStatus\.type"
)
EMPTY_LIST_STAYS = re.compile(r"V1(Cluster)?Role\.rules|V1EndpointSlice\.(endpoints|ports)")
MICRO_TIMES = ("eventTime", "lastObservedTime", "acquireTime", "renewTime")
GENERATED_PREFIX = re.compile(r"^(Core|Events|Rbac)?V\d+")
ZEROES: Mapping[str, Object] = {
    "V1DeploymentCondition": {"lastUpdateTime": None, "lastTransitionTime": None},
    "V1ReplicaSetCondition": {"lastTransitionTime": None},
    "V1PodCondition": {"lastProbeTime": None, "lastTransitionTime": None},
    "V1NodeCondition": {"lastHeartbeatTime": None, "lastTransitionTime": None},
    "V1NamespaceCondition": {"lastTransitionTime": None},
    "V2HorizontalPodAutoscalerStatus": {"currentMetrics": None, "desiredReplicas": 0},
    "V1Condition": {"lastTransitionTime": None},
    "V1ContainerStatus": {
        "image": "",
        "imageID": "",
        "lastState": {},
        "ready": False,
        "restartCount": 0,
        "state": {},
    },
}
"""What Go writes even when nobody set it."""


@dataclass
class Decoded:
    """A body as the server understood it."""

    value: Any = None
    unknown: list[str] = field(default_factory=list)


class WrongTypeError(Exception):
    """A value has a JSON type that its Go field cannot hold."""


@dataclass(frozen=True)
class Place:
    """Where a value stands: its path, and the Go struct that declares it."""

    path: str = ""
    struct: str = ""
    name: str = ""
    field_path: str = ""
    """The path of the nearest declared field: keys of maps are not part of messages."""

    @property
    def field(self) -> str:
        """Return the declaring model and the field, as the tables above name them."""
        return f"{self.struct}.{self.name}"

    def child(self, name: str, struct: str) -> "Place":
        """Return the place of the field or key `name`."""
        path = f"{self.path}.{name}" if self.path else name
        if struct:
            return Place(path, struct, name, path)
        return Place(path, self.struct, self.name, self.field_path)


def decode(body: Object, schema: Schema) -> Decoded:
    """Return `body` without unknown or empty fields, and the paths of the unknown ones.

    Raises:
        WrongTypeError: a value has the wrong JSON type.
        QuantityError: a resource quantity is malformed.
    """
    out = Decoded()
    out.value = _decode(body, schema, Place(), out.unknown)
    return out


def _decode(value: Any, schema: Schema, place: Place, unknown: list[str]) -> Any:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return value
    if isinstance(value, dict):
        _expect(schema, "object", value, place)
        return _decode_map(value, schema, place, unknown)
    if isinstance(value, list):
        _expect(schema, "array", value, place)
        items = schema.get("items") or {}
        places = (replace(place, path=f"{place.path}[{index}]") for index in range(len(value)))
        return [_decode(item, items, at, unknown) for item, at in zip(value, places, strict=True)]
    return _decode_scalar(value, schema, place)


def _decode_map(value: Object, schema: Schema, place: Place, unknown: list[str]) -> Object:
    struct = schema.get("x-struct", "")
    free = "additionalProperties" in schema
    out = {}
    for key, item in value.items():
        sub, named = field_schema(schema, key)
        at = place.child(key, struct)
        if not named and not free:
            unknown.append(at.path)
        elif item is not None or not named:
            inner = _decode(item, sub, at, unknown)
            if not (named and _is_absent(inner, sub, at.field)):
                out[key] = inner
    zeroes = ZEROES.get(struct)
    return {**zeroes, **out} if zeroes else out


def _is_absent(value: Any, schema: Schema, where: str) -> bool:
    """Tell whether Go would leave the field out."""
    if value == "" and isinstance(value, str):
        return not EMPTY_STRING_STAYS.fullmatch(where)
    if value == []:
        return not EMPTY_LIST_STAYS.fullmatch(where)
    if value == {}:
        return "x-struct" not in schema and "additionalProperties" in schema
    return not value and ZERO_IS_ABSENT.fullmatch(where) is not None


def _decode_scalar(value: Any, schema: Schema, place: Place) -> Any:
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, int | str) and not isinstance(value, bool):
            return value
        raise _wrong(value, place, "intstr.IntOrString")
    if schema.get("format") == "quantity":
        return canonical_quantity(value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if schema.get("format") == "byte" and isinstance(value, str):
        _expect_base64(value)
    if schema.get("format") == "date-time" and isinstance(value, str):
        return _canonical_time(value, place.name)
    if value is not None:
        _expect(schema, _json_type(value), value, place)
    return value


def _canonical_time(text: str, name: str) -> str:
    """Return a time as Go writes it: UTC, in whole seconds or in microseconds."""
    micro = name in MICRO_TIMES
    layout = f"2006-01-02T15:04:05{'.000000' if micro else ''}Z07:00"
    try:
        at = parse_time(text).astimezone(UTC)
    except ValueError as error:
        message = f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"'
        raise WrongTypeError(message) from error
    if micro and (rest := _not_microseconds(text)):
        raise WrongTypeError(f'parsing time "{text}" as "{layout}": cannot parse {rest}')
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _not_microseconds(text: str) -> str:
    """Return what Go cannot read of a time whose fraction has not exactly six digits."""
    rest = text[len("2006-01-02T15:04:05") :]
    fraction = re.match(r"\.\d{6}", rest)
    if fraction is None:
        return f'"{rest}" as ".000000"'
    rest = rest[fraction.end() :]
    return f'"{rest}" as "Z07:00"' if rest[:1].isdigit() else ""


def _expect_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        bad = re.search(r"[^A-Za-z0-9+/=\r\n]", text)
        position = bad.start() if bad else len(text)
        message = f"illegal base64 data at input byte {position}"
        raise WrongTypeError(message) from error


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


GO_TYPES = {"string": "string", "boolean": "bool", "number": "float64"}


def _expect(schema: Schema, found: str, value: Any, place: Place) -> None:
    wanted = schema.get("type")
    if wanted is None or wanted == found or (wanted, found) == ("number", "integer"):
        return
    if wanted == "integer":
        go_type = schema.get("format", "int32")
    elif wanted == "array":
        items = schema.get("items") or {}
        go_type = f"[]{_go_struct(items) or GO_TYPES.get(str(items.get('type')), 'string')}"
    else:
        go_type = GO_TYPES.get(str(wanted)) or _go_struct(schema) or "map[string]string"
    raise _wrong(value, place, go_type)


def _go_struct(schema: Schema) -> str:
    name = re.sub(GENERATED_PREFIX, "", schema.get("x-struct", ""))
    return f"v1.{name}" if name else ""


def _wrong(value: Any, place: Place, go_type: str) -> WrongTypeError:
    kinds = {"integer": "number", "boolean": "bool"}
    if isinstance(value, dict | list):
        found = "object" if isinstance(value, dict) else "array"
    else:
        found = kinds.get(_json_type(value), _json_type(value))
    struct = re.sub(GENERATED_PREFIX, "", place.struct)
    path = re.sub(r"\[\d+\]", "", place.field_path)
    return WrongTypeError(
        f"json: cannot unmarshal {found} into Go struct field {struct}.{path} of type {go_type}",
    )
