"""What lint has to say about a line of a manifest."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters; the worst first."""

    ERROR = "error"
    """The API server or the operator refuses it."""
    WARNING = "warning"
    """It is followed, and probably not what was meant."""
    INFO = "info"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, at its place."""

    severity: Severity
    rule: str
    """Short name of the rule, such as `weight-jump`."""
    file: str
    line: int
    """From 1."""
    column: int
    """From 1."""
    sentence: str
    fix: str = ""
    """What to do; empty where the sentence says it."""
    source: str | None = None
    """The template that Helm made it from."""

    def facts(self) -> dict[str, Any]:
        """Return it as a program reads it."""
        return {
            "severity": self.severity.value,
            "rule": self.rule,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "message": self.sentence,
            "fix": self.fix or None,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, by file and line."""

    findings: tuple[Finding, ...]
    rollouts: int
    """How many CanaryRollouts were looked at."""

    def count(self, severity: Severity) -> int:
        """Return how many findings matter so much."""
        return sum(finding.severity is severity for finding in self.findings)
