"""String formats that a schema may ask for; an unknown format accepts everything."""

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime
from urllib.parse import urlsplit

GO_DURATION = re.compile(
    r"[-+]?(0|(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)(?:(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w))*)"
)
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})")
HOSTNAME = re.compile(
    r"([a-zA-Z0-9]([-a-zA-Z0-9]{0,62}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,62}[a-zA-Z0-9])?)*\.?"
)
WORDY_UNIT = re.compile(r"(ns|us|µs|ms|[smhdw]|wk|hr)$|nano|micro|milli|sec|min|hour|day|week")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3,
    "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0,
}  # fmt: skip


def _reads(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _date_time(text: str) -> bool:
    return DATE_TIME.fullmatch(text) is not None and _reads(datetime.fromisoformat)(text)


def _duration(text: str) -> bool:
    """Accept Go's durations, and like the real server also `5 minutes`."""
    if GO_DURATION.fullmatch(text):
        return True
    return any(WORDY_UNIT.match(unit.lower()) for unit in re.findall(r"\d+\s*([A-Za-zµ]+)", text))


def _uri(text: str) -> bool:
    return bool(urlsplit(text).scheme or text.startswith("/"))


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": _reads(date.fromisoformat),
    "duration": _duration,
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "cidr": lambda text: "/" in text and _reads(ipaddress.ip_interface)(text),
    "hostname": lambda text: HOSTNAME.fullmatch(text) is not None,
    "email": lambda text: EMAIL.fullmatch(text) is not None,
    "uri": _uri,
    "uuid": _reads(uuid.UUID),
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
}


def is_of_format(text: str, name: str) -> bool:
    """Tell whether `text` has the format `name`."""
    check = FORMATS.get(name.replace("_", "-"))
    return check is None or check(text)


def duration_seconds(text: str) -> float:
    """Read a Go duration such as `1m30s`.

    Raises:
        ValueError: `text` is no duration.

    Example:
        >>> duration_seconds("1m30s")
        90.0
    """
    if not GO_DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 1m30s")
    sign = -1 if text.startswith("-") else 1
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)", text)
    return sign * sum(float(number) * UNITS[unit] for number, unit in parts)
