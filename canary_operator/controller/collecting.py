"""Python's garbage collector, told what stays and what goes soon.

What was imported and what was read at the start lives as long as the operator, so collections leave
it out.

kopf's views of an object refer to each other, so each event of a watch leaves objects that only a
collection frees. They live for a moment. With Python's own thresholds, a first collection comes so
soon that they outlive it, and the next one, too; then they wait for a full one. And each answer of
Prometheus makes Python think that a full one is due, which takes as long as reading it. Where first
collections wait for ten thousand objects, hardly anything outlives them that does not stay.
"""

import gc

YOUNG, MIDDLE, OLD = 10_000, 3, 5
"""Python's own are 700, 10, 10."""


def spare_what_stays() -> None:
    """Leave everything that there is now out of collections, and let the rest die young."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
