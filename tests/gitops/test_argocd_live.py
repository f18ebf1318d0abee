"""Buttons of Argo CD, pressed on a rollout that runs: the operator obeys."""

from typing import Any

import pytest

from canary_operator.playground.client import MERGE
from canary_operator.playground.local import ROLLOUTS
from tests.gitops.argocd import DISCOVERY, HEALTH, act, run
from tests.support.bed import Bed, Release, quick_spec, template

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


async def health(release: Release) -> str:
    return str(run(HEALTH, await release.get())["status"])


async def enabled(release: Release) -> set[str]:
    found = run(DISCOVERY, await release.get())
    return {name for name, action in found.items() if not action["disabled"]}


async def press(release: Release, action: str, seen: dict[str, Any] | None = None) -> None:
    """Do what Argo CD does when somebody clicks, for the object that its page showed."""
    patch = act(action, seen or await release.get())
    await release.bed.client.patch(
        ROLLOUTS, "web", patch, release.namespace, ctype=MERGE, fieldManager="argocd-server"
    )


async def test_every_button_does_what_it_says(bed: Bed) -> None:
    release = await bed.release(strategy=LONG, traffic={"istio": {}})
    assert (await health(release), await enabled(release)) == ("Healthy", set())
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    generation = (await release.get())["metadata"]["generation"]
    assert await health(release) == "Progressing"
    assert await enabled(release) == {"pause", "promote", "abort"}

    await press(release, "pause")
    await release.until_phase("Paused")
    await release.until_request_answered("Accepted")
    assert await health(release) == "Suspended"
    assert await enabled(release) == {"resume", "promote", "abort"}

    await press(release, "resume")
    await release.until_phase("Progressing")
    await release.until_request_answered("Accepted")

    await press(release, "abort")
    await release.until_phase("RolledBack")
    await release.until_request_answered("Accepted")
    assert (await health(release), await enabled(release)) == ("Degraded", {"retry"})
    assert await release.route_weight() == 0

    await press(release, "retry")
    await release.until_weight(20)
    await press(release, "promote")
    status = await release.until_phase("Stable")
    assert await health(release) == "Healthy"
    assert [entry["outcome"] for entry in status["history"]] == ["Promoted", "RolledBack"]
    live = await release.get()
    assert live["metadata"]["generation"] == generation, "no button edits the spec"


async def test_the_button_of_an_approval_step_approves_it(bed: Bed) -> None:
    steps = [{"weight": 20, "hold": "1s", "approval": True}, {"weight": 50, "hold": "10m"}]
    release = await bed.release(strategy={**LONG, "steps": steps})
    await release.apply(template=template("v2"))
    await release.until_phase("Paused")
    found = run(HEALTH, await release.get())
    assert found["status"] == "Suspended"
    assert "approv" in found["message"]
    await press(release, "resume")
    await release.until_weight(50)


async def test_a_click_on_what_is_not_there_any_more_does_nothing(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    seen = await release.get()
    await release.apply(template=template("v3"))
    await release.until(
        lambda s: (
            s.get("canaryRevision") != seen["status"]["canaryRevision"] and s.get("weight") == 20
        )
    )
    await press(release, "promote", seen)
    status = await release.until_request_answered("Refused")
    assert status["lastRequest"]["message"].startswith(
        f"The request names revision {seen['status']['canaryRevision']}, but "
    )
    assert (status["phase"], status["weight"]) == ("Progressing", 20)
