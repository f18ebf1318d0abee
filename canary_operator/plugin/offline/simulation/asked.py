"""From the words of a command line to what is played; what is said there outranks a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from canary_operator.domain.durations import parse_duration
from canary_operator.domain.spec.schema import plain
from canary_operator.plugin.exits import UsageProblemError
from canary_operator.plugin.offline.simulation.play import SEED
from canary_operator.plugin.offline.simulation.scenario import (
    Scenario,
    parse_events,
    rate_of,
    share_of,
)
from canary_operator.plugin.offline.simulation.scenario_file import NEVER, is_file, read_file
from canary_operator.plugin.offline.simulation.setup import (
    POD_START,
    SCRAPE_INTERVAL,
    Setup,
    examine,
    with_pods,
)
from canary_operator.plugin.offline.simulation.subject import chosen, namespace_of


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line says; None is what was left out."""

    files: Sequence[str]
    name: str | None = None
    scenario: str = "healthy"
    rps: str | None = None
    base_error_rate: str | None = None
    """A percentage, such as `0.1%`."""
    base_latency: timedelta | None = None
    approve_after: str | None = None
    """A duration, or `never`."""
    seed: int | None = None
    pod_start: timedelta = POD_START
    scrape_interval: timedelta = SCRAPE_INTERVAL


def setup_of(asked: Asked) -> tuple[Setup, int]:
    """Return what is to be played, and the seed that chance begins with.

    Raises:
        PluginError: a file cannot be read, or the operator would refuse the spec.
        UsageProblemError: something makes no sense; says what would.
    """
    scenario, seed = _scenario(asked)
    document = chosen(asked.files, asked.name)
    setup = Setup(
        spec=with_pods(plain((document.raw or {})["spec"])),
        scenario=scenario,
        name=document.name,
        namespace=namespace_of(document),
        pod_start=asked.pod_start,
        scrape_interval=asked.scrape_interval,
    )
    examine(setup)
    return setup, seed


def _scenario(asked: Asked) -> tuple[Scenario, int]:
    changes = dict(_changes(asked))
    seed = asked.seed
    if is_file(asked.scenario):
        written = read_file(Path(asked.scenario))
        scenario = written.scenario(asked.scenario)
        seed = written.seed if seed is None else seed
    else:
        scenario = Scenario(asked.scenario, parse_events(asked.scenario))
    return replace(scenario, **changes), SEED if seed is None else seed


def _changes(asked: Asked) -> Iterator[tuple[str, Any]]:
    if asked.rps is not None:
        yield "rps", _option("--rps", rate_of, asked.rps)
    if asked.base_error_rate is not None:
        yield "base_error_rate", _option("--base-error-rate", share_of, asked.base_error_rate)
    if asked.base_latency is not None:
        yield "base_latency", asked.base_latency
    if asked.approve_after is not None:
        yield "approve_after", _option("--approve-after", _patience, asked.approve_after)


def _option(name: str, read: Callable[[str], Any], value: str) -> Any:
    try:
        return read(value)
    except (ValueError, UsageProblemError) as error:
        words = error.message if isinstance(error, UsageProblemError) else str(error)
        raise UsageProblemError(f"{name}: {words}") from None


def _patience(text: str) -> timedelta | None:
    return None if text == NEVER else parse_duration(text)
