"""Leader election by a Lease: of several operators one writes, the others stand by, caches filled.

How it keeps two from writing at once:

- The leader renews its Lease every two seconds. Six seconds after the last renewal that it knows
  of, it begins no further write and cancels its work; only four seconds later may another take
  over. A write that is under way by then is cut off before the other's time begins.
- Nobody compares clocks of different machines. Each measures, with its own clock that counts
  suspended time too, how long it has seen no renewal.
- Who takes over reads everything once more before its first tick, because a watch may lag behind
  what the last leader wrote.
- At its end the leader gives the Lease back when its work has ended, so the next one begins at
  once.
"""
