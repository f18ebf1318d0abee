import pytest

from canary_operator.ports import Key
from canary_operator.testing.builders import spec
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World


@pytest.fixture
def world() -> World:
    return World(key=Key("demo", "web"), spec=spec())


@pytest.fixture
async def driver(world: World) -> Driver:
    """A driver whose first revision serves."""
    driver = Driver(world)
    await driver.work()
    return driver
