"""A name for the CanaryRollout: the operator never touches an object that it did not make."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.objects import CANARY, STABLE, track_name
from canary_operator.domain.spec import check_name
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.adoption.surroundings import Manifests, Surroundings, name_of

SUFFIX = "rollout"


def choose_name(seen: Surroundings, wanted: str | None) -> str:
    """Return a name whose objects are all still to be made.

    Raises:
        PluginError: the wanted name is taken, or is none that a CanaryRollout may have.
    """
    if wanted is None:
        return next(name for name in _candidates(seen.name) if not taken(seen, name))
    _check(wanted)
    conflicts = taken(seen, wanted)
    if conflicts:
        raise PluginError(
            f"CanaryRollout {wanted} would need names that are taken: {', '.join(conflicts)}",
            "The operator never touches an object that it did not make; choose another --name.",
            Exit.FAILED,
        )
    return wanted


def name_of_service(
    seen: Surroundings, service: str, wanted: str | None, leaving: Manifests = ()
) -> str:
    """Return the name of a CanaryRollout that takes a Service over: it is the Service's.

    Args:
        seen: What is there.
        service: Name of the Service.
        wanted: Name that a person gave, if any.
        leaving: VirtualServices that are deleted before.

    Raises:
        PluginError: another name is wanted, or other objects of the rollout are there already.
    """
    if wanted not in {None, service}:
        raise PluginError(
            f"With --keep-deployment the CanaryRollout is called as the Service that it takes "
            f"over, {service}, and not {wanted}",
            "Leave out --name, or choose the Service with --service.",
            Exit.FAILED,
        )
    _check(service)
    staying = replace(seen, routes=tuple(one for one in seen.routes if one not in leaving))
    conflicts = [one for one in taken(staying, service) if one != f"Service {service}"]
    if conflicts:
        raise PluginError(
            f"CanaryRollout {service} would need names that are taken: {', '.join(conflicts)}",
            "Delete or rename them, or leave out --keep-deployment for a rollout of another name.",
            Exit.FAILED,
        )
    return service


def _candidates(deployment: str) -> Iterator[str]:
    base = deployment.replace(".", "-")
    _check(base)
    yield base
    yield f"{base}-{SUFFIX}"
    for number in count(2):
        yield f"{base}-{SUFFIX}-{number}"


def _check(name: str) -> None:
    try:
        check_name(name)
    except InvalidSpecError as error:
        raise PluginError(error.message, "Choose another with --name.", Exit.FAILED) from None


def taken(seen: Surroundings, name: str) -> list[str]:
    """Return the objects that have a name which a CanaryRollout of this name needs."""
    tracks = {track_name(name, STABLE), track_name(name, CANARY)}
    needed: list[tuple[str, Manifests, set[str]]] = [
        ("CanaryRollout", seen.rollouts, {name}),
        ("Service", seen.services, {name, *tracks}),
        ("Deployment", seen.deployments, tracks),
        ("VirtualService", seen.routes, {name}),
    ]
    return [
        f"{kind} {name_of(one)}"
        for kind, objects, names in needed
        for one in objects
        if name_of(one) in names
    ]


def reason_for(seen: Surroundings, name: str) -> str | None:
    """Return why the rollout is not called as the Deployment; None where it is."""
    if name == seen.name:
        return None
    conflicts = taken(seen, seen.name)
    if not conflicts:
        return f"It is called {name}, and so is its Service."
    return (
        f"It is called {name}, since {' and '.join(conflicts)} exists already and the operator "
        "never touches an object that it did not make."
    )
