"""Which resources are served: the built-in ones, and those of established definitions."""

import re
from collections.abc import Iterator

from canary_operator.playground.api.kinds import GROUP_PRIORITY, Resource, builtins
from canary_operator.playground.api.store import Storage


class Registry:
    """The served resources; a CustomResourceDefinition adds to them and takes away."""

    def __init__(self) -> None:
        self._builtin = {(r.group, r.version, r.plural): r for r in builtins()}
        self._custom: dict[tuple[str, str, str], Resource] = {}

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource of a path."""
        key = (group, version, plural)
        return self._builtin.get(key) or self._custom.get(key)

    def serves(self, group: str, version: str) -> bool:
        """Tell whether anything is served in a group and version."""
        return any((r.group, r.version) == (group, version) for r in self)

    def builtin(self, group: str, plural: str) -> Resource:
        """Return a built-in resource that surely exists."""
        return next(
            resource for (g, _, p), resource in self._builtin.items() if (g, p) == (group, plural)
        )

    def any_version(self, storage: Storage) -> Resource | None:
        """Return a resource that reads and writes `storage`."""
        for resource in self:
            if resource.storage == storage:
                return resource
        return None

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource of an object's `apiVersion` and `kind`."""
        for resource in self:
            if (resource.api_version, resource.kind) == (api_version, kind):
                return resource
        return None

    def serve(self, storage: Storage, resources: tuple[Resource, ...]) -> None:
        """Serve the versions of one custom resource in place of those served before."""
        kept = {key: r for key, r in self._custom.items() if r.storage != storage}
        added = {(r.group, r.version, r.plural): r for r in resources}
        self._custom = kept | added

    def __iter__(self) -> Iterator[Resource]:
        yield from self._builtin.values()
        yield from self._custom.values()

    def groups(self) -> dict[str, dict[str, list[Resource]]]:
        """Return the resources by group and version, in the order of discovery."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for resource in self:
            found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        known = [group for group in GROUP_PRIORITY if group in found]
        others = sorted(group for group in found if group not in GROUP_PRIORITY)
        return {
            group: dict(sorted(found[group].items(), key=lambda pair: version_rank(pair[0])))
            for group in known + others
        }


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Order versions as Kubernetes does: v2, v1, v1beta2, v1beta1, v1alpha1, anything else.

    Example:
        >>> sorted(["v1alpha1", "v1", "v2", "v1beta1"], key=version_rank)
        ['v2', 'v1', 'v1beta1', 'v1alpha1']
    """
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)
