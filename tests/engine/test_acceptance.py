"""The spec in force, as the engine remembers it."""

import pytest

from canary_operator.domain.situation import Settings
from canary_operator.engine.accept import Acceptor
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
