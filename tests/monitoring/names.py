"""Names of metrics, as Prometheus stores them."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from tests.monitoring.alerts import PREFIX


def names(registry: CollectorRegistry) -> Iterator[str]:
    """Yield the name of each own metric; of a histogram the one without `_bucket`."""
    for family in registry.collect():
        if family.name.startswith(PREFIX):
            yield f"{family.name}_total" if family.type == "counter" else family.name
