"""Queries to Prometheus: blocking calls of `prometheus-api-client`, away from the event loop."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3.util.retry import Retry

from canary_operator.adapters.metrics.errors import (
    MetricsError,
    OverloadedSourceError,
    QueryOutcome,
    SlowSourceError,
    SparedSourceError,
    UnavailableSourceError,
    UnreadableAnswerError,
)
from canary_operator.adapters.metrics.lanes import BusyLaneError, Runs
from canary_operator.adapters.metrics.pauses import Pauses
from canary_operator.adapters.metrics.session import QuerySession
from canary_operator.domain.istio_telemetry import Row, Series

SERVER_SHARE: Final = 0.8
"""Share of the timeout that Prometheus itself may use; then it says what took too long."""

GRACE_SECONDS: Final = 0.25
"""How much longer than its timeout a call may take until we stop waiting for its thread."""

_Answer = TypeVar("_Answer")

OnQuery: TypeAlias = Callable[[QueryOutcome, float], None]
"""Told how each query ended, and how many seconds it took, its wait for a free place included."""


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """How to reach Prometheus."""

    address: str
    """`http://` or `https://` URL, with a path where Prometheus has one."""
    timeout: timedelta = timedelta(seconds=5)
    """Longest wait for one answer."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    bearer_token_file: Path | None = None
    """Token that is sent with each query; read anew each time."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each query, for example a tenant."""
    in_flight: int = 8
    """Most queries at the same time; at least 4."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if "@" in self.address:
            raise ValueError(
                "The Prometheus address has a user name or a password in it, which would end up "
                "in logs. Send them as a header instead (--prometheus-header Authorization=…), "
                "or a token with --prometheus-bearer-token-file"
            )
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                f"The Prometheus address {self.address!r} is not a URL "
                "such as http://prometheus.monitoring:9090"
            )


class PrometheusClient:
    """Asks Prometheus for numbers at one moment."""

    def __init__(self, settings: PrometheusSettings, on_query: OnQuery) -> None:
        self._seconds = settings.timeout.total_seconds()
        self._on_query = on_query
        self._pauses = Pauses(monotonic)
        self._session = QuerySession(self._seconds, settings.ca_file, settings.bearer_token_file)
        self._connection = PrometheusConnect(
            url=settings.address.rstrip("/"),
            headers=dict(settings.headers),
            retry=Retry(total=0),
            session=self._session,
            method="POST",
        )

    async def query(self, promql: str, at: datetime, lane: Runs) -> list[Row]:
        """Return the vector that `promql` has at `at`; a scalar is a vector of one.

        Raises:
            MetricsError: there is no answer, or none that can be read.
        """
        moment = {"time": f"{at.timestamp():.3f}", "timeout": f"{self._server_milliseconds}ms"}
        return await self._counted(
            lambda: _rows(self._connection.custom_query(promql, params=moment)), lane
        )

    async def query_range(
        self, promql: str, moments: tuple[datetime, datetime], step: timedelta, lane: Runs
    ) -> list[Series]:
        """Return what `promql` was from the first to the last of `moments`, every `step`.

        Raises:
            MetricsError: there is no answer, or none that can be read.
        """
        first, last = moments
        limit = {"timeout": f"{self._server_milliseconds}ms"}
        seconds = f"{step.total_seconds():g}"
        return await self._counted(
            lambda: _series(
                self._connection.custom_query_range(promql, first, last, seconds, params=limit)
            ),
            lane,
        )

    async def _counted(self, ask: Callable[[], _Answer], lane: Runs) -> _Answer:
        began = monotonic()
        try:
            answer = await self._within_time(ask, lane)
        except MetricsError as error:
            self._on_query(error.outcome, monotonic() - began)
            raise
        self._pauses.answered()
        self._on_query(QueryOutcome.ANSWERED, monotonic() - began)
        return answer

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

    async def _within_time(self, ask: Callable[[], _Answer], lane: Runs) -> _Answer:
        self._refuse_in_a_pause()
        try:
            return await lane.run(lambda: self._ask(ask), self._seconds + GRACE_SECONDS)
        except BusyLaneError:
            raise SlowSourceError(
                "Prometheus is too slow: earlier queries still wait for its answer"
            ) from None
        except TimeoutError:
            raise SlowSourceError(self._too_late) from None

    def _refuse_in_a_pause(self) -> None:
        left = self._pauses.left
        if left:
            raise SparedSourceError(
                "Prometheus is overloaded and was not asked; it is asked again in "
                f"{ceil(left.total_seconds())} s"
            )

    def _ask(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            self._refuse_in_a_pause()  # it may have begun while this one waited for its place
            return ask()
        except OverloadedSourceError as error:
            self._pauses.overloaded(error.retry_after)  # before another one gets this one's place
            raise
        except requests.Timeout:
            raise SlowSourceError(self._too_late) from None
        except requests.RequestException as error:
            raise UnavailableSourceError(_reason(error)) from None
        except OSError:
            raise UnavailableSourceError("the CA file for Prometheus cannot be read") from None
        except (ValueError, LookupError, TypeError):
            raise UnreadableAnswerError("Prometheus' answer cannot be read") from None

    @property
    def _too_late(self) -> str:
        return f"Prometheus did not answer within {self._seconds:g} s"

    @property
    def _server_milliseconds(self) -> int:
        return max(1, round(self._seconds * SERVER_SHARE * 1000))


def _rows(result: list[Any]) -> list[Row]:
    match result:
        case [int() | float(), str() as value]:
            return [Row({}, float(value))]
        case _:
            return [Row(item["metric"], float(item["value"][1])) for item in result]


def _series(result: list[Any]) -> list[Series]:
    return [
        Series(
            dict(item["metric"]),
            [(float(moment), float(value)) for moment, value in item["values"]],
        )
        for item in result
    ]


def _reason(error: requests.RequestException) -> str:
    """Say in our words why the connection failed; the library's text has the whole address."""
    match _deepest(error):
        case ssl.SSLCertVerificationError():
            return "Prometheus' certificate was not accepted; is its CA configured?"
        case ssl.SSLError():
            return "no TLS connection to Prometheus; is its address http:// rather than https://?"
        case OSError(strerror=str() as detail):
            return f"Prometheus cannot be reached ({detail.lower()})"
        case _:
            return "Prometheus cannot be reached (no connection)"


def _deepest(error: BaseException) -> BaseException:
    """Return what the error came from in the end."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
