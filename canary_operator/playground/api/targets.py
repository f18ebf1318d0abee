"""What a request names: one object, or one door of it."""

from dataclasses import dataclass

from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.store import Key


@dataclass(frozen=True)
class Target:
    """The object that a request names."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Return its key in the store."""
        return (self.namespace if self.resource.namespaced else "", self.name)
