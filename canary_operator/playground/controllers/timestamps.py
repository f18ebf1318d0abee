"""Times as Kubernetes writes them."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time; the only clock of the controllers."""
    return datetime.now(UTC)


def written(moment: datetime) -> str:
    """Return RFC 3339 text in whole seconds, such as `2026-01-31T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime:
    """Return the time that RFC 3339 text names."""
    return datetime.fromisoformat(text)
