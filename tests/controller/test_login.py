"""kopf logs in with what our own client found."""

from typing import Any

import pytest
from kubernetes.aio.client.configuration import Configuration

from canary_operator.controller.login import connection_info, login_with
from canary_operator.controller.tracing import trace


def configuration(token: str | None = None, prefix: str | None = None) -> Any:
    found: Any = Configuration(host="https://api.example:6443")
    if token is not None:
        found.api_key["BearerToken"] = token
    if prefix is not None:
        found.api_key_prefix["BearerToken"] = prefix
    return found


async def log_in(found: Any) -> Any:
    return await connection_info(found)


@pytest.mark.parametrize(
    ("token", "prefix", "expected"),
    [
        pytest.param(None, None, (None, None), id="nobody"),
        pytest.param("abc", None, (None, "abc"), id="a bare token"),
        pytest.param("abc", "Bearer", ("Bearer", "abc"), id="a token with its scheme"),
        pytest.param("Bearer abc", None, ("Bearer", "abc"), id="a whole header"),
    ],
)
async def test_who_we_are(token: str | None, prefix: str | None, expected: Any) -> None:
    info = await log_in(configuration(token, prefix))
    assert (info.scheme, info.token) == expected
    assert info.server == "https://api.example:6443"


async def test_trust_and_certificates_are_handed_on() -> None:
    found = configuration()
    found.ssl_ca_cert = "ca.crt"
    found.cert_file, found.key_file = "me.crt", "me.key"
    found.proxy = "http://proxy:3128"
    info = await log_in(found)
    assert (info.ca_path, info.insecure) == ("ca.crt", False)
    assert (info.certificate_path, info.private_key_path) == ("me.crt", "me.key")
    assert info.proxy_url == "http://proxy:3128"


async def test_a_kubeconfig_may_ask_for_no_verification() -> None:
    found = configuration()
    found.verify_ssl = False
    assert (await log_in(found)).insecure


async def test_name_and_password_are_handed_on() -> None:
    found = configuration()
    found.username, found.password = "me", "secret"
    info = await log_in(found)
    assert (info.username, info.password) == ("me", "secret")


class Lookups:
    """Finds one configuration after the other."""

    def __init__(self, *found: Any) -> None:
        self._found = iter(found)

    async def __call__(self) -> Any:
        return next(self._found)


def quiet() -> Any:
    return trace(lambda *_: None, lambda *_: None)


async def test_each_login_looks_again() -> None:
    login = login_with(Lookups(configuration("old"), configuration("new")), quiet())
    sessions = [(await login(logger=None, retry=0)).aiohttp_session for _ in range(2)]
    assert [one.headers["Authorization"] for one in sessions] == ["Bearer old", "Bearer new"]
    for one in sessions:
        await one.close()


async def test_kopf_knows_credentials_that_were_refused_before() -> None:
    """Else it would ask again and again with them, without a pause."""
    login = login_with(Lookups(*map(configuration, ("old", "old", "new"))), quiet())
    first, same, other = [await login(logger=None, retry=0) for _ in range(3)]
    assert (first == same, first == other) == (True, False)
    assert first.aiohttp_session is same.aiohttp_session
    for one in (first, other):
        await one.aiohttp_session.close()


async def test_no_secret_is_in_the_words_for_a_session() -> None:
    session = await login_with(Lookups(configuration("secret")), quiet())()
    assert "secret" not in repr(session)
    await session.aiohttp_session.close()
