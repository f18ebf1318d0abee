"""The spec in force, as the engine remembers it."""

from typing import Any

import pytest

from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec
from canary_operator.engine.accept import Acceptor
from canary_operator.ports import Rollout
from canary_operator.testing import memory
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver


@pytest.mark.parametrize(
    "refused", [pytest.param(False, id="the newest spec"), pytest.param(True, id="the last one")]
)
async def test_what_pods_run_is_not_kept_in_memory(driver: Driver, *, refused: bool) -> None:
    """It is most of a spec, and stands in the record that Deployments are made from."""
    world = driver.world
    if refused:
        world.edit(replicas=-1)
    rollout = world.ports().rollouts.get(world.key)
    assert rollout is not None
    acceptor = Acceptor(world.ports(), Settings())
    for _ in range(2):
        wanted = (await acceptor.accept(rollout, world.now)).wanted
        assert wanted is not None
        assert not wanted.spec.template.raw
        assert not wanted.spec.template.spec.containers
    assert world.records[0].template == template("v1") == spec()["template"]


@pytest.mark.parametrize(
    ("changes", "claims"),
    [
        pytest.param({"service": {"port": 81, "targetPort": 8080}}, 1, id="another port"),
        pytest.param({"traffic": {"istio": {"timeout": "5s"}}}, 1, id="a timeout"),
        pytest.param({"template": template("v2")}, 0, id="a template alone"),
        pytest.param({"analysis": {"interval": "10s"}}, 0, id="an analysis alone"),
    ],
)
async def test_a_route_is_tried_out_when_anything_changes_that_it_is_made_of(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], claims: int
) -> None:
    claimed: list[RolloutSpec] = []

    async def claim(_: object, rollout: Rollout, spec: RolloutSpec) -> None:
        assert rollout.key == driver.world.key
        claimed.append(spec)

    monkeypatch.setattr(memory._Router, "claim", claim)
    driver.world.edit(**changes)
    await driver.work()
    assert len(claimed) == claims
