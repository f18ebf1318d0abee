"""Series of rollouts say what is so at the moment of the scrape, and nothing of what is gone."""

from dataclasses import replace
from typing import Any

import pytest

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import RolloutStatus
from canary_operator.ports import Key, Rollout
from canary_operator.telemetry import Look
from canary_operator.testing.builders import spec, template
from tests.adapters.telemetry.conftest import PREFIX, Life, series, total

WEB = (("namespace", "demo"), ("rollout", "web"))
V1, V2 = (revision_of(template(version)) for version in ("v1", "v2"))


def labels(**more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**dict(WEB), **more}.items()))


async def test_a_rollout_at_rest(life: Life) -> None:
    scraped = life.registry
    assert series(scraped, "rollout_phase") == {labels(phase="Stable"): 1}
    assert series(scraped, "rollout_weight_ratio") == {WEB: 0}
    assert series(scraped, "rollout_step") == {WEB: 0}
    assert series(scraped, "rollout_steps") == {WEB: 3}
    assert series(scraped, "rollout_condition") == {labels(type="Ready", reason="Stable"): 1}
    assert series(scraped, "rollout_progressed_timestamp_seconds") == {}
    assert series(scraped, "promotions_total") == {WEB: 0}
    assert series(scraped, "rollout_info") == {
        labels(stable_revision=V1, canary_revision="", rejected_revision=""): 1
    }


async def test_a_rollout_under_way(life: Life) -> None:
    await life.release(template=template("v2"))
    while life.status.weight != 20:
        await life.pass_time(1)
    scraped = life.registry
    assert series(scraped, "rollout_phase") == {labels(phase="Progressing"): 1}
    assert series(scraped, "rollout_weight_ratio") == {WEB: 0.2}
    assert series(scraped, "rollout_step") == {WEB: 2}
    assert series(scraped, "rollout_condition") == {
        labels(type="Reconciling", reason="Progressing"): 1
    }
    progressed = life.status.progressed_at
    assert progressed is not None
    assert series(scraped, "rollout_progressed_timestamp_seconds") == {WEB: progressed.timestamp()}
    assert series(scraped, "rollout_info") == {
        labels(stable_revision=V1, canary_revision=V2, rejected_revision=""): 1
    }


async def test_what_may_happen_is_counted_from_zero(life: Life) -> None:
    """Prometheus' `increase` does not see the first value of a series."""
    await life.release(template=template("v2"))
    verdicts = ("Pass", "Inconclusive", "Fail")
    expected = {labels(metric="success-rate", verdict=verdict): 0.0 for verdict in verdicts}
    assert series(life.registry, "checks_total") == expected
    assert set(series(life.registry, "rollbacks_total").values()) == {0}
    assert total(life.registry, "rollbacks_total", reason="NoData") == 0
    assert labels(reason="NoData") in series(life.registry, "rollbacks_total")


async def test_metrics_that_are_renamed_leave_nothing_behind(life: Life) -> None:
    await life.release(template=template("v2"))
    for turn in range(5):
        metric = {"name": f"rate-{turn}", "successRate": {"min": 99}}
        await life.release(analysis={**spec()["analysis"], "metrics": [metric]})
        await life.pass_time(6)
    found = {dict(key)["metric"] for key in series(life.registry, "checks_total")}
    assert found == {"rate-4"}


async def test_an_approval_is_a_condition(life: Life) -> None:
    strategy = {"steps": [{"weight": 5, "hold": "5s", "approval": True}]}
    await life.release(template=template("v2"), strategy=strategy)
    await life.until(Phase.PAUSED)
    found = series(life.registry, "rollout_condition")
    assert labels(type="Paused", reason="ApprovalRequired") in found


async def test_a_refused_spec_is_a_condition(life: Life) -> None:
    await life.release(strategy={"steps": [{"weight": 500, "hold": "5s"}]})
    found = series(life.registry, "rollout_condition")
    assert found == {labels(type="Stalled", reason="InvalidSpec"): 1}
    assert series(life.registry, "rollout_phase") == {labels(phase="Stable"): 1}


async def test_a_standby_tells_of_no_rollout(life: Life) -> None:
    life.leads = False
    samples = [one.name for family in life.registry.collect() for one in family.samples]
    assert not [name for name in samples if name.startswith(PREFIX + "rollout")]
    assert not [name for name in samples if name.startswith(PREFIX + "promotions")]
    assert series(life.registry, "leader") == {(): 0}
    assert series(life.registry, "build_info") == {(("version", "1.2.3"),): 1}


async def test_a_deleted_rollout_has_no_series(life: Life) -> None:
    life.telemetry.gone(life.world.key)
    assert not any(
        dict(key).get("rollout")
        for family in life.registry.collect()
        for key in ([*one.labels.items()] for one in family.samples)
    )


async def test_the_engine_tells_of_a_deletion(life: Life) -> None:
    ports = life.world.ports()
    gone = replace(ports, rollouts=Nobody())
    life.ticker._ports = gone
    await life.ticker.tick(life.world.key)
    assert series(life.registry, "rollout_info") == {}


class Nobody:
    """Port `Rollouts` without any."""

    def get(self, key: Key) -> None:
        return None


async def test_after_a_term_nothing_is_known(life: Life) -> None:
    life.ticker.forget_all()
    assert series(life.registry, "rollout_info") == {}


def look(uid: str, *promoted: int) -> Look:
    """Return a look at a rollout that saw promotions at some minutes of the hour."""
    history = [
        {
            "revision": f"r{minute}",
            "outcome": "Promoted",
            "reason": "Promoted",
            "startedAt": f"2026-01-01T00:{minute:02}:00Z",
            "finishedAt": f"2026-01-01T00:{minute:02}:30Z",
            "maxWeight": 50,
        }
        for minute in sorted(promoted, reverse=True)
    ][:10]
    rollout = Rollout(Key("demo", "web"), uid, "1", 1, {})
    return Look(rollout, RolloutStatus.read({"phase": "Stable", "history": history}), None)


def test_a_rollout_of_the_same_name_begins_anew() -> None:
    telemetry = OperatorTelemetry("1")
    for seen in (look("a"), look("a", 1), look("b"), look("b", 2)):
        telemetry.looked(seen)
    assert series(telemetry.registry, "promotions_total") == {WEB: 1}


def ended(started: str, finished: str) -> Look:
    """Return a look at a rollout that was rolled back."""
    times = {"startedAt": started, "finishedAt": finished}
    entry = {"revision": "r", "outcome": "RolledBack", "reason": "NoData", "maxWeight": 5, **times}
    rollout = Rollout(Key("demo", "web"), "uid", "1", 1, {})
    return Look(rollout, RolloutStatus.read({"phase": "RolledBack", "history": [entry]}), None)


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    telemetry = OperatorTelemetry("1")
    for seen in (look("uid"), ended("2026-01-01T00:10:00Z", "2026-01-01T00:05:00Z")):
        telemetry.looked(seen)
    assert series(telemetry.registry, "time_to_rollback_seconds_sum") == {(): 0}
    assert series(telemetry.registry, "time_to_rollback_seconds_count") == {(): 1}


def test_a_status_that_somebody_spoilt_tells_nothing() -> None:
    telemetry = OperatorTelemetry("1")
    telemetry.looked(look("uid"))
    telemetry.looked(ended("2026-01-01T00:00:00", "2026-01-01T00:05:00Z"))  # a moment of no zone
    assert series(telemetry.registry, "time_to_rollback_seconds_count") == {(): 0}


def test_what_cannot_be_counted_fails_no_tick(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = OperatorTelemetry("1")
    telemetry.looked(look("uid"))
    spoilt: Any = 7
    telemetry.looked(replace(look("uid"), status=RolloutStatus.model_construct(history=spoilt)))
    (record,) = caplog.records
    assert record.__dict__["rollout"] == "demo/web"


def test_a_history_that_is_full_hides_no_promotion() -> None:
    telemetry = OperatorTelemetry("1")
    telemetry.looked(look("a"))
    for last in range(1, 31):
        telemetry.looked(look("a", *range(1, last + 1)))
    assert series(telemetry.registry, "promotions_total") == {WEB: 30}


def test_several_ends_between_two_looks_are_all_counted() -> None:
    telemetry = OperatorTelemetry("1")
    for seen in (look("a", 1), look("a", 1, 2, 3, 4)):
        telemetry.looked(seen)
    assert series(telemetry.registry, "promotions_total") == {WEB: 3}
