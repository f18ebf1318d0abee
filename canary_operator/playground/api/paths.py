"""What a URL path means: a resource, a namespace, a name, a subresource."""

from dataclasses import dataclass

from canary_operator.playground.api.errors import no_such_group, no_such_path
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.registry import Registry


@dataclass(frozen=True)
class ResourcePath:
    """A path below a group and version."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True)
class Split:
    """The parts of an API path before anything is looked up."""

    group: str
    version: str
    rest: tuple[str, ...]


def split(parts: list[str]) -> Split | None:
    """Return group, version and the rest of `/api/v1/…` or `/apis/<group>/<version>/…`."""
    match parts:
        case ["api", version, *rest]:
            return Split("", version, tuple(rest))
        case ["apis", group, version, *rest]:
            return Split(group, version, tuple(rest))
        case _:
            return None


def resolve(path: Split, registry: Registry) -> ResourcePath:
    """Find the resource of a path.

    Raises:
        APIError: nothing is served there (404).
    """
    rest, namespace = path.rest, ""
    if len(rest) > 2 and rest[0] == "namespaces":  # noqa: PLR2004 - namespaces/<name>/<resource>
        inner = registry.find(path.group, path.version, rest[2])
        if inner is not None and inner.namespaced:
            namespace, rest = rest[1], rest[2:]
    if path.group and not registry.serves(path.group, path.version):
        raise no_such_group()
    resource = registry.find(path.group, path.version, rest[0]) if rest else None
    if resource is None or len(rest) > 3:  # noqa: PLR2004 - resource, name, subresource
        raise no_such_path()
    name, subresource = [*rest[1:], "", ""][:2]
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    if name and resource.namespaced and not namespace:
        raise no_such_path()
    return ResourcePath(resource, namespace, name, subresource)
