"""A person's request: set as an annotation, taken by the operator, answered in the status.

A request names the revision that the person saw and is set only on the very object that they saw,
so it cannot hit a canary that nobody looked at.
"""

import secrets
from contextlib import aclosing
from dataclasses import dataclass

from canary_operator.adapters.cluster.errors import NotFoundError
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import ConflictError
from canary_operator.domain.requests import Verb
from canary_operator.domain.status import RequestRecord
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.feeds import Report
from canary_operator.plugin.live.rollouts import find, looks
from canary_operator.plugin.sight import Sight

ID_BYTES = 3
"""Makes equal requests different; long enough that nobody meets the same one twice."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for."""

    verb: Verb
    revision: str | None = None
    """The one that they mean; None for the one that is there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is set."""

    value: str
    """The annotation."""
    verb: Verb
    revision: str
    sight: Sight
    """The rollout when it was asked for."""
    replaced: str | None
    """A request that waited, and does not any more."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request."""

    record: RequestRecord
    sight: Sight
    """The rollout when it was answered."""

    @property
    def accepted(self) -> bool:
        """Whether the operator did as asked."""
        return self.record.outcome == "Accepted"


def subject_of(sight: Sight, verb: Verb) -> str | None:
    """Return the revision that a request would be about."""
    retry = verb is Verb.RETRY
    return sight.status.rejected_revision if retry else sight.status.canary_revision


def revision_for(sight: Sight, wish: Wish) -> str:
    """Return the revision that the request has to name.

    Raises:
        PluginError: there is none, or not the one that is meant.
    """
    if is_leaving(sight):
        raise PluginError(f"{sight.name} is being deleted", code=Exit.FAILED)
    present = subject_of(sight, wish.verb)
    if present is None:
        raise _nothing_to(sight, wish.verb)
    if wish.revision not in {None, present}:
        raise PluginError(
            f"{sight.name}: the {_kind(wish.verb)} is {present}, not {wish.revision}",
            "Nothing was asked for.",
            Exit.FAILED,
        )
    return present


def is_leaving(sight: Sight) -> bool:
    """Whether it is deleted and only waits for a finalizer: the operator leaves it alone."""
    return bool(sight.raw["metadata"].get("deletionTimestamp"))


def _kind(verb: Verb) -> str:
    return "rolled back revision" if verb is Verb.RETRY else "canary"


def _nothing_to(sight: Sight, verb: Verb) -> PluginError:
    name, phase = sight.name, sight.status.phase
    if phase is None and not sight.seen:
        reason = f"the operator has not looked at {name} yet"
        advice = f"Does it run, and does it watch namespace {sight.namespace}?"
    elif not sight.seen:
        reason = f"the operator has not looked at the newest spec of {name} yet"
        advice = "Try again in a moment."
    else:
        reason = f"{name} has no {_kind(verb)} (phase {phase or 'none yet'})"
        advice = sight.status.message
    return PluginError(f"Nothing to {verb}: {reason}", advice, Exit.FAILED)


def check_nobody_waits(sight: Sight, wish: Wish) -> str | None:
    """Return the request that this one replaces.

    Raises:
        PluginError: somebody else's request waits, and this one is no reason to drop it.
    """
    waiting = sight.waiting_request
    if waiting is None or wish.verb is Verb.ABORT:  # the traffic of users goes first
        return waiting
    raise PluginError(
        f"{sight.name}: another request, {waiting}, is waiting for the operator",
        f"Wait for it, or take it back with: {take_back(sight)}",
        Exit.FAILED,
    )


def take_back(sight: Sight) -> str:
    """Return the command that takes a request back which nobody answered."""
    return f"kubectl annotate cro/{sight.name} -n {sight.namespace} {REQUEST_ANNOTATION}-"


async def ask(cluster: Cluster, name: str, wish: Wish) -> Asked:
    """Set a request on the rollout as it is; look again where somebody else wrote meanwhile.

    Raises:
        PluginError: there is nothing to ask for, or another revision came meanwhile.
    """
    sight = await find(cluster, name)
    revision = revision_for(sight, wish)
    while True:
        replaced = check_nobody_waits(sight, wish)
        value = f"{wish.verb}/{revision}/{secrets.token_hex(ID_BYTES)}"
        try:
            await _annotate(cluster, sight, value)
        except (ConflictError, NotFoundError):
            sight = _still_meant(sight, await find(cluster, name), revision, wish)
        else:
            return Asked(value, wish.verb, revision, sight, replaced)


async def _annotate(cluster: Cluster, sight: Sight, value: str) -> None:
    conditions = {"uid": sight.uid, "resourceVersion": sight.resource_version}
    body = {"metadata": {**conditions, "annotations": {REQUEST_ANNOTATION: value}}}
    await cluster.merge(ROLLOUTS, sight.namespace, sight.name, body)


def _still_meant(before: Sight, now: Sight, revision: str, wish: Wish) -> Sight:
    """Return the newer look, if it shows what the person saw."""
    if now.uid != before.uid:
        message = f"{now.name} was deleted and made anew meanwhile"
        raise PluginError(message, "Look again.", Exit.FAILED)
    present = revision_for(now, Wish(wish.verb))
    if present != revision:
        message = f"{now.name}: the {_kind(wish.verb)} changed to {present} meanwhile"
        raise PluginError(message, "Look again.", Exit.FAILED)
    return now


async def answer_to(
    cluster: Cluster, asked: Asked, on_trouble: Report = lambda _: None
) -> Answered:
    """Wait until the operator answered; for ever, where it does not.

    Raises:
        PluginError: it never will, or it cannot be seen.
    """
    try:
        outcome = await _first_outcome(cluster, asked, on_trouble)
    except PluginError as error:
        raise PluginError(
            f"The request is made, but its outcome cannot be seen: {error.format_message()}"
        ) from error
    if isinstance(outcome, PluginError):
        raise outcome
    return outcome


async def _first_outcome(
    cluster: Cluster, asked: Asked, on_trouble: Report
) -> Answered | PluginError:
    name = asked.sight.name
    async with aclosing(looks(cluster, name, on_trouble)) as seen:
        async for sight in seen:
            outcome = outcome_in(sight, asked)
            if outcome is not None:
                return outcome
    raise AssertionError("unreachable: following does not end")


def outcome_in(sight: Sight | None, asked: Asked) -> Answered | PluginError | None:
    """Return what became of a request: its answer, why there will be none, or None for not yet."""
    if sight is None or sight.uid != asked.sight.uid or is_leaving(sight):
        return PluginError(
            f"{asked.sight.name} was deleted before the operator answered {asked.verb}"
        )
    last = sight.status.last_request
    if last is not None and last.value == asked.value:
        return Answered(last, sight)
    if sight.request == asked.value:
        return None
    by = f"replaced it by {sight.request}" if sight.request else "took it back"
    return PluginError(
        f"{sight.name}: somebody {by} before the operator answered {asked.verb}",
        code=Exit.FAILED,
    )
