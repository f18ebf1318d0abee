"""Times, shares and signs as people read them; shared by all screens."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rich.text import Text

from canary_operator.domain.figures import amount
from canary_operator.domain.phase import Phase
from canary_operator.domain.status import Requests, Verdict
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.plugin.console import Glyphs
from canary_operator.plugin.trail import Point

PHASE_STYLES = {
    Phase.STABLE: "good",
    Phase.INITIALIZING: "busy",
    Phase.PROGRESSING: "busy",
    Phase.PROMOTING: "busy",
    Phase.PAUSED: "warn",
    Phase.ROLLING_BACK: "bad",
    Phase.ROLLED_BACK: "bad",
}
VERDICT_STYLES = {Verdict.PASS: "good", Verdict.INCONCLUSIVE: "warn", Verdict.FAIL: "bad"}

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_DIGEST_DIGITS = 8
_PRECISE_SECONDS = 600
"""From ten minutes on, an age needs no seconds."""
WHOLE = 100
_ANNOTATE = re.compile(rf"kubectl annotate cro/(\S+) {re.escape(REQUEST_ANNOTATION)}=(\w+)")


def span(length: timedelta) -> str:
    """Return a length in its two largest units, rounded to seconds, for example `4m12s`.

    Example:
        >>> [span(timedelta(seconds=n)) for n in (0, 59.6, 252, 7_260, 90_000)]
        ['0s', '1m', '4m12s', '2h1m', '1d1h']
    """
    rest, parts = max(0, round(length.total_seconds())), []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        parts.append((count, unit))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [f"{count}{unit}" for count, unit in parts[first : first + 2] if count]
    return "".join(shown) or "0s"


def age(since: datetime | None, now: datetime) -> str:
    """Return how long ago something was, as kubectl does: `45s`, `4m12s`, `3h`."""
    if since is None:
        return "<unknown>"
    seconds = max(0.0, (now - since).total_seconds())
    if seconds >= _PRECISE_SECONDS:
        seconds -= seconds % 60
    return span(timedelta(seconds=seconds))


def by_plugin(words: str, namespace: str) -> str:
    """Name our own command where the operator, which cannot know of us, names kubectl's.

    Example:
        >>> by_plugin("try: kubectl annotate cro/web canary-operator.dev/request=retry", "demo")
        'try: kubectl canary retry web -n demo'
    """
    return _ANNOTATE.sub(lambda m: f"kubectl canary {m[2]} {m[1]} -n {namespace}", words)


def images_text(images: Iterable[str], *, short: bool) -> str:
    """Return images in a row; `short` leaves out registries, and most of a digest.

    Example:
        >>> images_text(["example.com/shop/web:v1", "a/b@sha256:0123456789abcdef"], short=True)
        'web:v1, b@sha256:01234567'
    """
    return ", ".join(_short(image) if short else image for image in images)


def _short(image: str) -> str:
    name = image.rpartition("/")[2]
    before, mark, digest = name.partition("@sha256:")
    return before + mark + digest[:_DIGEST_DIGITS]


def clock(moment: datetime) -> str:
    """Return the time of day in UTC, for example `10:41:30Z`."""
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")


def phase_text(phase: Phase | None) -> Text:
    """Return a phase in its colour."""
    if phase is None:
        return Text("Waiting", "muted")
    return Text(phase.value, PHASE_STYLES[phase])


def verdict_sign(verdict: Verdict, glyphs: Glyphs) -> str:
    """Return a sign for a verdict that needs no colour."""
    signs = {Verdict.PASS: glyphs.passed, Verdict.FAIL: glyphs.failed}
    return signs.get(verdict, glyphs.unclear)


def verdict_text(verdict: Verdict, glyphs: Glyphs) -> Text:
    """Return sign and word of a verdict in its colour."""
    return Text(f"{verdict_sign(verdict, glyphs)} {verdict.value}", VERDICT_STYLES[verdict])


def bad_text(requests: Requests | None) -> str:
    """Return how many of some requests were bad, for example `3 of 4,790`; nothing if unknown."""
    return f"{amount(requests.bad)} of {amount(requests.requests)}" if requests else ""


def bar(weight: int, columns: int, glyphs: Glyphs, style: str = "canary") -> Text:
    """Return the canary's share as a bar; a share above nothing shows."""
    filled = round(columns * weight / WHOLE)
    if weight:
        filled = max(1, filled)
    return Text.assemble(
        (glyphs.full * filled, style), (glyphs.empty * (columns - filled), "muted")
    )


def sparkline(points: Sequence[Point], columns: int, glyphs: Glyphs) -> Text:
    """Return the latest values as a line of small bars, each in the colour of its verdict.

    The lowest bar is the smallest value shown, the highest the greatest; a check that measured
    nothing is a gap.
    """
    shown = points[-columns:]
    values = [point.value for point in shown if point.value is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    text = Text()
    for point in shown:
        text.append(_tick(point.value, low, high, glyphs), VERDICT_STYLES[point.verdict])
    return text


def _tick(value: float | None, low: float, high: float, glyphs: Glyphs) -> str:
    if value is None:
        return glyphs.unclear
    top = len(glyphs.ticks) - 1
    if high == low:
        return glyphs.ticks[top]
    return glyphs.ticks[round(top * (value - low) / (high - low))]
