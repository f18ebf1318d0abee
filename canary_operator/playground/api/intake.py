"""From a request body to an object that may be stored: decode, prune, default, check."""

from collections.abc import Iterable, Iterator
from typing import Any

from canary_operator.playground.api import cel, meta, strategies
from canary_operator.playground.api.builtin_schema import model_schema
from canary_operator.playground.api.decode import WrongTypeError, decode
from canary_operator.playground.api.errors import (
    NOWHERE,
    APIError,
    Cause,
    bad_request,
    conflict,
    invalid,
    unprocessable,
)
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, compact_json, dig, without
from canary_operator.playground.api.options import WriteOptions
from canary_operator.playground.api.quantity import QuantityError
from canary_operator.playground.api.structural import prune, with_defaults
from canary_operator.playground.api.targets import Target
from canary_operator.playground.api.typed import typed_problems
from canary_operator.playground.api.validation import ABSENT, validate
from canary_operator.playground.api.views import storable

BLOCKING = (
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
)
UNCHECKED = Cause(
    "FieldValueInvalid",
    NOWHERE,
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def expect_kind(body: Any, resource: Resource) -> Object:
    """Return the body of a create or an update if it is of the resource that the path names.

    Raises:
        APIError: it is not (400).
    """
    if not isinstance(body, dict):
        found = "array" if isinstance(body, list) else "string"
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get "
            f"version/kind; json parse error: json: cannot unmarshal {found} into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }'
        )
    kind, version = body.get("kind"), body.get("apiVersion")
    if not kind and (resource.custom or version):
        text = compact_json(body)
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f"Object 'Kind' is missing in '{text}' ({text})"
        )
    if resource.custom and not version:
        raise bad_request(f"Object 'apiVersion' is missing in '{compact_json(body)}'")
    if (kind, version) != (resource.kind, resource.api_version) and kind and version:
        raise _wrong_kind(str(kind), str(version), resource)
    return dict(body) | {"apiVersion": resource.api_version, "kind": resource.kind}


def _wrong_kind(kind: str, version: str, resource: Resource) -> APIError:
    if not resource.custom:
        return bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is registered for version "{version}" in scheme '
            '"pkg/runtime/scheme.go:111"'
        )
    if version != resource.api_version:
        return bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    cause = invalid("kind", kind, f"must be {resource.kind}")
    return unprocessable(resource.group, kind, "", [cause])


def addressed(body: Object, target: Target) -> Object:
    """Return the body of a write with the name of its path.

    Raises:
        APIError: its own name or namespace is another one (400).
    """
    given = body.get("metadata") or {}
    if not isinstance(given, dict):
        kind = target.resource.kind
        raise bad_request(
            f'{kind} in version "{target.resource.version}" cannot be handled as a {kind}: '
            "json: cannot unmarshal string into Go value of type v1.ObjectMeta"
        )
    namespace = given.get("namespace")
    if target.resource.namespaced and namespace and namespace != target.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    name = given.get("name")
    if target.name and name and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
    if target.name and not name:
        given = {**given, "name": target.name}
    return {**body, "metadata": given}


class Decoder:
    """Reads bodies of one request: unknown fields become warnings, or a refusal when strict."""

    def __init__(self, resource: Resource, options: WriteOptions, *, applied: bool = False) -> None:
        self._resource = resource
        self._options = options
        self._applied = applied

    def read(self, body: Object, from_patch: str = "") -> Object:
        """Return the object in the shape that the store keeps, with defaults.

        Raises:
            APIError: a value has the wrong type, or unknown fields are not allowed (400, or 422
                when the object comes out of a patch, whose text is then quoted).
        """
        obj = self._decoded(body, from_patch)
        if self._resource.custom:
            schema = self._resource.schema
            return dict(with_defaults(obj, schema, keep_nulls=self._applied))
        return strategies.of(self._resource).default(storable(self._resource, obj))

    def _decoded(self, body: Object, from_patch: str) -> Object:
        unknown: list[str] = []
        try:
            if self._resource.custom:
                obj = self._decoded_custom(body, unknown)
            else:
                decoded = decode(body, self._resource.schema)
                obj, unknown = decoded.value, decoded.unknown
        except (WrongTypeError, QuantityError) as error:
            raise self._refusal(str(error), from_patch) from error
        self._report(unknown, from_patch)
        return obj

    def _decoded_custom(self, body: Object, unknown: list[str]) -> Object:
        """Prune by the definition; metadata has the same type everywhere."""
        read = decode(body.get("metadata") or {}, model_schema("V1ObjectMeta"))
        obj: Object = prune(body, self._resource.schema, "", unknown)
        unknown += (f"metadata.{name}" for name in read.unknown)
        return {**obj, "metadata": read.value}

    def _report(self, unknown: Iterable[str], from_patch: str) -> None:
        problems = [f'unknown field "{path}"' for path in sorted(unknown)]
        if not problems or self._options.validation == "Ignore":
            return
        if self._options.validation == "Warn":
            self._options.warnings.extend(problems)
            return
        raise self._refusal(f"strict decoding error: {', '.join(problems)}", from_patch)

    def _refusal(self, problem: str, from_patch: str) -> APIError:
        if from_patch:
            return unprocessable("", "", "", [invalid("patch", from_patch, problem)])
        resource = self._resource
        return bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: {problem}"
        )


def readable_config(config: Any, resource: Resource) -> Object:
    """Return an applied configuration if every field is declared and every item is unique.

    Ownership needs a type for every field, so apply refuses what other writes only warn about.

    Raises:
        APIError: it is of another kind (400), or cannot be typed (500, as on the real server).
    """
    if not isinstance(config, dict) or not config.get("kind") or not config.get("apiVersion"):
        raise bad_request("invalid object type: /, Kind=")
    if (config.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    typed, unknown = expect_kind(config, resource), list[str]()
    prune(typed, resource.schema, "", unknown)
    if unknown:
        raise _untyped(typed, resource, f".{unknown[0]}: field not declared in schema")
    for problem in typed_problems(typed, resource.schema, ""):
        raise _untyped(typed, resource, problem)
    return typed


def _untyped(config: Object, resource: Resource, problem: str) -> APIError:
    given = config.get("metadata") or {}
    where = f"{given.get('namespace', '')}/{given.get('name', '')}"
    message = (
        f"failed to create typed patch object ({where}; {resource.group}/{resource.version}, "
        f"Kind={resource.kind}): {problem}"
    )
    return APIError(500, "", message)


def applicable(config: Object, resource: Resource, subresource: str) -> Object:
    """Return the part of a configuration that this door applies; the rest is ignored."""
    if subresource == "status":
        common = {k: v for k, v in config.items() if k in ("apiVersion", "kind", "status")}
        return {**common, "metadata": {}}
    return without(config, "status") if resource.has_status else config


def check_new(obj: Object, resource: Resource) -> None:
    """Refuse a new object that breaks a rule (422)."""
    causes = [*meta.check(obj, resource)]
    if resource.custom:
        causes += _check_custom(obj, resource, None, subresource="")
    else:
        causes += strategies.of(resource).check(obj)
    _refuse(obj, resource, causes)


def check_changed(new: Object, old: Object, resource: Resource, subresource: str) -> None:
    """Refuse an update that breaks a rule (422), or that meant another object (409)."""
    uid = new["metadata"].get("uid")
    if uid != old["metadata"]["uid"]:
        detail = (
            f"StorageError: invalid object, Code: 4, Key: {_registry_key(old, resource)}, "
            f"ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: "
            f"{uid}, UID in object meta: {old['metadata']['uid']}"
        )
        raise conflict(resource.group, resource.plural, old["metadata"]["name"], detail)
    causes = [*meta.check_changed(new, old, resource)]
    if resource.custom:
        causes += _check_custom(new, resource, old, subresource)
    else:
        strategy = strategies.of(resource)
        if not subresource:
            causes += strategy.check(new)
        if subresource == "status":
            causes += strategy.check_status(new)
        causes += strategy.check_update(new, old)
    _refuse(new, resource, causes)


def _registry_key(obj: Object, resource: Resource) -> str:
    given = obj["metadata"]
    parts = [resource.group if resource.custom else "", resource.plural]
    parts += [given.get("namespace", ""), given["name"]]
    return "/registry/" + "/".join(filter(None, parts))


def _check_custom(
    obj: Object, resource: Resource, old: Object | None, subresource: str
) -> list[Cause]:
    skipped = ("metadata", "apiVersion", "kind")
    only_status = subresource == "status"
    parts = [name for name in obj if name not in skipped and (not only_status or name == "status")]
    before = {} if old is None else {name: old[name] for name in parts if name in old}
    judged = {name: obj[name] for name in parts}
    schema = resource.schema
    if only_status:
        properties = {"status": schema.get("properties", {}).get("status", {})}
        schema = {"type": "object", "properties": properties}
    causes = list(validate(judged, schema, "", ABSENT if old is None else before))
    causes += _check_scale(obj, resource)
    if resource.rules is None:
        return causes
    if any(cause.reason in BLOCKING for cause in causes):
        return [*causes, UNCHECKED]
    return [*causes, *cel.check(obj, resource.rules, old)]


def _check_scale(obj: Object, resource: Resource) -> Iterator[Cause]:
    """Judge the numbers that the scale subresource exposes."""
    if resource.scale is None:
        return
    for path in (resource.scale.replicas, resource.scale.status):
        value, where = dig(obj, *path), "." + ".".join(path)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            kind = {str: "string", bool: "bool", float: "float64"}.get(type(value), "object")
            detail = f"{where} accessor error: {value} is of the type {kind}, expected int64"
            yield invalid(where, 0, detail)
        elif value is not None and value < 0:
            yield invalid(where, value, "should be a non-negative integer")


def _refuse(obj: Object, resource: Resource, causes: list[Cause]) -> None:
    if causes:
        name = obj["metadata"].get("name", "")
        group = resource.storage[0] if resource.kind == "Event" else resource.group
        raise unprocessable(group, resource.kind, name, causes)
