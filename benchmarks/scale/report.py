"""The results as a page: two tables, and whether what is claimed holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.measuring import INTERVAL_SECONDS
from benchmarks.scale.rows import ACTIVE, IDLE, Results, Row

BEGIN = "<!-- measured by `make bench`: begin -->"
END = "<!-- measured by `make bench`: end -->"

MOST_WRITES_PER_STEP = 4
MOST_REQUESTS = 40
STEPS = 5
MOST_LAG_SECONDS = 1.0
MOST_MEGABYTES = 200
MOST_ROLLOUTS = 2000
SHARED_UP_TO = 200
REACTION_SECONDS = 2.0
_QUERIES_OF_ONE = 2
_SLOTS = 4
"""Moments in an interval at which rollouts are checked; those that share one share the queries."""


@dataclass(frozen=True)
class Claim:
    """Something that is said of the cost, and what was measured."""

    words: str
    found: str
    holds: bool

    def __str__(self) -> str:
        return f"| {self.words} | {self.found} | {'yes' if self.holds else '**no**'} |"


def page(results: Results) -> str:
    """Return everything as Markdown."""
    head = f"Measured on {results.machine}.\n" if results.machine else ""
    told = "\n".join(map(str, claims(results)))
    return (
        f"{head}\n"
        "| rollouts | state | requests | checks | queries | CPU, cores | memory, MB (most) "
        "| lag of ticks, s: p50, p99, most | verdict after, s: p50, p99 "
        "| evidence to weight 0, s: most |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(map(_line, results.rows))
        + "\n\n| target | measured | holds |\n|---|---|---|\n"
        + f"{told}\n"
    )


def write_into(file: Path, text: str) -> None:
    """Replace what is between the marks of a page."""
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _line(row: Row) -> str:
    cells = [
        f"{row.rollouts:,}",
        f"{row.state}, {row.seconds:.0f} s",
        str(sum(row.requests.values())),
        str(row.checks),
        f"{row.queries} ({row.source})",
        f"{row.cores:.3f}",
        f"{row.megabytes:.0f} ({row.most_megabytes:.0f})",
        ", ".join(f"{lag:.3f}" for lag in row.lags) if row.ticks else "no tick",
        ", ".join(f"{late:.2f}" for late in row.verdicts[:2]) if row.checks else "",
        f"{row.rollbacks[-1]:.1f}" if row.rollbacks else "",
    ]
    return f"| {' | '.join(cells)} |"


def claims(results: Results) -> Iterator[Claim]:
    """Yield what is claimed, as far as it was measured."""
    idle = [row for row in results.rows if row.state == IDLE]
    active = [row for row in results.rows if row.state == ACTIVE]
    if idle:
        sent = sum(sum(row.requests.values()) for row in idle)
        words = "rollouts at rest cause no request beside watches and Leases"
        yield Claim(words, f"{sent} requests", sent == 0)
    yield from _of_one(results)
    if active:
        yield from _of_checks(active)
    yield from (claim for row in active if row.rollouts == MOST_ROLLOUTS for claim in _of_most(row))
    late = [row.rollbacks[-1] for row in active if row.rollbacks]
    if late:
        limit = INTERVAL_SECONDS + REACTION_SECONDS
        words = f"from evidence to weight 0 within {limit:.0f} s: the interval and 2 s"
        yield Claim(words, f"at most {max(late):.1f} s", max(late) <= limit)


def _of_one(results: Results) -> Iterator[Claim]:
    whole = results.whole
    if whole is None:
        return
    words = f"at most {MOST_WRITES_PER_STEP} writes for a step, Events aside"
    yield Claim(words, f"at most {max(whole.writes)}", max(whole.writes) <= MOST_WRITES_PER_STEP)
    sent, further = sum(whole.requests.values()), max(0, whole.checks - STEPS)
    words = f"at most {MOST_REQUESTS} requests for a rollout of {STEPS} steps, one check in each"
    found = f"{sent}, of these {whole.events} Events, with {whole.checks} checks"
    yield Claim(words, found, sent <= MOST_REQUESTS + 2 * further)


def _of_checks(active: Sequence[Row]) -> Iterator[Claim]:
    excess = max(sum(row.requests.values()) - row.checks for row in active)
    yield Claim(
        "a further check costs one status write",
        f"at most {max(0, excess)} requests more than checks",
        excess <= 0,
    )
    shared = [row for row in active if row.rollouts <= SHARED_UP_TO]
    asked = [f"{_an_interval(row):.0f} for {row.rollouts}" for row in shared]
    most = _QUERIES_OF_ONE * _SLOTS
    yield Claim(
        f"at most {most} queries of built-in checks in an interval, up to {SHARED_UP_TO} rollouts",
        ", ".join(asked),
        all(_an_interval(row) <= most for row in shared),
    )


def _an_interval(row: Row) -> float:
    return row.queries * INTERVAL_SECONDS / row.seconds


def _of_most(row: Row) -> Iterator[Claim]:
    many = f"{row.rollouts:,} rollouts on trial, on one core"
    lag = row.lags[1]
    words = f"{many}: 99 % of the ticks begin at most {MOST_LAG_SECONDS:.0f} s late"
    yield Claim(words, f"{lag:.2f} s", lag <= MOST_LAG_SECONDS)
    words, most = f"{many}: at most {MOST_MEGABYTES} MB", row.most_megabytes
    yield Claim(words, f"{most:.0f} MB", most <= MOST_MEGABYTES)
