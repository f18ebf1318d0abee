"""What becomes of an event of a watch."""

from typing import Any

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.controller.handlers import follower
from canary_operator.ports import Key

WEB = Key("demo", "web")


async def test_an_event_is_taken_in_wakes_its_rollout_and_leaves_nothing_behind() -> None:
    """kopf's views of the object stay until a garbage collection; the object must not."""
    caches, woken = Caches(), []
    follow = follower(caches.rollouts, woken.append)
    meta = {"namespace": "demo", "name": "web", "uid": "u1", "resourceVersion": "1"}
    body: dict[str, Any] = {"metadata": {**meta, "generation": 7}, "spec": {"replicas": 2}}
    await follow(event={"type": "ADDED", "object": body}, body=body, memo=None)
    assert woken == [WEB]
    held = caches.rollouts.get("demo", "web")
    assert held is not None
    assert held.content.generation == 7
    assert body == {}
