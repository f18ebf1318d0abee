"""Everything that one embedded API server consists of, wired together."""

from dataclasses import dataclass, field

from canary_operator.playground.api.auth import Authorizer
from canary_operator.playground.api.builtin import roles
from canary_operator.playground.api.builtin.services import AddressPool
from canary_operator.playground.api.deletion import delete
from canary_operator.playground.api.errors import APIError
from canary_operator.playground.api.faults import Faults
from canary_operator.playground.api.gc import GarbageCollector
from canary_operator.playground.api.lifecycle import Lifecycle
from canary_operator.playground.api.operations import Operations
from canary_operator.playground.api.options import DeleteOptions, WriteOptions
from canary_operator.playground.api.policies.enforcement import Policies
from canary_operator.playground.api.registry import Registry
from canary_operator.playground.api.requests import RequestLog
from canary_operator.playground.api.rights import Rights
from canary_operator.playground.api.store import Key, Storage, Store
from canary_operator.playground.api.targets import Target

FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass
class Cluster:
    """The state and the switches of one server."""

    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)
    faults: Faults = field(default_factory=Faults)
    requests: RequestLog = field(default_factory=RequestLog)

    def __post_init__(self) -> None:
        self.authorizer = Authorizer(self.store)
        self.operations = Operations(self.store, self.registry)
        self.operations.admission.append(AddressPool(self.store).assign)
        self.operations.proposals.judges += (
            Rights(self.authorizer, self.registry),
            Policies(self.store, self.registry, self.authorizer),
        )
        GarbageCollector(self.store, self.remove)
        Lifecycle(self.store, self.registry, self.remove)

    def populate(self) -> None:
        """Create what every cluster has from the beginning."""
        namespaces = self.registry.builtin("", "namespaces")
        for name in FIRST_NAMESPACES:
            self.operations.create(
                Target(namespaces, "", name), {"metadata": {"name": name}}, WriteOptions()
            )

        for body in roles.of_every_cluster():
            target = Target(self.registry.builtin(roles.RBAC, "clusterroles"), "", "")
            self.operations.create(target, body, WriteOptions())

    def remove(self, storage: Storage, key: Key, propagation: str) -> None:
        """Delete an object on behalf of the server itself; one that is gone is fine."""
        resource = self.registry.any_version(storage)
        if resource is None:
            return
        target = Target(resource, *key)
        try:
            delete(self.operations, target, DeleteOptions(propagation=propagation))
        except APIError as error:
            if error.code != NOT_FOUND:
                raise


NOT_FOUND = 404
