"""`canary-operator` of a version that does not exist yet: its models have one more field.

Run as a program, it takes the same arguments.
"""

from pydantic.fields import FieldInfo

from canary_operator.cli.main import main
from canary_operator.domain.spec.analysis import Analysis, MetricCheck
from canary_operator.domain.spec.rollout import RolloutSpec
from canary_operator.domain.spec.schema import Written
from canary_operator.domain.spec.strategy import Strategy

FIELD = "tempo"
DEFAULT = "normal"


def _add_field(model: type[Written]) -> None:
    field = FieldInfo.from_annotated_attribute(str, DEFAULT)
    field.alias = FIELD
    model.__pydantic_fields__[FIELD] = field
    model.model_rebuild(force=True)


def make_newer() -> None:
    """Give the strategy, the analysis and each metric one more optional field."""
    for model in (Strategy, MetricCheck, Analysis):
        _add_field(model)
    fields = RolloutSpec.__pydantic_fields__
    fields["strategy"].default, fields["analysis"].default = Strategy(), Analysis()
    RolloutSpec.model_rebuild(force=True)


if __name__ == "__main__":
    make_newer()
    main()
