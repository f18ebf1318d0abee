"""Whether the operator lives and is ready: named questions, and an answer that says what is wrong.

*Alive* means that a restart would not help: the loops turn. The API server and Prometheus may be
away; that is no reason to restart, and the metrics tell of it.

*Ready* means that it could take over at once: everything was read. A standby is ready, too. Once
ready it stays so, whatever the API server does: a pod that flaps helps nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from canary_operator.ports import Key

Question = Callable[[], str | None]
"""Says what is wrong; None where all is well."""

LONGEST_TICK_SECONDS = 300.0
"""Each wait of a tick has a bound of seconds, so one that lasts longer never ends by itself."""


@dataclass(slots=True)
class Health:
    """What is asked for `/healthz` and for `/readyz`; add questions before the first answer."""

    alive: dict[str, Question] = field(default_factory=dict)
    ready: dict[str, Question] = field(default_factory=dict)
    _was_ready: bool = False

    def problems(self) -> Mapping[str, str]:
        """Return what a restart might help against, by name."""
        return _answers(self.alive)

    def missing(self) -> Mapping[str, str]:
        """Return what is missing until the operator can work, by name."""
        if self._was_ready:
            return {}
        missing = _answers(self.ready)
        self._was_ready = not missing
        return missing


def _answers(questions: Mapping[str, Question]) -> dict[str, str]:
    answers = {name: ask() for name, ask in questions.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def unless(well: Callable[[], bool], words: str) -> Question:
    """Return the question whether something is as it should be; `words` where it is not."""
    return lambda: None if well() else words


def no_endless_tick(longest: Callable[[], tuple[Key, float] | None]) -> Question:
    """Return the question whether some tick has been under way for too long.

    Args:
        longest: Says which has been under way longest, and for how many seconds.
    """

    def ask() -> str | None:
        found = longest()
        if found is None or found[1] <= LONGEST_TICK_SECONDS:
            return None
        key, seconds = found
        return f"the tick of {key} has not ended for {seconds:.0f} s"

    return ask
