"""Simulate rollouts and print how often each set of rules is right.

    python -m benchmarks.decision_quality [--picture FILE]

Exits with 1 if something that is claimed of the comparison does not hold.
"""

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.decision_quality.peers import OURS
from benchmarks.decision_quality.picture import draw
from benchmarks.decision_quality.report import claims, overview, table
from benchmarks.decision_quality.results import jobs, run, summed
from benchmarks.decision_quality.rules import End
from benchmarks.decision_quality.scenarios import SCENARIOS

PROCESSES = 2


def _run(job: tuple[int, str, int, int]) -> tuple[int, str, list[End]]:
    index, rules, seed, runs = job
    return index, rules, run(SCENARIOS[index], rules, seed, runs)


def main() -> int:
    """Run everything; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision_quality")
    parser.add_argument("--picture", type=Path, help="draw the shares into this file")
    options = parser.parse_args()
    ends: dict[tuple[int, str], list[End]] = defaultdict(list)
    with ProcessPoolExecutor(PROCESSES) as pool:
        for index, rules, found in pool.map(_run, jobs(SCENARIOS)):
            ends[index, rules] += found
    results = [summed(SCENARIOS[index], rules, found) for (index, rules), found in ends.items()]
    sys.stdout.write(f"{overview(results)}\n{table(results)}\n{claims(results)}")
    if options.picture:
        draw(results, options.picture)
    return int(not all(one.holds for one in results if one.rules == OURS))


if __name__ == "__main__":
    sys.exit(main())
