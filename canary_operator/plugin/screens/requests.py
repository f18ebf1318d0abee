"""What became of a request, in words and as data."""

from collections.abc import Iterator
from typing import Any

from canary_operator.domain.requests import Verb
from canary_operator.domain.words import sentences
from canary_operator.plugin.live.asking import Answered, Asked


def told(word: str, asked: Asked, answered: Answered | None) -> str:
    """Return what a person reads who asked.

    Args:
        word: What they typed, such as `approve`.
        asked: The request.
        answered: What became of it; None where nobody waited for that.
    """
    return sentences(_told(word, asked, answered))


def _told(word: str, asked: Asked, answered: Answered | None) -> Iterator[str]:
    about = f"{'revision' if asked.verb is Verb.RETRY else 'canary'} {asked.revision}"
    if answered is None:
        yield f"{asked.sight.name}: {word} asked for {about}; the operator has not answered yet"
    else:
        outcome = answered.record.outcome.lower()
        yield f"{asked.sight.name}: {word} {outcome} for {about}: {answered.record.message}"
        if asked.verb is Verb.ABORT and answered.accepted:
            yield _where_traffic_is(answered)
    if asked.replaced:
        yield f"It replaced a request that was waiting for the operator: {asked.replaced}"


def _where_traffic_is(answered: Answered) -> str:
    weight = answered.sight.weight
    if weight == 0:
        return "The canary's weight is 0: all traffic is on stable"
    return f"The canary still has {weight} %: {answered.sight.status.message}"


def as_data(asked: Asked, answered: Answered | None) -> dict[str, Any]:
    """Return the same for programs."""
    sight = answered.sight if answered else asked.sight
    record = answered.record if answered else None
    return {
        "namespace": sight.namespace,
        "name": sight.name,
        "verb": asked.verb.value,
        "revision": asked.revision,
        "request": asked.value,
        "replaced": asked.replaced,
        "outcome": record.outcome if record else None,
        "message": record.message if record else "",
        "phase": sight.status.phase.value if sight.status.phase else None,
        "weight": sight.weight,
    }
