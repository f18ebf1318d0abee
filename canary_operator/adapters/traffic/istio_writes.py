"""What it means when the API server does not do with a route's objects as asked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from canary_operator.adapters.cluster.cache import Held, ObjectCache
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.resources import (
    DESTINATION_RULES,
    VIRTUAL_SERVICES,
    Resource,
)
from canary_operator.domain.errors import ConflictError, RouterUnavailableError

_WITHOUT: Mapping[Resource, str] = {
    VIRTUAL_SERVICES: (
        "requests cannot be split. Install Istio's CRDs, or set spec.traffic.replicas to do "
        "without a mesh. Meanwhile stable is served through its Service."
    ),
    DESTINATION_RULES: (
        "spec.traffic.istio.trafficPolicy has no effect. Install Istio's CRDs, or remove the field."
    ),
}
"""What follows where a kind is not installed, and what to do."""


@contextmanager
def writing(resource: Resource, name: str) -> Iterator[None]:
    """Give a refused write of one of Istio's objects its meaning.

    Raises:
        RouterUnavailableError: the server does not know the kind, or does not take the object.
    """
    try:
        yield
    except NotFoundError as error:
        if error.api_missing:
            raise RouterUnavailableError(
                f"Istio's {resource.kind} ({resource.group}/{resource.version}) is not installed, "
                f"so {_WITHOUT[resource]}"
            ) from error
        raise RouterUnavailableError(
            f"{resource.kind} {name} cannot be written: {error.message}"
        ) from error
    except ApiError as error:
        raise RouterUnavailableError(
            f"The API server refuses {resource.kind} {name}: {error.message}"
        ) from error


async def remove(
    client: Client, resource: Resource, cache: ObjectCache[Any], held: Held[Any]
) -> None:
    """Delete an object of ours that is not wanted any more.

    Raises:
        RouterUnavailableError: the server refuses that; the object stays known, so it is tried
            again.
    """
    try:
        await client.delete(resource, held.namespace, held.name, held.uid)
    except (NotFoundError, ConflictError):
        pass  # gone, or another object by now
    except ApiError as error:
        raise RouterUnavailableError(
            f"{resource.kind} {held.name} is not wanted any more, but the API server refuses to "
            f"delete it: {error.message}. It is tried again; allow it, or delete the object."
        ) from error
    cache.drop(held)
