"""The results as tables, and what was claimed of the comparison."""

from collections.abc import Sequence

from benchmarks.decision_quality.peers import OURS, RULES
from benchmarks.decision_quality.results import Result
from benchmarks.decision_quality.scenarios import Claim

HEAD = (
    "| scenario | rules | runs | rolled back (95 % interval) | median time | hurt | promoted | "
    "deadline |"
)


def overview(results: Sequence[Result]) -> str:
    """Return the share that was rolled back: a line for each scenario, a column for each rules."""
    shares = {(one.scenario.name, one.rules): f"{_percent(one.share)}" for one in results}
    lines = [f"| rolled back | {' | '.join(RULES)} |", f"|---|{'---:|' * len(RULES)}"]
    for name in dict.fromkeys(one.scenario.name for one in results):
        cells = (shares.get((name, rules), "") for rules in RULES)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table(results: Sequence[Result]) -> str:
    """Return everything that was counted, as a Markdown table."""
    lines = [HEAD, "|---|---|---:|---:|---:|---:|---:|---:|"]
    return "\n".join([*lines, *map(_line, results)]) + "\n"


def _line(result: Result) -> str:
    low, high = result.interval
    return (
        f"| {result.scenario.name} | {result.rules} | {result.runs:,} | "
        f"{_percent(result.share)} ({_percent(low)} to {_percent(high)}) | "
        f"{_or_none(result.seconds, ' s')} | {_or_none(result.hurt)} | "
        f"{_percent(result.promoted / result.runs)} | {_percent(result.undecided / result.runs)} |"
    )


def _percent(share: float) -> str:
    return f"{100 * round(share, 6):.3g} %"


def _or_none(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.0f}{unit}"


def claims(results: Sequence[Result]) -> str:
    """Return what was claimed of the comparison and whether it holds."""
    return "".join(
        _claim(one, one.scenario.claim)
        for one in results
        if one.rules == OURS and one.scenario.claim is not None
    )


def _claim(result: Result, claim: Claim) -> str:
    low, high = result.interval
    found = f"{result.rolled_back:,} of {result.runs:,}, {_percent(low)} to {_percent(high)}"
    median = "" if result.seconds is None else f", median {result.seconds:,.0f} s"
    verdict = "holds" if result.holds else "DOES NOT HOLD"
    return f"{verdict}: {result.scenario.name}: {_asked(claim)} (found {found}{median})\n"


def _asked(claim: Claim) -> str:
    if claim.rolled_back_at_least:
        share = f"in at least {_percent(claim.rolled_back_at_least)}"
    else:
        share = f"in at most {_percent(claim.rolled_back_at_most)}"
    limit = claim.median_seconds_at_most
    return f"rolled back {share}" + ("" if limit is None else f", median at most {limit:.0f} s")
