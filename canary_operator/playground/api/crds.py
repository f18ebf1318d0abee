"""CustomResourceDefinitions: defaults, checks, and the resources that they define."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from canary_operator.playground.api.builtin_schema import model_schema
from canary_operator.playground.api.cel import RuleSyntaxError, collect, program
from canary_operator.playground.api.errors import Cause, invalid, required, unsupported
from canary_operator.playground.api.kinds import Column, Resource, ScalePaths
from canary_operator.playground.api.objects import Object, Schema, dig, timestamp
from canary_operator.playground.api.structural import prune
from canary_operator.playground.api.structural import with_defaults as with_defaults_of
from canary_operator.playground.api.validation import validate

ACCEPTED = "the initial names have been accepted"
PENDING = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def with_defaults(crd: Object) -> Object:
    """Fill in what a definition may leave out."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    if kind := names.get("kind"):
        names = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}}


def check(crd: Object) -> list[Cause]:
    """Return what is wrong with a definition."""
    spec = crd["spec"]
    names = spec["names"]
    causes = []
    expected = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if crd["metadata"].get("name") != expected:
        detail = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid("metadata.name", crd["metadata"].get("name"), detail))
    if not spec.get("group"):
        causes.append(required("spec.group"))
    elif "." not in spec["group"]:
        causes.append(
            invalid("spec.group", spec["group"], "should be a domain with at least one dot")
        )
    scopes = ("Cluster", "Namespaced")
    if spec.get("scope") not in scopes:
        missing = not spec.get("scope")
        causes.append(
            required("spec.scope") if missing else unsupported("spec.scope", spec["scope"], scopes)
        )
    wanted = ("plural", "singular", "kind", "listKind")
    causes += [required(f"spec.names.{name}") for name in wanted if not names.get(name)]
    return [*causes, *_check_versions(spec.get("versions") or [])]


def _check_versions(versions: list[Object]) -> Iterator[Cause]:
    stored = [version for version in versions if version.get("storage")]
    if len(stored) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", versions, detail)
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        schema = dig(version, "schema", "openAPIV3Schema")
        if schema is None:
            yield required(f"{path}.schema.openAPIV3Schema")
        else:
            where = "spec.validation" if len(versions) == 1 else f"{path}.schema"
            yield from _check_root(schema, f"{where}.openAPIV3Schema")


def _check_root(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("type") != "object":
        root = "must be object at the root"
        yield invalid(f"{path}.type", schema.get("type", ""), root)
    yield from _check_structural(schema, path)


def _check_structural(schema: Schema, path: str) -> Iterator[Cause]:
    """Judge whether a schema is structural: every value has one declared type."""
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if "type" not in schema and not open_ended and not schema.get("x-kubernetes-int-or-string"):
        yield required(f"{path}.type", "must not be empty for specified object fields")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get(
        "x-kubernetes-list-map-keys"
    ):
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield required(f"{path}.x-kubernetes-list-map-keys", detail)
    if schema.get("type") == "array" and "items" not in schema:
        yield required(f"{path}.items", "must be specified")
    yield from _check_default(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _check_rule(rule, f"{path}.x-kubernetes-validations[{index}].rule")
    for name, child in (schema.get("properties") or {}).items():
        yield from _check_structural(child, f"{path}.properties[{name}]")
    if isinstance(schema.get("items"), dict):
        yield from _check_structural(schema["items"], f"{path}.items")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _check_structural(schema["additionalProperties"], f"{path}.additionalProperties")


def _check_rule(entry: Object, path: str) -> Iterator[Cause]:
    try:
        program(entry.get("rule", ""))
    except RuleSyntaxError as error:
        shown_entry = {
            "Rule": entry.get("rule", ""),
            "Message": entry.get("message", ""),
            "MessageExpression": entry.get("messageExpression", ""),
            "Reason": entry.get("reason"),
            "FieldPath": entry.get("fieldPath", ""),
            "OptionalOldSelf": entry.get("optionalOldSelf"),
        }
        yield invalid(path, shown_entry, f"compilation failed: {error}")


def _check_default(schema: Schema, path: str) -> Iterator[Cause]:
    if "default" in schema:
        for cause in validate(with_defaults_of(schema["default"], schema), schema):
            yield Cause(cause.reason, f"{path}.default", cause.message.replace("<nil>", ""))


def new(crd: Object) -> Object:
    """Return a definition that nobody has accepted yet."""
    stored = [
        version["name"] for version in crd["spec"].get("versions") or () if version.get("storage")
    ]
    names = {"plural": "", "kind": ""}
    return {**crd, "status": {"conditions": None, "acceptedNames": names, "storedVersions": stored}}


def established(crd: Object) -> Object:
    """Return the status of a definition whose names are free."""
    spec, status = crd["spec"], crd.get("status") or {}
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stored = list(status.get("storedVersions") or ())
    return {
        "conditions": status.get("conditions")
        or [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition("Established", "InitialNamesAccepted", ACCEPTED),
        ],
        "acceptedNames": spec["names"],
        "storedVersions": stored if storage in stored else [*stored, storage],
    }


def terminating(crd: Object) -> Object:
    """Return a definition that says that its objects are about to go."""
    status = crd.get("status") or {}
    condition = _condition("Terminating", "InstanceDeletionPending", PENDING)
    return {**crd, "status": {**status, "conditions": [*status.get("conditions", ()), condition]}}


def _condition(name: str, reason: str, message: str) -> Object:
    return {
        "type": name,
        "status": "True",
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }


def is_established(crd: Object) -> bool:
    """Tell whether the resources of a definition are served."""
    conditions: Iterable[Object] = dig(crd, "status", "conditions", default=())
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def resources(crd: Object) -> tuple[Resource, ...]:
    """Return the resources that an established definition serves."""
    spec = crd["spec"]
    return tuple(_resource(spec, version) for version in spec["versions"] if version.get("served"))


def reader(crd: Object) -> Callable[[Object], Object]:
    """Return how stored objects are read: without what is not declared, with the defaults."""
    versions = crd["spec"]["versions"]
    stored = next(version for version in versions if version.get("storage"))
    schema = with_meta(stored["schema"]["openAPIV3Schema"])

    def read(obj: Object) -> Object:
        found: Object = with_defaults_of(prune(obj, schema, "", []), schema)
        return found

    return read


def _resource(spec: Object, version: Object) -> Resource:
    names = spec["names"]
    declared: Object = version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if name in declared),
        singular=names["singular"],
        list_kind=names["listKind"],
        scale=_scale(declared["scale"]) if "scale" in declared else None,
        schema_of_crd=with_meta(version["schema"]["openAPIV3Schema"]),
        rules=collect(version["schema"]["openAPIV3Schema"]),
        columns=tuple(_columns(version.get("additionalPrinterColumns") or ())),
        storage=(spec["group"], names["plural"]),
        custom=True,
        selectable=tuple(
            item["jsonPath"].lstrip(".") for item in version.get("selectableFields") or ()
        ),
    )


def _scale(declared: Object) -> ScalePaths:
    selector = declared.get("labelSelectorPath")
    return ScalePaths(
        replicas=tuple(declared["specReplicasPath"].lstrip(".").split(".")),
        status=tuple(declared["statusReplicasPath"].lstrip(".").split(".")),
        selector=tuple(selector.lstrip(".").split(".")) if selector else None,
    )


def _columns(declared: Iterable[Object]) -> Iterator[Column]:
    items: list[Any] = list(declared) or [
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    ]
    for item in items:
        yield Column(
            name=item["name"],
            type=item["type"],
            path=item["jsonPath"],
            format=item.get("format", ""),
            description=item.get("description", ""),
            priority=item.get("priority", 0),
        )


def with_meta(schema: Schema) -> Schema:
    """Return the schema of whole objects: every resource has these three fields."""
    text = {"type": "string"}
    common = {"apiVersion": text, "kind": text, "metadata": model_schema("V1ObjectMeta")}
    own = dict(schema.get("properties") or {})
    rules = (own.get("metadata") or {}).get("properties")
    if rules:  # a definition may restrict name and generateName
        common["metadata"] = {**common["metadata"], "x-own": {"properties": rules}}
    return {**schema, "properties": {**own, **common}}
