"""One rollout under the rules of two peers, as their documentation describes them.

Both count failed checks of a rollout, and neither asks how many requests a value stands for. They
get the weights and holds that our rules get. docs/analysis.md says where each number comes from.
"""

from collections import deque
from collections.abc import Iterable, Mapping

from benchmarks.decision_quality.rules import (
    INTERVAL,
    LEAST,
    End,
    Plan,
    Rules,
    comparison,
    limits,
    unclumped,
)
from benchmarks.decision_quality.traffic import Observe
from canary_operator.domain.bets import Window

MINUTE = 60.0
ARGO_LEAST = 95.0
"""Lowest success rate, in percent, of every example in Argo Rollouts' documentation."""


def flagger(interval: float, threshold: int = 5) -> Rules:
    """Return Flagger's rules: each interval asks for 99 % over a minute, no value is a failure.

    A passed check goes on to the next weight, so a step lasts as many checks as fit into the hold;
    `threshold` failed checks in all roll back.
    """

    def rules(observe: Observe, _: float, plan: Plan) -> End:
        now, hurt, failed = 0.0, 0.0, 0
        recent: deque[Window] = deque(maxlen=int(MINUTE / INTERVAL))
        for weight in plan.weights:
            passed = 0.0
            while passed < plan.hold:
                for _tick in range(int(interval / INTERVAL)):
                    window = observe(now, now + INTERVAL, weight)
                    now, hurt = now + INTERVAL, hurt + window.canary_bad
                    recent.append(window)
                if _succeeds(recent, LEAST):
                    passed += interval
                    continue
                failed += 1
                if failed >= threshold:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
        return End(promoted=True, seconds=now, hurt=hurt)

    return rules


def argo(least: float, interval: float, failure_limit: int = 3, error_limit: int = 4) -> Rules:
    """Return Argo Rollouts' rules: an analysis in the background of steps with a fixed pause.

    More than `failure_limit` values below `least`, or more than `error_limit` errors in a row,
    abort. The query is an `irate`, so it sees what is between the last two scrapes, here ten
    seconds. Without a request there it is NaN, which fails; before the canary's first request there
    is no series, which is an error.
    """

    def rules(observe: Observe, _: float, plan: Plan) -> End:
        now, hurt, failed, errors, exists = 0.0, 0.0, 0, 0, False
        for weight in plan.weights:
            applied = now
            while now - applied < plan.hold:
                window = observe(now, now + INTERVAL, weight)
                now, hurt = now + INTERVAL, hurt + window.canary_bad
                exists = exists or window.canary_requests > 0
                if now % interval:
                    continue
                errors = 0 if exists else errors + 1
                failed += exists and not _succeeds([window], least)
                if failed > failure_limit or errors > error_limit:
                    return End(rolled_back=True, seconds=now, hurt=hurt)
        return End(promoted=True, seconds=now, hurt=hurt)

    return rules


def _succeeds(windows: Iterable[Window], least: float) -> bool:
    seen = list(windows)
    requests = sum(window.canary_requests for window in seen)
    bad = sum(window.canary_bad for window in seen)
    return bool(requests) and 100 * (requests - bad) / requests >= least


OURS = "comparison"
UNCLUMPED = "comparison, clumping 1"

RULES: Mapping[str, Rules] = {
    OURS: comparison,
    UNCLUMPED: unclumped,
    "limits 99 %": limits,
    "Flagger 99 %, 1 m": flagger(MINUTE),
    "Flagger 99 %, 10 s": flagger(INTERVAL),
    "Argo 95 %, 1 m": argo(ARGO_LEAST, MINUTE),
    "Argo 95 %, 10 s": argo(ARGO_LEAST, INTERVAL),
    "Argo 99 %, 10 s": argo(LEAST, INTERVAL),
}
