"""What tests of faults have in common: rollouts, how they end, and what the operator asked."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.api.requests import Request
from tests.support.bed import Bed, Release, quick_spec, template
from tests.support.counting import OPERATOR, WATCHES
from tests.support.gate import Gate

STRATEGY = {
    **quick_spec()["strategy"],
    "steps": [{"weight": 20, "hold": "0s"}, {"weight": 50, "hold": "0s"}],
}
QUICK: dict[str, Any] = {
    "strategy": STRATEGY,
    "analysis": {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5},
}
PATIENT = {**QUICK, "strategy": {**STRATEGY, "progressDeadline": "10m"}}
"""Waits for what is missing as long as it takes."""
LONG = {
    **QUICK,
    "strategy": {**STRATEGY, "steps": [{"weight": 20, "hold": "10m"}], "progressDeadline": "10m"},
}
"""Stays at its only step."""

MOST_REQUESTS = 70
"""For one release; without trouble it is some 25."""
MOST_WATCHES = 120
STATUS = {"resource": "canaryrollouts", "subresource": "status"}
ROUTES = {"resource": "virtualservices", "verb": "patch"}


@dataclass(frozen=True)
class Gated:
    """A bed whose operator has to pass a gate."""

    bed: Bed
    gate: Gate

    def asked(self, namespace: str | None = None) -> list[Request]:
        """Return what the operator asked so far, without watches and leases.

        Args:
            namespace: Of a rollout; requests about others are left out.
        """
        return [
            request
            for request in self.gate.requests.entries
            if request.verb != "watch"
            and request.resource != "leases"
            and (namespace is None or request.namespace in {namespace, ""})
        ]

    async def good_and_bad(self, **spec: Any) -> tuple[Release, Release]:
        """Return two rollouts whose first version serves; the second one's next version fails."""
        patient = {**PATIENT, **spec}  # what takes long here is the machine, not the version
        good, bad = await asyncio.gather(*(self.bed.release(**patient) for _ in range(2)))
        for release in (good, bad):
            await release.until_weight(0)
        bad.traffic.canary.error_rate = 1.0
        return good, bad

    @contextmanager
    def counted(self, most: int) -> Iterator[None]:
        """Check that the operator asks at most so much, watches included."""
        before = len(self.gate.requests.entries)
        yield
        new = self.gate.requests.entries[before:]
        assert len(new) <= most, told(new)


async def release_both(good: Release, bad: Release) -> None:
    """Apply the next version of both."""
    await asyncio.gather(*(release.apply(template=template("v2")) for release in (good, bad)))


async def check_ended(good: Release, bad: Release) -> None:
    """Check that the good one is promoted and the bad one rolled back, each once."""
    promoted, rejected = await asyncio.gather(
        good.until(lambda s: s["phase"] == "Stable" and s.get("history")),
        bad.until_phase("RolledBack"),
    )
    assert [entry["outcome"] for entry in promoted["history"]] == ["Promoted"]
    assert await good.image("stable") == "app:v2"
    assert [entry["reason"] for entry in rejected["history"]] == ["AnalysisFailed"]
    assert await bad.image("stable") == "app:v1"
    for release in (good, bad):
        await release.until_weight(0)
        weights = {status.get("weight") for status in release.seen}
        assert weights <= {None, 0, 20, 50}, weights


async def check_told_once(release: Release, reason: str) -> None:
    """Check that there is one Event of a reason; it is sent some time after the status."""
    await release.until_event(reason)
    assert (await release.event_reasons()).count(reason) == 1


async def check_ends(
    gated: Gated,
    good: Release,
    bad: Release,
    most: int = MOST_REQUESTS,
    counts: Callable[[Request], bool] = lambda _: True,
) -> None:
    """Release a good and a bad version; both end as they should, once, without a storm.

    Args:
        gated: Where they live.
        good: Ends promoted.
        bad: Ends rolled back.
        most: How many requests of the operator may be about one of them.
        counts: Whether a request is one of those.
    """
    before = len(gated.gate.requests.entries)
    await release_both(good, bad)
    try:
        await check_ended(good, bad)
    except AssertionError as error:
        error.add_note(told(gated.gate.requests.entries[before:]))
        raise
    new = gated.gate.requests.entries[before:]
    watches = [request for request in new if request.user_agent.startswith(WATCHES)]
    assert len(watches) <= MOST_WATCHES, told(watches)
    for release in (good, bad):
        own = [
            request
            for request in new
            if request.namespace == release.namespace
            and request.user_agent.startswith(OPERATOR)
            and counts(request)
        ]
        assert len(own) <= most, told(own)


def told(requests: list[Request]) -> str:
    """Return requests for the message of an assertion."""
    lines = [
        f"{each.user_agent[:8]} {each.verb} {each.resource}/{each.subresource} {each.code}"
        for each in requests
    ]
    return "\n".join([f"{len(lines)} requests", *lines[-100:]])
