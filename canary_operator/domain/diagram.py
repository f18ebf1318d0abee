"""Draws the life of a rollout from the transition table, for the documentation.

`python -m canary_operator.domain.diagram [--check] FILE` writes (or compares) the part of FILE
between the two markers, so that the picture cannot tell another story than the code.
"""

import sys
from pathlib import Path

from canary_operator.domain.phase import TRANSITIONS, Phase

BEGIN = "<!-- generated from canary_operator/domain/phase.py: begin -->"
END = "<!-- generated: end -->"


def draw() -> str:
    """Return the transition table as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.INITIALIZING}"]
    for phase, row in TRANSITIONS.items():
        targets = dict.fromkeys(row.values())
        for target in targets:
            triggers = ", ".join(trigger for trigger, to in row.items() if to is target)
            lines.append(f"    {phase} --> {target}: {triggers}")
    return "\n".join([*lines, "```"])


def with_diagram(text: str) -> str:
    """Return `text` with the present diagram between the markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"the markers {BEGIN!r} and {END!r} are missing")
    return f"{before}{BEGIN}\n{draw()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write or check the diagram in a file; return the exit code."""
    check, path = "--check" in arguments, Path(arguments[-1])
    text = path.read_text(encoding="utf-8")
    fresh = with_diagram(text)
    if not check:
        path.write_text(fresh, encoding="utf-8")
    stale = check and fresh != text
    if stale:
        sys.stderr.write(f"{path}: the state diagram is stale; run `make generate`\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
