"""Words of HTTP in a spec, as Istio's webhook and Envoy take them.

The schema of a VirtualService lets more through than the webhook, and not every cluster runs that.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from canary_operator.domain.durations import parse_duration
from canary_operator.domain.re2 import LONGEST, RegexError, check_regex
from canary_operator.domain.spec.kind import Kind
from canary_operator.domain.spec.kinds import MONTH, duration, matches, text

HEADER_NAME = "^[-!#%&*+.^_|~0-9A-Za-z]+$"
"""Names of headers (RFC 9110), without quotes and the dollar sign."""

MOST_ENTRIES = 20
"""Headers, parameters or labels in one place."""

_PSEUDO_HEADERS = frozenset({":authority", ":method", ":path", ":scheme"})
_OF_THE_HOST = frozenset({":authority", "host"})
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_LABEL = re.compile("([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 256
_LONGEST_PREFIX = 253


def expression() -> Kind:
    """Return the kind of regular expressions that Envoy matches with."""

    def why_not(value: Any) -> str | None:
        try:
            check_regex(value)
        except RegexError as error:
            return str(error)
        return None

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value or why_not(value):
            raise ValueError(value)
        return value

    return Kind(
        message=f"must be a regular expression as RE2 reads it (1 to {LONGEST} bytes)",
        read=read,
        schema={"type": "string", "minLength": 1, "maxLength": LONGEST},
        advice=lambda value: why_not(value) if isinstance(value, str) and value else None,
    )


def _name(form: str, allowed: Callable[[str], bool]) -> Kind:
    """Return the kind of keys of a map, which only the operator can check."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not allowed(value):
            raise ValueError(value)
        return value

    return Kind(message=f"must be {form}", read=read, schema={"type": "string"})


def _is_token(name: str) -> bool:
    return matches(HEADER_NAME, name)


def matched_header() -> Kind:
    """Return the kind of headers that a condition looks at."""
    return _name(
        "the name of a header, such as x-company or :method",
        lambda name: name in _PSEUDO_HEADERS or _is_token(name),
    )


def request_header() -> Kind:
    """Return the kind of headers that a route may set in a request."""
    return _name(
        "the name of a header, such as x-company; of those that begin with a colon only :authority",
        lambda name: name == ":authority" or _is_token(name),
    )


def response_header() -> Kind:
    """Return the kind of headers that a route may set in a response, or remove."""
    return _name("the name of a header other than host, such as x-company", _is_plain_header)


def _is_plain_header(name: str) -> bool:
    return _is_token(name) and not is_host(name)


def is_host(name: str) -> bool:
    """Whether a header says which host is meant."""
    return name.lower() in _OF_THE_HOST


def removed_header() -> Kind:
    """Return the kind of headers that a route may remove."""
    form = "the name of a header other than host, such as x-company"
    kind = text(form, _LONGEST_NAME, HEADER_NAME)
    return Kind(
        message=kind.message,
        read=lambda value: kind.read(value if _not_host(value) else None),
        schema=kind.schema,
        cel=f"{kind.cel} && self.lowerAscii() != 'host'",
    )


def _not_host(value: Any) -> bool:
    return not isinstance(value, str) or not is_host(value)


def header_value() -> Kind:
    """Return the kind of values that a route may set a header to."""

    def read(value: Any) -> str:
        fits = isinstance(value, str) and len(value) <= LONGEST
        if not fits or _CONTROLS.search(value) or not variables_are_closed(value):
            raise ValueError(value)
        return str(value)

    return Kind(
        message=f"must be the value of a header (at most {LONGEST} characters), in which %NAME% is "
        "a variable of Envoy and %% a percent sign",
        read=read,
        schema={"type": "string", "maxLength": LONGEST},
    )


_VARIABLE = re.compile(r'%%|%[^%(]+(\( *[^][()"\\ ][^()"\\]*\) *)?%')


def variables_are_closed(value: str) -> bool:
    """Whether every percent sign belongs to a variable or to another percent sign.

    Example:
        >>> [variables_are_closed(one) for one in ("100%%", "%REQ(:path)%", "100%", "%A()%")]
        [True, True, False, False]
    """
    return "%" not in _VARIABLE.sub("", value)


def label_key() -> Kind:
    """Return the kind of keys of labels."""

    def allowed(value: str) -> bool:
        prefix, slash, name = value.rpartition("/")
        named = name != "" and _LABEL.fullmatch(name) is not None
        prefixed = _PREFIX.fullmatch(prefix) is not None and len(prefix) <= _LONGEST_PREFIX
        return named and (not slash or prefixed)

    return _name("the key of a label, such as app or example.com/team", allowed)


def label_value() -> Kind:
    """Return the kind of values of labels."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or _LABEL.fullmatch(value) is None:
            raise ValueError(value)
        return value

    pattern = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
    return Kind(
        message="must be the value of a label: letters, digits, and -, _ or . inside (at most 63 "
        "characters)",
        read=read,
        schema={"type": "string", "maxLength": 63, "pattern": pattern},
        cel=f"self.matches('{pattern}')",
    )


def anything(most: int) -> Kind:
    """Return the kind of all texts, also the empty one, up to a length."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise ValueError(value)
        return value

    return Kind(
        message=f"must be a text (at most {most} characters)",
        read=read,
        schema={"type": "string", "maxLength": most},
    )


def parameter() -> Kind:
    """Return the kind of names of query parameters."""
    return _name("the name of a query parameter", lambda name: not _CONTROLS.search(name))


def whole_seconds() -> Kind:
    """Return the kind of durations of whole seconds."""
    pattern = "^([0-9]{1,6}(h|m|s))+$"
    longer = duration(parse_duration("1s"), MONTH)

    def read(value: Any) -> Any:
        length = longer.read(value)
        if length.microseconds or (isinstance(value, str) and not matches(pattern, value)):
            raise ValueError(value)
        return length

    return Kind(
        message="must be a duration of whole seconds such as 30s or 24h, from 1s to 720h",
        read=read,
        schema={**longer.schema, "pattern": pattern},
        cel=f"self.matches('{pattern}') && duration(self) >= duration('1s') && "
        "duration(self) <= duration('720h')",
        write=longer.write,
    )


def without_nulls(value: Any) -> Any:
    """Drop entries of a map that are null, as the API server does."""
    if not isinstance(value, Mapping):
        return value
    return {key: item for key, item in value.items() if item is not None}


FEW = (Field(max_length=MOST_ENTRIES), BeforeValidator(without_nulls))
"""What every map of a spec has in common."""

Words = Annotated[str, text("a text", LONGEST)]
