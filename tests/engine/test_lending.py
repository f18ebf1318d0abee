"""What a rollout borrows is given back, and a deleted rollout stays until it was."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import pytest

from canary_operator.domain import loans
from canary_operator.domain.errors import ForbiddenError, RouteMissingError, UnavailableError
from canary_operator.domain.loans import FINALIZER, Loan
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports import Rollout
from canary_operator.testing.builders import spec, template
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import Killed, World

BORROWING = spec(paused=True)
"""In these tests, what is paused borrows a toy."""


@dataclass
class Toys:
    """Port `Lender`: notes what was given back; may refuse for a while."""

    world: World
    given_back: list[str] = field(default_factory=list)
    error: Exception | None = None

    async def give_back(self, rollout: Rollout, loan: Loan, kept: Collection[Loan] = ()) -> bool:
        assert rollout.is_guarded
        if self.error is not None:
            raise self.error
        if loan.name in self.given_back:
            return False
        await self.world.write("give back", lambda: self.given_back.append(loan.name))
        return True


def borrow_toy(spec: RolloutSpec) -> Iterator[Loan]:
    if spec.paused:
        yield Loan(kind="Toy", name="ball")


@pytest.fixture
def toys(world: World, monkeypatch: pytest.MonkeyPatch) -> Toys:
    monkeypatch.setattr(loans, "BORROWERS", (borrow_toy,))
    toys = Toys(world)
    world.lenders["Toy"] = toys
    world.spec = BORROWING
    return toys


async def borrowing(world: World) -> Driver:
    driver = Driver(world)
    await driver.work()
    assert world.finalizers == (FINALIZER,)
    assert driver.status.borrowed == (Loan(kind="Toy", name="ball"),)
    return driver


def reasons(world: World) -> list[Reason]:
    return [notice.reason for notice in world.events]


async def test_a_rollout_that_borrows_nothing_has_no_finalizer_and_goes_without_a_write(
    world: World,
) -> None:
    driver = Driver(world)
    await driver.work()
    assert world.finalizers == ()
    assert "borrowed" not in world.status
    before = list(world.writes)
    world.delete()
    await driver.settle()
    assert world.writes == before


async def test_the_finalizer_and_the_record_come_before_any_other_write_to_the_cluster(
    world: World, toys: Toys
) -> None:
    await borrowing(world)
    shaping = [write for write in world.writes if write != "record"]
    assert shaping[:2] == ["guard", "status"]
    assert toys.given_back == []


async def test_a_deleted_rollout_gives_everything_back_and_then_goes(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    before = len(world.writes)
    world.delete()
    await driver.settle()
    assert toys.given_back == ["ball"]
    assert world.is_gone
    assert world.writes[before:] == ["give back", "release"]
    assert Reason.RESTORED in reasons(world)


async def test_finalizers_of_others_are_left_alone(world: World, toys: Toys) -> None:
    world.finalizers = ("example.com/theirs",)
    driver = Driver(world)
    await driver.work()
    assert world.finalizers == ("example.com/theirs", FINALIZER)
    world.delete()
    await driver.settle()
    assert toys.given_back == ["ball"]
    assert world.finalizers == ("example.com/theirs",)


async def test_what_cannot_be_given_back_is_explained_and_tried_again(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    toys.error = ForbiddenError("The operator may not patch toys.")
    world.delete()
    following = await driver.settle()
    assert following.at is not None
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", Reason.FORBIDDEN)
    assert "The operator may not patch toys." in driver.status.message
    assert FINALIZER in driver.status.message
    for _ in range(60):
        await driver.pass_time(1)
    assert reasons(world).count(Reason.FORBIDDEN) == 1
    toys.error = None
    for _ in range(31):
        await driver.pass_time(1)
    assert toys.given_back == ["ball"]
    assert world.is_gone


async def test_a_rollout_whose_spec_is_refused_gives_back_what_was_accepted_last(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    world.edit(replicas="many")
    await driver.work()
    assert next(c.reason for c in driver.status.conditions) == Reason.INVALID_SPEC
    world.delete()
    await driver.settle()
    assert toys.given_back == ["ball"]
    assert world.is_gone


@pytest.mark.parametrize("lost", ["status", "records"])
async def test_either_the_status_or_the_records_are_enough_to_know_what_to_give_back(
    world: World, toys: Toys, lost: str
) -> None:
    driver = await borrowing(world)
    world.status = {} if lost == "status" else world.status
    world.records = [] if lost == "records" else world.records
    world.delete()
    await driver.settle()
    assert toys.given_back == ["ball"]
    assert world.is_gone


async def test_what_an_edit_makes_needless_is_given_back_and_the_finalizer_goes(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    world.edit(paused=False)
    await driver.work()
    assert toys.given_back == ["ball"]
    assert world.finalizers == ()
    assert "borrowed" not in world.status


async def test_an_edit_that_cannot_be_followed_up_keeps_the_record_and_says_so(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    toys.error = UnavailableError("The toy box is locked.")
    world.edit(paused=False)
    await driver.work()
    assert driver.status.borrowed
    assert world.finalizers == (FINALIZER,)
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    assert "The toy box is locked." in ready.message
    toys.error = None
    await driver.pass_time(31)
    assert toys.given_back == ["ball"]
    assert world.finalizers == ()


async def test_what_a_newer_operator_borrowed_keeps_the_rollout_and_says_why(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    del world.lenders["Toy"]
    world.delete()
    await driver.settle()
    assert not world.is_gone
    assert "does not know how to set Toy ball back" in driver.status.message
    assert toys.given_back == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(2))
async def test_killed_at_any_write_of_its_end_a_rollout_gives_everything_back_and_goes(
    world: World, toys: Toys, nth: int, when: str
) -> None:
    driver = await borrowing(world)
    writes = 0

    def kill(_: str) -> None:
        nonlocal writes
        writes += 1
        if writes == nth + 1:
            raise Killed

    setattr(world, f"{when}_write", kill)
    world.delete()
    await driver.settle()
    assert driver.kills == 1
    assert toys.given_back == ["ball"]
    assert world.is_gone


async def test_nothing_is_borrowed_while_the_finalizer_is_not_taken(
    world: World, toys: Toys
) -> None:
    def refuse(write: str) -> None:
        if write == "guard":
            raise UnavailableError("no finalizers today")

    world.before_write = refuse
    driver = Driver(world)
    with pytest.raises(AssertionError, match="no rest"):
        await driver.work()
    assert set(world.writes) == {"record"}
    assert toys.given_back == []


async def test_traffic_is_taken_back_even_if_the_finalizer_was_removed_and_is_refused(
    world: World, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loans, "BORROWERS", (lambda _: [Loan(kind="Toy", name="ball")],))
    world.spec = spec()
    driver = await borrowing(world)
    world.edit(template=template("v2"))
    while driver.status.weight != 5:
        await driver.pass_time(1)

    def refuse(write: str) -> None:
        if write == "guard":
            raise UnavailableError("no finalizers today")

    world.finalizers, world.before_write = (), refuse
    world.version += 1
    world.ask("abort")
    await driver.pass_time(2)
    assert world.route.weight == 0
    assert driver.status.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    assert toys.given_back == []


NOBODY = RouteMissingError("Its route leaves nobody to take the 100 % of web-canary.")


async def test_a_deleted_rollout_does_not_wait_for_somebody_who_takes_its_share_but_tells_of_it(
    world: World, toys: Toys
) -> None:
    driver = await borrowing(world)
    toys.error = NOBODY
    world.delete()
    await driver.settle()
    assert world.is_gone, "stable goes too, so that no request would be served the longer"
    told = [notice.message for notice in world.events if notice.reason is Reason.INVALID_SPEC]
    assert told == [f"Toy ball was not set back. {NOBODY.message}"]


@pytest.mark.parametrize("serves", [False, True])
async def test_a_loan_that_is_not_needed_is_kept_while_pods_serve_what_nobody_takes(
    world: World, toys: Toys, serves: bool
) -> None:
    driver = await borrowing(world)
    toys.error = NOBODY
    canary = world.deployments["canary"]
    if serves:
        world.edit(template=template("v2"), paused=True)
        await driver.pass_time(5)
        assert canary.pods
    world.edit(paused=False)
    await driver.pass_time(5)
    assert bool(driver.status.borrowed) is serves
    if not serves:
        return
    ready = next(c for c in driver.status.conditions if c.type == "Ready")
    assert ready.message == NOBODY.message
    toys.error = None
    await driver.pass_time(31)
    assert toys.given_back == ["ball"]
