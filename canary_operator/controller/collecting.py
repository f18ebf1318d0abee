"""Python's garbage collector, told what stays.

What was imported and what was read lives as long as the operator. A full collection looks at all of
it, and each answer of Prometheus brings tens of thousands of small objects, after which Python
thinks that one is due: with 2,000 rollouts that took as long as reading the answers, and ticks wait
meanwhile.
"""

import gc

YOUNG, MIDDLE, OLD = 700, 10, 100
"""Python's own thresholds, but for the last: full collections are ten times rarer."""


def spare_what_stays() -> None:
    """Leave everything that there is now out of collections, and make full ones rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
