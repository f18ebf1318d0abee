"""What a world in memory is measured to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.readings import Past, Readings, Seen
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports import Key, Measure

if TYPE_CHECKING:
    from canary_operator.testing.memory import World


@dataclass(frozen=True, slots=True)
class Meter:
    """Port `MetricsSource` of a world."""

    world: "World"

    async def read(self, measures: Sequence[Measure]) -> Mapping[Key, Readings]:
        """Return what was measured for each of the rollouts."""
        measured = self.world.measured or self._readings
        return {measure.key: measured(measure) for measure in measures}

    async def try_out(self, key: Key, spec: RolloutSpec) -> None:  # noqa: ARG002
        """Refuse the queries that this world does not run."""
        for check in spec.analysis.metrics:
            if check.query and check.query.promql in self.world.rejected_queries:
                raise InvalidSpecError(f"{check.name}: Prometheus rejected the query.")

    def _readings(self, measure: Measure) -> Readings:
        about = measure.about
        window, since_last = (
            None if length is None else Seen(length, self.world.traffic(length))
            for length in (about.window, about.since_last)
        )
        past = None if about.past_until is None else Past()
        queries = ((check.name, check.query) for check in measure.spec.analysis.metrics)
        answers = {name: self.world.answer(query) for name, query in queries if query}
        return Readings(about.at, window, since_last, answers, past)
