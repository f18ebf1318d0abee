from datetime import timedelta

import pytest

from canary_operator.domain.promql import (
    VARIABLES,
    QueryTemplateError,
    duration,
    escape,
    one_of,
    quoted,
    render_query,
    template_variables,
)

VALUES = {
    "namespace": "demo",
    "name": "web",
    "canary": "web-canary",
    "stable": "web-stable",
    "service": "web.demo.svc.cluster.local",
    "window": "60s",
}
KNOWN = ", ".join(f"{{{{ {name} }}}}" for name in VARIABLES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web-canary", "web-canary"),
        ("web.demo.svc.cluster.local", "web.demo.svc.cluster.local"),
        ('a"b', r"a\U00000022b"),
        ("a'b`c", r"a\U00000027b\U00000060c"),
        ("a\\b", r"a\U0000005cb"),
        ("a\nb", r"a\U0000000ab"),
        ("é", r"\U000000e9"),
    ],
)
def test_a_value_cannot_leave_its_string(value: str, expected: str) -> None:
    assert expected == escape(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("web", '"web"'), ('a"b', r'"a\"b"'), ("a\\d", r'"a\\d"'), ("a\nb", r'"a\nb"')],
)
def test_strings(value: str, expected: str) -> None:
    assert expected == quoted(value)


def test_alternatives_are_literal_sorted_and_unique() -> None:
    assert one_of(["b.c", "a+b", "b.c"]) == r'"a\\+b|b\\.c"'


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=60), "60s"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(hours=2), "7200s"),
    ],
)
def test_durations(length: timedelta, expected: str) -> None:
    assert expected == duration(length)


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        pytest.param("vector(1)", "vector(1)", id="no variable"),
        pytest.param(
            'rate(carts{app="{{ canary }}",ns="{{namespace}}"}[{{ window }}])',
            'rate(carts{app="web-canary",ns="demo"}[60s])',
            id="variables with and without spaces",
        ),
        pytest.param(
            'a{s="{{ service }}"} / a{s=~"{{ stable }}|{{  name  }}"}',
            'a{s="web.demo.svc.cluster.local"} / a{s=~"web-stable|web"}',
            id="all the others",
        ),
        pytest.param('a{b=~"x{2}"}', 'a{b=~"x{2}"}', id="braces of PromQL stay"),
    ],
)
def test_templates(promql: str, expected: str) -> None:
    assert expected == render_query(promql, VALUES)


def test_values_are_escaped_in_templates() -> None:
    hostile = {**VALUES, "canary": 'x"} or vector(0) #'}
    rendered = render_query('a{b="{{ canary }}"}', hostile)
    assert rendered.count('"') == 2


def test_the_variables_of_a_template() -> None:
    used = template_variables('a{b="{{ canary }}",c="{{ canary }}"}[{{ window }}]')
    assert used == {"canary", "window"}


@pytest.mark.parametrize(
    ("promql", "complaint"),
    [
        ("a{b='{{ revision }}'}", f"unknown variable {{{{ revision }}}}; known are {KNOWN}"),
        ("a{b='{{ canary'}", f'"{{{{ canary\'}}" is not a placeholder; known are {KNOWN}'),
        ("{{ canary | upper }}", "'{{ canary | upper }}' is not a placeholder; known"),
        ("{{ }}", f"'{{{{ }}}}' is not a placeholder; known are {KNOWN}"),
    ],
)
def test_templates_that_cannot_be_filled(promql: str, complaint: str) -> None:
    with pytest.raises(QueryTemplateError) as caught:
        render_query(promql, VALUES)
    assert complaint in str(caught.value)
    assert isinstance(caught.value, ValueError)
