from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.durations import format_duration, parse_duration, suggest_duration

MONTH = timedelta(days=30)


@given(st.timedeltas(timedelta(), MONTH))
def test_what_is_written_is_read_back_exactly(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "duration", "shortest"),
    [
        ("0s", timedelta(), "0s"),
        ("500ms", timedelta(milliseconds=500), "500ms"),
        ("0.5s", timedelta(milliseconds=500), "500ms"),
        ("30s", timedelta(seconds=30), "30s"),
        ("60s", timedelta(minutes=1), "1m"),
        ("1m30s", timedelta(seconds=90), "1m30s"),
        ("30s1m", timedelta(seconds=90), "1m30s"),
        ("1.5h", timedelta(minutes=90), "1h30m"),
        ("1h0m5s", timedelta(seconds=3605), "1h5s"),
        ("1.25s", timedelta(milliseconds=1250), "1.25s"),
        ("0.001ms", timedelta(microseconds=1), "0.001ms"),
        ("2s0.5ms", timedelta(seconds=2, microseconds=500), "2s0.5ms"),
    ],
)
def test_a_duration(text: str, duration: timedelta, shortest: str) -> None:
    assert parse_duration(text) == duration
    assert format_duration(duration) == shortest


def test_a_negative_duration_is_written_with_a_sign() -> None:
    assert format_duration(timedelta(seconds=-90)) == "-1m30s"


@pytest.mark.parametrize(
    "text",
    ["", "5", "5 minutes", "5d", "-5s", "+5s", ".5s", "5.s", "5s\n", "\u0665s", "1h" * 11],
)
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write it such as 30s, 1m30s or 2h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5 minutes", "5m"),
        ("5 Min", "5m"),
        ("90 sec", "90s"),
        ("1 hour", "1h"),
        ("2 hrs", "2h"),
        ("2d", "48h"),
        ("100 milliseconds", "100ms"),
        (30, "30s"),
        (-30, None),
        (True, None),
        ("soon", None),
        ("1h 30m", None),
    ],
)
def test_what_was_probably_meant(written: object, meant: str | None) -> None:
    assert suggest_duration(written) == meant
