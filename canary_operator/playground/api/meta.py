"""`metadata`: names, labels and the fields that only the server may set."""

import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

from canary_operator.playground.api.errors import Cause, forbidden_field, invalid, required
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, timestamp

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NAME_PART_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
MAX_LABEL, MAX_SUBDOMAIN = 63, 253
GENERATED = "bcdfghjklmnpqrstvwxz2456789"
SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)
FREE_NAMES = ("rbac.authorization.k8s.io",)


def for_create(obj: Object, resource: Resource, namespace: str) -> Object:
    """Return `obj` with the metadata that a new object gets."""
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in SERVER_FIELDS}
    meta.pop("resourceVersion", None)
    if not meta.get("name") and meta.get("generateName"):
        suffix = "".join(secrets.choice(GENERATED) for _ in range(5))
        meta["name"] = meta["generateName"][: MAX_LABEL - len(suffix)] + suffix
    if resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
    return {**obj, "metadata": meta}


def check_name(name: str, resource: Resource) -> str:
    """Return what is wrong with the name of a new object, or an empty text."""
    if resource.group in FREE_NAMES:
        bad = name in (".", "..") or "/" in name or "%" in name
        return "may not contain '/'" if bad else ""
    if resource.kind in ("Namespace", "Service"):
        return dns_label(name)
    return dns_subdomain(name)


def dns_subdomain(text: str) -> str:
    """Return what is wrong with a DNS subdomain, or an empty text."""
    if len(text) > MAX_SUBDOMAIN:
        return f"must be no more than {MAX_SUBDOMAIN} bytes"
    return "" if SUBDOMAIN.fullmatch(text) else SUBDOMAIN_RULE


def dns_label(text: str) -> str:
    """Return what is wrong with a DNS label (RFC 1123), or an empty text."""
    if len(text) > MAX_LABEL:
        return f"must be no more than {MAX_LABEL} bytes"
    if "." in text:
        return "must not contain dots"
    return "" if LABEL.fullmatch(text) else LABEL_RULE


def check(obj: Object, resource: Resource) -> Iterator[Cause]:
    """Iterate over what is wrong with the metadata of a new object."""
    meta = obj["metadata"]
    name = meta.get("name")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif problem := check_name(name, resource):
        yield invalid("metadata.name", name, problem)
    prefix = meta.get("generateName")
    if prefix and (problem := check_name(_with_end(prefix), resource)):
        yield invalid("metadata.generateName", prefix, problem)
    yield from check_always(obj, custom=resource.custom)


def _with_end(prefix: str) -> str:
    """Return a beginning of names as the real server judges it: it may end with a hyphen."""
    return f"{prefix[:-2]}a" if prefix[1:].endswith("-") else prefix


def check_always(obj: Object, *, custom: bool) -> Iterator[Cause]:
    """Iterate over what is wrong with metadata that may change; of custom objects less is asked."""
    meta = obj["metadata"]
    yield from check_labels(meta.get("labels") or {}, "metadata.labels")
    for key in meta.get("annotations") or {}:
        yield from check_qualified(key.lower(), "metadata.annotations")
    for index, name in enumerate(meta.get("finalizers") or ()):
        if problem := qualified_problem(name):
            yield invalid("metadata.finalizers", name, problem)
        elif not custom and not {"/", "."} & set(name) and name not in STANDARD_FINALIZERS:
            yield from _unqualified_finalizer(index, name)
    for index, reference in enumerate(meta.get("ownerReferences") or ()):
        yield from _check_owner(reference, f"metadata.ownerReferences[{index}]")
    yield from _check_controllers(meta.get("ownerReferences") or ())


def check_changed(new: Object, old: Object, resource: Resource) -> Iterator[Cause]:
    """Iterate over what is wrong with the metadata of an object that exists."""
    yield from check_always(new, custom=resource.custom)
    before, after = (obj["metadata"].get("finalizers") or [] for obj in (old, new))
    added = [name for name in after if name not in before]
    if added and "deletionTimestamp" in old["metadata"]:
        names = ", ".join(f'"{name}"' for name in added)
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{names}}}"
        )
        yield forbidden_field("metadata.finalizers", detail)


STANDARD_FINALIZERS = ("foregroundDeletion", "orphan", "kubernetes")


def _unqualified_finalizer(index: int, name: str) -> Iterator[Cause]:
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    yield invalid(f"metadata.finalizers[{index}]", name, detail)


def _check_owner(reference: Object, path: str) -> Iterator[Cause]:
    if not reference.get("apiVersion"):
        yield invalid(
            f"{path}.apiVersion", reference.get("apiVersion", ""), "version must not be empty"
        )
    for name in ("kind", "name", "uid"):
        if not reference.get(name):
            yield required(f"{path}.{name}", "must not be empty")


def _check_controllers(references: list[Object] | tuple[()]) -> Iterator[Cause]:
    controllers = [ref for ref in references if ref.get("controller")]
    if len(controllers) > 1:
        first, second = controllers[:2]
        detail = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{first['kind']}/{first['name']} and {second['kind']}/{second['name']}"
        )
        yield invalid("metadata.ownerReferences", references, detail)


def check_labels(labels: dict[str, Any], path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with labels."""
    for key, value in labels.items():
        yield from check_qualified(key, path)
        if len(value) > MAX_LABEL:
            yield invalid(path, value, f"must be no more than {MAX_LABEL} bytes")
        elif not LABEL_VALUE.fullmatch(value):
            yield invalid(path, value, LABEL_VALUE_RULE)


def check_qualified(key: str, path: str) -> Iterator[Cause]:
    """Iterate over what is wrong with the key of a label or an annotation."""
    if problem := qualified_problem(key):
        yield invalid(path, key, problem)


def qualified_problem(key: str) -> str:
    """Return what is wrong with an optionally prefixed name, or an empty text."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if "/" in prefix:
        return (
            "a valid label key must consist of alphanumeric characters, '-', '_' or '.', with an "
            "optional DNS subdomain prefix and '/'"
        )
    if prefix and (problem := dns_subdomain(prefix)):
        return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    if len(name) > MAX_LABEL:
        return f"name part must be no more than {MAX_LABEL} bytes"
    return "" if QUALIFIED.fullmatch(name) else NAME_PART_RULE
