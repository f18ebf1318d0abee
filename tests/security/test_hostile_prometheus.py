"""A Prometheus that means harm, or a login page in its place, against the operator's own process.

Each rollout has a query of its own, and gets an answer of its own kind. What they leave behind in
status, Events and the debug log is looked through as a whole.
"""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from canary_operator.playground.client import APPLY, Manifest
from canary_operator.playground.local import ROLLOUTS
from canary_operator.playground.operator_process import OperatorProcess
from tests.adapters.metrics.pretender import (
    Asked,
    Pretender,
    Reply,
    by_promql,
    failure,
    http,
    sample,
    success,
)
from tests.support.bed import EVENTS, condition, open_cluster, quick_spec, template
from tests.support.clusters import DEFINITION_FOLDERS, Cluster, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("hostile")]

BODY = "b0dy-s3cret"
TOKEN = "t0ken-s3cret"
HEADER = "h3ader-s3cret"
SECRETS = (BODY, TOKEN, HEADER)

LONGEST_MESSAGE = 1024
LONGEST_LOG_LINE = 4096
MOST_MEMORY_KB = 400_000
"""Less than a bomb, and than the chart's limit. How many answers meet depends on the machine."""
PATIENCE_SECONDS = 90.0


@cache
def compressed(layers: int) -> bytes:
    """Return half a gigabyte of blanks, compressed again and again."""
    packer = zlib.compressobj(9, wbits=31)
    megabyte = b" " * (1 << 20)
    packed = b"".join(packer.compress(megabyte) for _ in range(512)) + packer.flush()
    for _ in range(layers - 1):
        packed = gzip.compress(packed, 9)
    return packed


def bomb(layers: int) -> Reply:
    body = compressed(layers)
    encoding = ", ".join(["gzip"] * layers)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"

    async def reply(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + body)
        await writer.drain()

    return reply


async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Send a body that never ends, a byte now and then."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + BODY.encode())
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


def attacks(elsewhere: str) -> dict[str, tuple[Reply, str]]:
    """Return what is answered, and what people are told; `elsewhere` is where redirects lead."""
    moved = {"Location": f"{elsewhere}/{BODY}"}
    page = f"<html><script>{BODY}</script></html>"
    two = [sample("1", secret=BODY, pod="a"), sample("1", secret=BODY, pod="b")]
    return {
        "error_page": (http("500 Internal Server Error", page), "HTTP 500 (Internal Server Error)"),
        "login_page": (http("200 OK", page), "does not speak Prometheus' API"),
        "status_line": (http(f"599 {BODY}", ""), "HTTP 599 (unknown status)"),
        "other_json": (http("403 Forbidden", f'{{"error": "{BODY}"}}'), "HTTP 403 (Forbidden)"),
        "found": (http("302 Found", BODY, **moved), "HTTP 302 (Found)"),
        "redirected": (http("307 Temporary Redirect", BODY, **moved), "HTTP 307"),
        "moved_for_good": (http("308 Permanent Redirect", BODY, **moved), "HTTP 308"),
        "asked_to_log_in": (
            http("401 Unauthorized", BODY, WWW_Authenticate=f'Basic realm="{BODY}"'),
            "HTTP 401 (Unauthorized)",
        ),
        "second_line": (failure("422 X", f"first line\n{BODY}"), "query: first line"),
        "megabyte": (failure("422 X", "x" * (1 << 20)), "query: xxxxx"),
        "controls": (failure("422 X", "a\x1b[2J\x00\u202eb\x07"), "query: a[2Jb"),
        "labels": (success(two), "the query gave 2 series"),
        "no_number": (success([sample(BODY)]), "cannot be read"),
        "dripping": (drip, "did not answer within 5 s"),
        "bomb": (bomb(1), "larger than 32 MB"),
        "double_bomb": (bomb(2), "larger than 32 MB"),
    }


@dataclass(frozen=True)
class Aftermath:
    """What is left when every answer has been given."""

    statuses: dict[str, Manifest]
    events: list[Manifest]
    log: str
    prometheus: Pretender
    elsewhere: Pretender
    peak_memory_kb: int


def rollout(namespace: str, name: str, version: str) -> Manifest:
    metric = {"name": "own", "query": {"promql": f"{name.replace('-', '_')}()", "max": 1}}
    analysis = {"interval": "5s", "window": "1s", "metrics": [metric]}
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": name, "namespace": namespace},
        "spec": quick_spec(template=template(version), analysis=analysis),
    }


async def judged(cluster: Cluster, namespace: str, name: str) -> Manifest:
    """Release a version, and return the status when its first check has been made."""

    async def apply(version: str) -> None:
        body = rollout(namespace, name, version)
        await cluster.client.patch(
            ROLLOUTS, name, body, namespace, ctype=APPLY, fieldManager="kubectl"
        )

    async def status() -> Manifest:
        return (await cluster.client.get(ROLLOUTS, name, namespace)).get("status") or {}

    async def serves() -> bool:
        return condition(await status(), "Ready")["status"] == "True"

    async def checked() -> Manifest | None:
        now = await status()
        return now if now.get("metrics") else None

    await apply("v1")
    await eventually(serves, PATIENCE_SECONDS)
    await apply("v2")
    return await eventually(checked, PATIENCE_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    folder = tmp_path_factory.mktemp("hostile")
    token, log = folder / "token", folder / "operator.log"
    token.write_text(TOKEN)
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(Pretender(success([sample("0")])))
        replies = {word: reply for word, (reply, _) in attacks(elsewhere.url).items()}
        reply = by_promql({f"{word}()": one for word, one in replies.items()}, success([]))
        prometheus = await stack.enter_async_context(Pretender(reply))
        cluster = await stack.enter_async_context(open_cluster(folder, *DEFINITION_FOLDERS))
        flags = [
            "--log-level=debug",
            "--prometheus-timeout=5s",
            f"--prometheus-bearer-token-file={token}",
            f"--prometheus-header=X-Scope-OrgID={HEADER}",
        ]
        process = OperatorProcess(cluster.kubeconfig, prometheus.url, log, flags)
        operator = await stack.enter_async_context(process)
        namespace = await cluster.namespace()
        names = [word.replace("_", "-") for word in replies]
        found = await asyncio.gather(*(judged(cluster, namespace, name) for name in names))
        peak = peak_memory_kb(operator.pid)
        events = (await cluster.client.list(EVENTS, namespace))["items"]
        await operator.stop()
        statuses = dict(zip(replies, found, strict=True))
        yield Aftermath(statuses, events, log.read_text(), prometheus, elsewhere, peak)


def peak_memory_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def texts(value: Any) -> Iterator[str]:
    """Yield every string in JSON-like data."""
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from texts(one)
        case list():
            for one in value:
                yield from texts(one)


@pytest.mark.parametrize("attack", attacks(""))
async def test_a_hostile_answer_is_told_in_our_words_and_decides_nothing(
    aftermath: Aftermath, attack: str
) -> None:
    _, words = attacks("")[attack]
    status = aftermath.statuses[attack]
    [metric] = status["metrics"]
    assert words in metric["message"]
    assert metric["verdict"] == "Inconclusive"
    assert status["failedChecks"] == 0


async def test_no_body_token_or_header_is_left_anywhere(aftermath: Aftermath) -> None:
    left = [*texts(aftermath.statuses), *texts(aftermath.events), aftermath.log]
    assert [(secret, text) for secret in SECRETS for text in left if secret in text] == []


async def test_what_is_left_is_bounded_and_harmless(aftermath: Aftermath) -> None:
    people_read = [*texts(aftermath.statuses), *texts(aftermath.events)]
    assert [text for text in people_read if len(text) > LONGEST_MESSAGE] == []
    assert [text for text in people_read if not text.isprintable()] == []
    lines = aftermath.log.splitlines()
    assert lines, "the operator logs what it does"
    assert [line[:200] for line in lines if len(line) > LONGEST_LOG_LINE] == []
    assert [line for line in lines if not line.isprintable()] == []


async def test_no_redirect_is_followed_and_credentials_go_to_the_configured_address_only(
    aftermath: Aftermath,
) -> None:
    assert aftermath.elsewhere.asked == []
    sent = {
        (asked.headers.get("authorization"), asked.headers.get("x-scope-orgid"))
        for asked in aftermath.prometheus.asked
    }
    assert sent == {(f"Bearer {TOKEN}", HEADER)}


async def test_bombs_cost_little_memory(aftermath: Aftermath) -> None:
    assert aftermath.peak_memory_kb < MOST_MEMORY_KB
