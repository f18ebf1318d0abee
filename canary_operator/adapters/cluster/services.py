"""Services of rollouts."""

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import Held, ObjectCache
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.drift import Rules
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import OwnedObjects, marks_of
from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.domain.errors import InvalidSpecError, UnavailableError

_RULES = Rules(exact=frozenset({"spec.selector"}), complete=frozenset({"spec.ports"}))


class OwnedServices(OwnedObjects[SeenManifest]):
    """Services; their ports are one list that nobody else adds to."""

    def __init__(self, client: Client, cache: ObjectCache[SeenManifest]) -> None:
        super().__init__(client, SERVICES, cache, _RULES)

    async def write(self, held: Held[SeenManifest] | None, wanted: Manifest) -> Manifest:
        """Write a Service, and its ports as a whole where one has to go.

        Server-side apply cannot remove a port that another writer owns too, and then refuses ours
        because the name of the port is taken.
        """
        if held is None or not _has_other_ports(held, wanted):
            return await super().write(held, wanted)
        seen, selector = unpack(held.content.manifest)["spec"], wanted["spec"]["selector"]
        gone = dict.fromkeys(seen.get("selector", {}).keys() - selector.keys())
        spec = {**wanted["spec"], "selector": {**gone, **selector}}
        patch = {"metadata": {"uid": held.uid, **marks_of(wanted)}, "spec": spec}
        return await self.client.merge(self.resource, held.namespace, held.name, patch)


def _has_other_ports(held: Held[SeenManifest], wanted: Manifest) -> bool:
    there = {port["port"] for port in unpack(held.content.manifest)["spec"].get("ports", ())}
    return not there <= {port["port"] for port in wanted["spec"]["ports"]}


def refused_service(wanted: Manifest, error: ApiError) -> InvalidSpecError | UnavailableError:
    """Return what it means that the API server does not take a Service."""
    if isinstance(error, NotFoundError):
        return UnavailableError(error.message)
    name = wanted["metadata"]["name"]
    return InvalidSpecError(f"spec.service: the API server refuses Service {name}: {error.message}")
