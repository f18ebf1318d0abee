"""What lint found, as compilers say it: `file:line:column: error: sentence [rule]`."""

from collections.abc import Iterator

from rich.text import Text

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.lint.findings import Finding, Report, Severity

STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "busy"}
INDENT = 4
LEAST_WRAPPED = 40
"""Columns below which lines are left to the terminal."""


def report_lines(report: Report, sheet: Sheet) -> list[Text]:
    """Return a text for people: the findings, what to do about each, and how many there are."""
    lines = [line for finding in report.findings for line in _finding_lines(finding, sheet)]
    return [*lines, _summary(report)]


def _finding_lines(finding: Finding, sheet: Sheet) -> Iterator[Text]:
    where = f"{finding.file}:{finding.line}:{finding.column}"
    named = f"{finding.rule}, {finding.source}" if finding.source else finding.rule
    words = Text.assemble(
        (sheet.text(where), "title"),
        ": ",
        (finding.severity.value, STYLES[finding.severity]),
        f": {sheet.text(finding.sentence)} ",
        (f"[{sheet.text(named)}]", "muted"),
    )
    yield from _hanging(Text(), words, " " * INDENT, sheet)
    if finding.fix:
        sign = Text.assemble(" " * INDENT, (f"{sheet.glyphs.arrow} ", "muted"))
        fix = Text(sheet.text(finding.fix))
        yield from _hanging(sign, fix, " " * sign.cell_len, sheet)


def _hanging(begin: Text, words: Text, indent: str, sheet: Sheet) -> Iterator[Text]:
    """Yield words as a terminal has room for them, further lines indented; pipes get one line."""
    width = sheet.console.width
    whole = begin + words
    if whole.cell_len <= width or width < LEAST_WRAPPED:
        yield whole
        return
    for index, part in enumerate(words.wrap(sheet.console, width - len(indent))):
        part.rstrip()
        yield (Text(indent) if index else begin) + part


def _summary(report: Report) -> Text:
    counted = [
        Text(_count(report.count(severity), severity.value), STYLES[severity])
        for severity in (Severity.ERROR, Severity.WARNING)
        if report.count(severity)
    ]
    objects = _count(report.rollouts, "CanaryRollout")
    if not counted:
        return Text(f"{objects}: nothing to complain about.", "good")
    return Text(", ").join(counted) + Text(f" in {objects}.")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
