"""Values on the command line: what they become, and what a wrong one is told."""

from datetime import timedelta
from typing import Any

import click
import pytest

from canary_operator.cli.options import (
    Header,
    ListenAddress,
    custom_query_namespaces,
    sorted_unique,
)
from canary_operator.parameters import Duration


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Duration(), "5s", timedelta(seconds=5)),
        (Duration(), "1m30s", timedelta(seconds=90)),
        (Duration(), "250ms", timedelta(milliseconds=250)),
        (Duration(), "1.5h", timedelta(minutes=90)),
        (Duration(), timedelta(seconds=1), timedelta(seconds=1)),
        (Header(), "X-Scope-OrgID=demo", ("X-Scope-OrgID", "demo")),
        (Header(), "Authorization=Basic a2V5=", ("Authorization", "Basic a2V5=")),
        (Header(), " X = y ", ("X", "y")),
        (Header(), "X=", ("X", "")),
        (ListenAddress(), ":8080", ("", 8080)),
        (ListenAddress(), "127.0.0.1:0", ("127.0.0.1", 0)),
        (ListenAddress(), "[::1]:65535", ("::1", 65535)),
        (ListenAddress(), "", None),
    ],
)
def test_a_value_is_read(kind: click.ParamType[Any], text: Any, expected: Any) -> None:
    assert kind.convert(text, None, None) == expected


@pytest.mark.parametrize(
    ("kind", "text", "example"),
    [
        (Duration(), "5", "5s or 1m30s"),
        (Duration(), "5 minutes", "5s or 1m30s"),
        (Duration(), "-5s", "5s or 1m30s"),
        (Duration(), "", "5s or 1m30s"),
        (ListenAddress(), "8080", "[HOST]:PORT"),
        (ListenAddress(), ":http", "[HOST]:PORT"),
        (ListenAddress(), ":65536", "[HOST]:PORT"),
        (ListenAddress(), ":-1", "[HOST]:PORT"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_right(
    kind: click.ParamType[Any], text: str, example: str
) -> None:
    with pytest.raises(click.BadParameter) as refused:
        kind.convert(text, None, None)
    assert repr(text) in refused.value.message
    assert example in refused.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("all", None), ("none", ()), ("a", ("a",)), ("a, b,", ("a", "b")), (" all ", None)],
)
def test_who_may_use_queries(text: str, expected: Any) -> None:
    assert custom_query_namespaces(text) == expected


def test_repeated_values_count_once() -> None:
    assert sorted_unique(("b", "a", "b")) == ("a", "b")


@pytest.mark.parametrize("text", ["s3cret", "=s3cret", " =s3cret"])
def test_a_wrong_header_is_refused_without_repeating_what_may_be_a_secret(text: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        Header().convert(text, None, None)
    assert "NAME=VALUE" in refused.value.message
    assert "s3cret" not in refused.value.message


def test_headers_of_the_environment_stand_one_on_each_line() -> None:
    text = "Authorization=Bearer a b\n\nX-Scope-OrgID=demo\n"
    assert Header().split_envvar_value(text) == ["Authorization=Bearer a b", "X-Scope-OrgID=demo"]
