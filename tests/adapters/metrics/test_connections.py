"""How the adapter reaches Prometheus, and what it says where it does not."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from canary_operator.adapters.metrics.prometheus import PrometheusSettings
from canary_operator.domain.status import Verdict
from tests.adapters.metrics.asking import AT, CARTS, SUCCESS_RATE, custom, source
from tests.adapters.metrics.pretender import Pretender, sample, silence, success


async def test_nobody_listens() -> None:
    async with source(silence, address="http://127.0.0.1:9") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message == "success-rate: Prometheus cannot be reached (connection refused)"


async def test_an_unknown_host() -> None:
    async with source(silence, address="http://prometheus.invalid") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message.startswith("success-rate: Prometheus cannot be reached (")
    assert "prometheus.invalid" not in judged.message


async def test_an_https_address_of_a_plain_server() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with source(silence, address=address) as made:
            judged = await made.judge(SUCCESS_RATE)
    assert "is its address http:// rather than https://?" in judged.message


async def test_a_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with Pretender(success([sample("0")]), context) as pretender:
        async with source(silence, address=pretender.url) as made:
            judged = await made.judge(CARTS)
            assert "certificate was not accepted" in judged.message
        async with source(silence, address=pretender.url, ca_file=certificate) as made:
            assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_ca_file_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    async with source(silence, address="https://127.0.0.1:9", ca_file=missing) as made:
        judged = await made.judge(CARTS)
    assert judged.message == "carts: the CA file for Prometheus cannot be read"


async def test_how_a_query_is_sent(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    template = "carts{ns='{{ namespace }}',app='{{ canary }}'}[{{ window }}]"
    headers = {"X-Scope-OrgID": "shop"}
    async with source(success([]), headers=headers, bearer_token_file=token) as made:
        await made.judge(custom(template))
        token.write_text("second")
        await made.judge(custom(template))
    first, second = made.pretender.asked
    assert first.line == "POST /api/v1/query HTTP/1.1"
    assert first.form == {
        "query": "carts{ns='demo',app='web-canary'}[60s]",
        "time": f"{AT.timestamp():.3f}",
        "timeout": "4000ms",
    }
    assert first.headers["x-scope-orgid"] == "shop"
    assert [asked.headers["authorization"] for asked in (first, second)] == [
        "Bearer first",
        "Bearer second",
    ]


async def test_a_token_that_cannot_be_read(tmp_path: Path) -> None:
    async with source(success([]), bearer_token_file=tmp_path / "missing") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message.endswith("the file with the bearer token for Prometheus cannot be read")


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://prometheus", "http://", ""])
def test_an_address_that_is_no_url(address: str) -> None:
    with pytest.raises(ValueError, match="such as http://prometheus"):
        PrometheusSettings(address)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1."""
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made_of = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=prometheus", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(
        [openssl, "req", "-x509", *made_of, *named, *files], check=True, capture_output=True
    )
    return certificate, key
