"""Stories whose operator is killed at one write, and what is left in the end."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from canary_operator.playground.client import SERVICES, Resource
from canary_operator.playground.synthetic import canary_weight
from tests.faults.ground import Ground, Stand
from tests.support.bed import VIRTUAL_SERVICES, condition, quick_spec, template
from tests.support.clusters import eventually
from tests.support.gate import Write

RECORDS = Resource("controllerrevisions", "apps")
STEPS = [{"weight": 20, "hold": "0s"}, {"weight": 50, "hold": "0s"}]
QUICK: dict[str, Any] = {
    "strategy": {**quick_spec()["strategy"], "steps": STEPS, "progressDeadline": "10m"},
    "analysis": {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5},
}
LAST_STEP = 50
WEIGHTS = [0, 20, LAST_STEP, 0]
"""Of the canary, in the route, from the first version to the end of either story."""

PATIENCE_SECONDS = 90.0
QUIET_SECONDS = 1.5
KEPT = (
    "observedGeneration",
    "phase",
    "weight",
    "stableRevision",
    "canaryRevision",
    "rejectedRevision",
    "failedChecks",
    "replicas",
    "readyReplicas",
    "lastRequest",
)
EVIDENCE = frozenset({"CheckInconclusive", "CheckPassed"})
"""Events that are left out: on a busy machine a real Prometheus may miss scrapes, kill or no kill;
a pass is told after that."""
TELL = "tell "
STATUS = "canaryrollouts/status"


@dataclass(frozen=True)
class Story:
    """What a user does, and how that ends."""

    name: str
    ends: Callable[[Mapping[str, Any]], Any]
    is_faulty: bool = False


PROMOTE = Story("promote", lambda status: status.get("phase") == "Stable" and status.get("history"))
ROLLBACK = Story("rollback", lambda status: status.get("phase") == "RolledBack", is_faulty=True)


@dataclass(frozen=True)
class Boundary:
    """A moment next to one write."""

    write: str
    occurrence: int
    """From 1, among writes of the same name."""
    done: bool
    """Whether the API server carries it out; the operator never hears of that."""

    def __str__(self) -> str:
        when = "done and not answered" if self.done else "not sent"
        return f"{self.write} ({self.occurrence}), {when}"


@dataclass
class Told:
    """What a whole story left behind, and what was seen on the way."""

    end: dict[str, Any]
    events: Counter[str]
    weights: list[int]
    writes: list[str] = field(default_factory=list)
    killed: bool = False


def name_of(write: Write) -> str:
    """Return what a write is about, in words that are the same each time the story is told."""
    asked, body = write.request, write.body if isinstance(write.body, Mapping) else {}
    what = "/".join(filter(None, (asked.resource, asked.subresource, asked.name)))
    words = [asked.verb, what, *(["as a dry run"] if asked.dry_run else [])]
    if asked.resource == "events":
        return TELL + str(body.get("reason", "again"))
    if asked.subresource == "status":
        status = body["status"]
        news = [f"{key}={status[key]}" for key in ("phase", "weight") if key in status]
        words += news or ["details"]
    return " ".join(words)


async def tell(ground: Ground, story: Story, name: str, kill: Boundary | None = None) -> Told:
    """Tell a story from the first version on, with the operator killed at one boundary."""
    async with ground.stand(name) as stand:
        release = stand.release
        killed, names = _arm(stand, kill)
        async with _followed(stand, story) as weights:
            await release.apply(**QUICK)
            reviving = asyncio.create_task(_revive(stand, killed))
            try:
                await release.until(
                    lambda status: condition(status, "Ready")["status"] == "True", PATIENCE_SECONDS
                )
                await release.until_weight(0)
                await release.apply(template=template("v2"))
                await release.until(story.ends, PATIENCE_SECONDS)
                await _until_quiet(stand)
                stand.operator.check()
            finally:
                reviving.cancel()
                with suppress(asyncio.CancelledError):
                    await reviving  # had it failed, nobody would have gone on with the story
            events = Counter(r for r in await release.event_reasons() if r not in EVIDENCE)
            end = await end_of(stand)
        return Told(end, events, weights, names, killed.is_set())


def _arm(stand: Stand, kill: Boundary | None) -> tuple[asyncio.Event, list[str]]:
    """Have the operator killed at a boundary, once; return that it happened, and what it wrote."""
    killed, names = asyncio.Event(), []
    numbered: dict[int, tuple[str, int]] = {}

    def reached(write: Write, *, done: bool) -> bool:
        if kill is None or killed.is_set() or done is not kill.done:
            return False
        return numbered[write.number] == (kill.write, kill.occurrence)

    async def hook(write: Write, *, done: bool) -> bool:
        if not reached(write, done=done):
            return True
        os.kill(stand.operator.pid, signal.SIGKILL)
        killed.set()
        return False

    async def before(write: Write) -> bool:
        names.append(name_of(write))
        numbered[write.number] = names[-1], names.count(names[-1])
        return await hook(write, done=False)

    async def after(write: Write) -> bool:
        return await hook(write, done=True)

    stand.gate.before, stand.gate.after = before, after
    return killed, names


async def _revive(stand: Stand, killed: asyncio.Event) -> None:
    await killed.wait()
    await stand.operator.stop()  # only takes note of its end
    await stand.operator.start()


@asynccontextmanager
async def _followed(stand: Stand, story: Story) -> AsyncIterator[list[int]]:
    """Follow the weights of the route; a faulty version begins to fail at the last step."""
    weights: list[int] = []

    async def follow() -> None:
        client, namespace = stand.release.bed.client, stand.release.namespace
        async for change in client.watch(VIRTUAL_SERVICES, namespace):
            if change.object:
                weights.append(canary_weight(change.object))
                if story.is_faulty and weights[-1] == LAST_STEP:
                    stand.release.traffic.canary.error_rate = 1.0

    following = asyncio.create_task(follow())
    try:
        yield weights
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        weights[:] = [weight for weight, _ in groupby(weights)]


async def _until_quiet(stand: Stand) -> None:
    """Wait until the canary is gone, and nothing changes any more."""
    release = stand.release

    async def settled() -> bool:
        canary, status = await release.deployment("canary"), await release.status()
        return not canary["status"].get("replicas") and status.get("replicas") == 2

    await eventually(settled, PATIENCE_SECONDS)
    end = None
    while end != (end := await end_of(stand)):  # noqa: ASYNC110 - nobody tells of silence
        await asyncio.sleep(QUIET_SECONDS)


async def end_of(stand: Stand) -> dict[str, Any]:
    """Return everything that must be the same with and without a kill."""
    release, client, namespace = stand.release, stand.release.bed.client, stand.release.namespace
    status = await release.status()
    route = await client.get(VIRTUAL_SERVICES, release.name, namespace)
    return {
        "status": {key: status.get(key) for key in KEPT},
        "conditions": [(c["type"], c["status"], c["reason"]) for c in status["conditions"]],
        "history": [
            {key: entry[key] for key in ("revision", "outcome", "reason", "maxWeight")}
            for entry in status.get("history") or ()
        ],
        "route": [part["weight"] for part in route["spec"]["http"][0]["route"]],
        "marks": {
            key: text
            for key, text in route["metadata"].get("annotations", {}).items()
            if key.startswith("canary-operator.dev/")
        },
        "deployments": [_shape(await release.deployment(track)) for track in ("stable", "canary")],
        "services": sorted(await _names(stand, SERVICES)),
        "records": sorted(
            (each["metadata"]["name"], each["revision"])
            for each in (await client.list(RECORDS, namespace))["items"]
        ),
    }


def _shape(deployment: Mapping[str, Any]) -> tuple[str, int, int]:
    spec = deployment["spec"]
    image = spec["template"]["spec"]["containers"][0]["image"]
    return image, spec["replicas"], deployment["metadata"]["generation"]


async def _names(stand: Stand, resource: Resource) -> list[str]:
    found = await stand.release.bed.client.list(resource, stand.release.namespace)
    return [each["metadata"]["name"] for each in found["items"]]


def leaves_check_untold(writes: Sequence[str], kill: Boundary) -> bool:
    """Return whether a kill comes between the mark of a rollback on the route and its status.

    The mark says which revision was rejected and why, which is what safety needs. The measurement
    of the check that failed would have stood in the status only.
    """
    moments = boundaries(writes)
    statuses = [at for at, moment in enumerate(moments) if "phase=RollingBack" in moment.write]
    if not statuses:
        return False
    routes = [at for at, moment in enumerate(moments) if "virtualservices" in moment.write]
    return routes[-1] <= moments.index(kill) <= statuses[0]


def boundaries(writes: Sequence[str]) -> list[Boundary]:
    """Return both sides of every write of a story."""
    seen: Counter[str] = Counter()
    found = []
    for write in writes:
        seen[write] += 1
        found += [Boundary(write, seen[write], done) for done in (False, True)]
    return found


def losable(writes: Sequence[str], kill: Boundary) -> Counter[str]:
    """Return the Events that may have been waiting to be sent when the operator was killed.

    They are those of the last two decisions before the kill; who decides anew tells them anew.
    """
    index = [(each.write, each.occurrence) for each in boundaries(writes)[::2]].index(
        (kill.write, kill.occurrence)
    )
    records = [number for number, write in enumerate(writes) if STATUS in write]
    begun = [number for number in records if number <= index][-2:]
    until = next((number for number in records if number > index), len(writes))
    told = writes[begun[0] : until] if begun else writes[:until]
    return Counter(write.removeprefix(TELL) for write in told if write.startswith(TELL))
