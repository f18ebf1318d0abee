"""Reads a Dockerfile, as far as ours goes: what it does not know is an error, not a guess.

Meanings as in the reference, https://docs.docker.com/reference/dockerfile/.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

CONTINUED = re.compile(r"\\\n")
KNOWN = frozenset(
    {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "STOPSIGNAL", "USER"}
    | {"WORKDIR"}
)
PAIR = re.compile(r'([\w.-]+)=("(?:[^"\\]|\\.)*"|\S*)\s*')


@dataclass(frozen=True)
class Instruction:
    """One instruction: `RUN` and everything behind it."""

    word: str
    text: str

    def pairs(self) -> dict[str, str]:
        """Return the pairs of ENV or LABEL; variables are not yet filled in."""
        return {name: value.strip('"') for name, value in PAIR.findall(self.text)}

    def words(self) -> list[str]:
        """Return the entries of ENTRYPOINT or CMD in the form that needs no shell."""
        parsed: list[str] = json.loads(self.text)
        return parsed


@dataclass
class Stage:
    """One stage: its base and its instructions, in order."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """Return the instructions of one kind."""
        return [each for each in self.instructions if each.word == word]


@dataclass(frozen=True)
class Dockerfile:
    """Global arguments with their defaults, and all stages."""

    arguments: Mapping[str, str]
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, path: Path) -> "Dockerfile":
        """Read a file.

        Raises:
            ValueError: it holds an instruction that is not known here.
        """
        arguments: dict[str, str] = {}
        stages: list[Stage] = []
        for instruction in _instructions(path.read_text()):
            if instruction.word == "FROM":
                base, _, name = instruction.text.partition(" AS ")
                stages.append(Stage(filled(base, arguments), name or str(len(stages))))
            elif stages:
                stages[-1].instructions.append(instruction)
            else:
                arguments |= argument(instruction)
        return cls(arguments, tuple(stages))


def argument(instruction: Instruction) -> dict[str, str]:
    """Return the name and the default of an ARG; without one, it is empty."""
    name, _, default = instruction.text.partition("=")
    return {name: default.strip('"')}


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` with `$NAME` and `${NAME}` filled in."""
    return Template(text).substitute(variables)


def _instructions(text: str) -> Iterator[Instruction]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in CONTINUED.sub("", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word not in KNOWN or "<<" in rest or rest.startswith("--mount"):
            raise ValueError(f"the rehearsal does not know {line.strip()[:60]!r}")
        yield Instruction(word, rest.strip())


class Ignored:
    """What `.dockerignore` leaves out; the last pattern that fits decides."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.splitlines())
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: str) -> bool:
        """Whether a file of the context, or a folder that it is in, is left out."""
        ignored = False
        for pattern in self._patterns:
            if _fits(path, pattern.removeprefix("!")):
                ignored = not pattern.startswith("!")
        return ignored


def _fits(path: str, pattern: str) -> bool:
    parts = path.split("/")
    begins = ("/".join(parts[: end + 1]) for end in range(len(parts)))
    expression = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return any(re.fullmatch(expression, begin) for begin in begins)
