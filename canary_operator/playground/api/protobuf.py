"""Bodies in protobuf, as far as kubectl and Helm send them: deletes, `create namespace` and so on.

Other clients are told that only JSON and YAML are read (415), which they all can write.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canary_operator.playground.api.errors import APIError, bad_request, unsupported_media_type
from canary_operator.playground.api.objects import Object

READABLE = ("application/json", "application/yaml")
MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# message: field number: (JSON name, type); `[]` marks a list, `{}` a map of strings to the type
MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        11: ("labels", "{}string"),
        12: ("annotations", "{}string"),
        14: ("finalizers", "[]string"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "{}string"),
        3: ("binaryData", "{}bytes"),
        4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "{}bytes"),
        3: ("type", "string"),
        4: ("stringData", "{}string"),
        5: ("immutable", "bool"),
    },
    "Deployment": {1: ("metadata", "ObjectMeta"), 2: ("spec", "DeploymentSpec")},
    "DeploymentSpec": {
        1: ("replicas", "int"),
        2: ("selector", "LabelSelector"),
        3: ("template", "PodTemplateSpec"),
    },
    "LabelSelector": {1: ("matchLabels", "{}string")},
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {2: ("containers", "[]Container")},
    "Container": {
        1: ("name", "string"),
        2: ("image", "string"),
        3: ("command", "[]string"),
        6: ("ports", "[]ContainerPort"),
    },
    "ContainerPort": {3: ("containerPort", "int"), 4: ("protocol", "string")},
    "Service": {1: ("metadata", "ObjectMeta"), 2: ("spec", "ServiceSpec")},
    "ServiceSpec": {
        1: ("ports", "[]ServicePort"),
        2: ("selector", "{}string"),
        3: ("clusterIP", "string"),
        4: ("type", "string"),
        10: ("externalName", "string"),
    },
    "ServicePort": {
        1: ("name", "string"),
        2: ("protocol", "string"),
        3: ("port", "int"),
        4: ("targetPort", "IntOrString"),
        5: ("nodePort", "int"),
    },
    "IntOrString": {1: ("type", "int"), 2: ("intVal", "int"), 3: ("strVal", "string")},
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "SelfSubjectAccessReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "AccessSpec")},
    "AccessSpec": {
        1: ("resourceAttributes", "ResourceAttributes"),
        2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "string"),
        2: ("verb", "string"),
        3: ("group", "string"),
        4: ("version", "string"),
        5: ("resource", "string"),
        6: ("subresource", "string"),
        7: ("name", "string"),
    },
    "NonResourceAttributes": {1: ("path", "string"), 2: ("verb", "string")},
    "TokenRequest": {1: ("metadata", "ObjectMeta"), 2: ("spec", "TokenRequestSpec")},
    "TokenRequestSpec": {1: ("audiences", "[]string"), 4: ("expirationSeconds", "int")},
    "SelfSubjectReview": {1: ("metadata", "ObjectMeta")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", "Preconditions"),
        3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "string"),
        5: ("dryRun", "[]string"),
    },
    "Preconditions": {1: ("uid", "string"), 2: ("resourceVersion", "string")},
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "raw")},
    "TypeMeta": {1: ("apiVersion", "string"), 2: ("kind", "string")},
}


def readable(data: bytes) -> bool:
    """Tell whether the body is of a kind that this module knows."""
    return data.startswith(MAGIC) and _envelope(data)["typeMeta"]["kind"] in MESSAGES


def decode(data: bytes) -> Object:
    """Return the object in a body that `readable` accepts.

    Raises:
        APIError: the body breaks off (400), or has a field that this module does not know (415).
    """
    envelope = _envelope(data)
    kind = envelope["typeMeta"]
    return {**kind, **_message(envelope.get("raw", b""), kind["kind"])}


def _envelope(data: bytes) -> Object:
    return {"typeMeta": {"kind": ""}, **_message(data[len(MAGIC) :], "Unknown")}


def _message(data: bytes, name: str) -> Object:
    out: Object = {}
    for number, value in _fields(data):
        field, kind = MESSAGES[name].get(number, ("", ""))
        if kind.startswith("{}"):
            pair = dict(_fields(value))
            key = pair.get(1, b"").decode()
            out.setdefault(field, {})[key] = _value(pair.get(2, b""), kind[2:])
        elif kind.startswith("[]"):
            out.setdefault(field, []).append(_value(value, kind[2:]))
        elif kind:
            out[field] = _value(value, kind)
        elif not _says_nothing(value):
            raise unsupported_media_type(READABLE)
    return {key: value for key, value in out.items() if value not in ("", {})}


def _says_nothing(value: Any) -> bool:
    """Tell whether a field of which this module knows nothing is empty all the way down."""
    if isinstance(value, int):
        return value == 0
    try:
        return all(_says_nothing(inner) for _, inner in _fields(value))
    except APIError:
        return False


def _value(value: Any, kind: str) -> Any:
    if kind == "IntOrString":
        parts = _message(value, kind)
        return parts.get("strVal") if parts.get("type") else parts.get("intVal", 0)
    read = SCALARS.get(kind)
    return _message(value, kind) if read is None else read(value)


SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": lambda value: value.decode(),
    "bytes": lambda value: base64.b64encode(value).decode(),
    "bool": bool,
    "int": int,
    "raw": bytes,
}


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, position = _varint(data, position)
            yield number, value
        elif wire == BYTES:
            length, position = _varint(data, position)
            yield number, data[position : position + length]
            position += length
        elif wire in (FIXED32, FIXED64):
            position += 4 if wire == FIXED32 else 8
        else:
            raise bad_request(f"proto: illegal wireType {wire}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
    raise bad_request("unexpected EOF")
