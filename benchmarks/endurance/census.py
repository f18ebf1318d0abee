"""What an operator holds at rest, and whether it grows with every release."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

MOST_GROWTH = 0.05
"""Share by which memory may grow after the warm-up."""
POOLED = {"tasks": 0, "threads": 16, "files": 16, "series": 0}
"""Of what may be more by chance: threads and idle connections are kept in pools of this size."""
MOST_BLOCKS_PER_RELEASE = 0.75
"""An entry of a dictionary with a key of its own is one block at least. What Python keeps for
itself fills up by some hundred blocks in all, however many releases there are."""


@dataclass(frozen=True)
class Census:
    """What there is at one moment, after everything that is unreachable was collected."""

    megabytes: float
    """Memory that is resident."""
    blocks: int
    """Pieces of memory that Python has given out."""
    tasks: int
    threads: int
    files: int
    """Open file descriptors, sockets among them."""
    series: int
    """Series of rollouts that a scrape has."""

    def __str__(self) -> str:
        return "  ".join(f"{name}={value:,.10g}" for name, value in asdict(self).items())


def leaks(warm: Census, end: Census, releases: int) -> Iterator[str]:
    """Yield what grew between two moments at rest with so many releases in between."""
    growth = end.megabytes / warm.megabytes - 1
    if growth > MOST_GROWTH:
        yield f"resident memory grew by {growth:.1%}, from {warm.megabytes:.1f} MB"
    blocks = (end.blocks - warm.blocks) / releases
    if blocks > MOST_BLOCKS_PER_RELEASE:
        yield f"{blocks:.2f} blocks of memory stay of each release"
    for name, spare in POOLED.items():
        before, after = getattr(warm, name), getattr(end, name)
        if after > before + spare:
            yield f"there are {after} {name}, and there were {before}"
