"""What a tick changed, as lines of the log: once per change, with the facts as fields."""

import logging
from typing import Any

from canary_operator.domain.decide import Decision
from canary_operator.domain.reasons import Reason
from canary_operator.domain.situation import Situation
from canary_operator.domain.status import Verdict, verdict_of
from canary_operator.domain.words import sentences
from canary_operator.ports import Key

logger = logging.getLogger(__name__)

CHECK_REASONS = {
    Verdict.PASS: Reason.CHECK_PASSED,
    Verdict.INCONCLUSIVE: Reason.CHECK_INCONCLUSIVE,
    Verdict.FAIL: Reason.CHECK_FAILED,
}


def write_down(key: Key, at: Situation, decision: Decision) -> None:
    """Log what `decision` changed, after it was recorded."""
    _check(key, at, decision)
    for notice in decision.notices:
        level = logging.WARNING if notice.type == "Warning" else logging.INFO
        facts = _facts(key, decision, notice.reason)
        logger.log(level, "%s: %s", notice.reason, notice.message, extra=facts)


def _check(key: Key, at: Situation, decision: Decision) -> None:
    """Log a check that no notice tells of: the same verdict again is for those who look closely."""
    judged = decision.status.metrics
    if not judged or judged == at.status.metrics:
        return
    reason = CHECK_REASONS[verdict_of(judged)]
    if reason in {notice.reason for notice in decision.notices}:
        return
    last = at.status.attempt.last_check if at.status.attempt else None
    again = last is not None and CHECK_REASONS[last.verdict] is reason
    level = logging.DEBUG if again else logging.INFO
    words = sentences(one.message for one in judged if not one.dry_run)
    logger.log(level, "%s: %s", reason, words, extra=_facts(key, decision, reason))


def _facts(key: Key, decision: Decision, reason: Reason) -> dict[str, Any]:
    status = decision.status
    facts = {
        "rollout": str(key),
        "reason": reason.value,
        "revision": status.canary_revision or status.stable_revision,
        "phase": status.phase.value if status.phase else None,
        "weight": status.weight,
    }
    if reason is Reason.ROLLED_BACK and status.history:
        facts["cause"] = status.history[0].reason
    return {name: value for name, value in facts.items() if value is not None}
