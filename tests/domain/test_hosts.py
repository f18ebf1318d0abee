"""Which hosts a rollout may claim, in every spelling that Istio or DNS understands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.errors import HostNotAllowedError
from canary_operator.domain.hosts import check_hosts, check_pattern, normal, own_hosts


def allows(host: str, *patterns: str, domain: str = "cluster.local") -> bool:
    """Tell whether rollout `web` of namespace `shop` may claim a host."""
    own = own_hosts("web", "shop", domain)
    try:
        check_hosts([host], own=own, namespace="shop", allowed=patterns, cluster_domain=domain)
    except HostNotAllowedError:
        return False
    return True


def refusal(host: str, *patterns: str) -> str:
    with pytest.raises(HostNotAllowedError) as refused:
        check_hosts([host], own=frozenset(), namespace="shop", allowed=patterns)
    return refused.value.message


@pytest.mark.parametrize(
    "host",
    ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "WEB.Shop.", "web.shop.svc."],
)
def test_its_own_service_is_always_allowed(host: str) -> None:
    assert allows(host)


BROAD = ("*", "*/*", "*.*", "*.local", "*.cluster.local", "*.svc.cluster.local", "*.svc", "*.pod")
"""Patterns that match the names of Services of every namespace, taken literally."""

FOREIGN_SERVICES = (
    "payments",
    "payments.shop",
    "payments.shop.svc",
    "payments.shop.svc.cluster.local",
    "web-stable",
    "web-canary",
    "kubernetes",
    "web.bank",
    "web.bank.svc",
    "web.bank.svc.cluster",
    "web.bank.svc.cluster.local",
    "WEB.Bank.svc.Cluster.Local",
    "web.bank.svc.cluster.local.",
    "web-0.web.bank",
    "web-0.web.bank.svc",
    "web-0.web.bank.svc.cluster.local",
    "10-0-0-1.bank.pod.cluster.local",
    "web.bank.svc.clusterset.local",
    "bank.svc.cluster.local",
    "svc.cluster.local",
    "cluster.local",
    "10.96.0.10",
)
WILDCARDS = ("*.bank", "*.bank.svc", "*.bank.svc.cluster.local", "*.web.bank", "*.96.0.10")
TOO_BROAD_HOSTS = (
    "*",
    "*.local",
    "*.svc",
    "*.svc.cluster",
    "*.svc.cluster.local",
    "*.cluster",
    "*.cluster.local",
    "*.pod.cluster.local",
    "*.svc.clusterset.local",
)


@pytest.mark.parametrize("host", [*FOREIGN_SERVICES, *WILDCARDS, *TOO_BROAD_HOSTS])
def test_names_of_other_services_need_the_admin_and_no_broad_pattern_opens_them(host: str) -> None:
    assert not allows(host)
    assert not allows(host, *BROAD, *(f"shop/{pattern}" for pattern in BROAD))


@pytest.mark.parametrize("host", FOREIGN_SERVICES)
def test_the_admin_may_name_the_very_service(host: str) -> None:
    assert allows(host, host)
    assert allows(host, f"shop/{host}")
    assert not allows(host, f"bank/{host}")


@pytest.mark.parametrize("host", TOO_BROAD_HOSTS)
def test_what_reaches_every_namespace_cannot_be_allowed_and_the_message_says_so(host: str) -> None:
    assert not allows(host, host)
    message = refusal(host, host)
    assert "reaches Services of every namespace. Name the hosts instead." in message
    assert "--allowed-host" not in message


@pytest.mark.parametrize(
    ("pattern", "opened", "closed"),
    [
        ("shop.example.com", ["shop.example.com"], ["example.com", "a.shop.example.com"]),
        (
            "*.example.com",
            ["shop.example.com", "a.b.example.com", "*.example.com", "*.eu.example.com"],
            ["example.com", "*.com", "example.com.evil.org", "notexample.com", "shop.example.org"],
        ),
        ("shop.example.com", ["SHOP.example.COM."], ["*.shop.example.com"]),
        ("Shop.Example.COM.", ["shop.example.com"], []),
        ("bücher.example", ["xn--bcher-kva.example"], ["bucher.example"]),
        ("*.Bücher.example", ["a.xn--bcher-kva.example"], ["xn--bcher-kva.example"]),
        ("*.local", ["printer.local"], ["a.cluster.local", "web.bank.svc.cluster.local"]),
        ("*.com", ["shop.com", "www.shop.com", "*.com"], ["shop.org"]),
        ("*.bank", ["web.bank", "web-0.web.bank"], ["web.bank.svc", "bank", "web.bonk"]),
        (
            "*.bank.svc.cluster.local",
            ["web.bank.svc.cluster.local", "*.bank.svc.cluster.local"],
            ["web.bank", "web.shop2.svc.cluster.local", "bank.svc.cluster.local"],
        ),
        ("payments", ["payments", "payments.shop.svc.cluster.local"], ["payments.bank", "pay"]),
        ("10.96.0.10", ["10.96.0.10"], ["10.96.0.11"]),
        ("*.96.0.10", [], ["10.96.0.10"]),
        ("shop-[ab].example.com", [], ["shop-a.example.com", "shop-b.example.com"]),
        ("shop?.example.com", [], ["shop1.example.com"]),
        ("shop*.example.com", [], ["shop1.example.com", "shop.example.com"]),
        ("shop.*.com", [], ["shop.example.com", "shop.a.com"]),
        ("a.*", [], ["a.bank", "a.example"]),
    ],
)
def test_a_pattern_opens_what_it_names_and_nothing_beside(
    pattern: str, opened: list[str], closed: list[str]
) -> None:
    assert [host for host in opened if not allows(host, pattern)] == []
    assert [host for host in closed if allows(host, pattern)] == []


def test_a_pattern_counts_in_its_namespace_only() -> None:
    assert allows("a.example.com", "shop/*.example.com")
    assert not allows(
        "a.example.com", "bank/*.example.com", "sho?/*.example.com", "*/a.example.com"
    )


def test_a_cluster_domain_below_a_public_one_is_as_closed() -> None:
    domain = "k8s.example.com"
    assert allows("www.example.com", "*.example.com", domain=domain)
    for host in ("web.bank.svc.k8s.example.com", "*.example.com", "*.k8s.example.com", "*.com"):
        assert not allows(host, "*.example.com", "*.k8s.example.com", "*.com", domain=domain)
    assert allows("web.bank.svc.k8s.example.com", "*.bank.svc.k8s.example.com", domain=domain)


def test_a_refusal_names_the_flag_that_would_allow_it() -> None:
    assert refusal("shop.example.com") == (
        "spec.traffic.istio.hosts: 'shop.example.com' is not allowed in namespace shop. Remove it, "
        "or ask the cluster's admin to start the operator with --allowed-host shop/shop.example.com"
    )


LABEL = st.from_regex("[a-z]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)
NAMESPACES = LABEL.filter(lambda name: name not in {"shop", "svc", "pod", "cluster", "local"})
ENDS = st.sampled_from(["svc", "svc.cluster", "svc.cluster.local", "svc.clusterset.local"])


@given(service=LABEL, namespace=NAMESPACES, end=ENDS, labels=st.lists(LABEL, max_size=4))
def test_no_pattern_without_its_namespace_opens_a_service(
    service: str, namespace: str, end: str, labels: list[str]
) -> None:
    host = f"{service}.{namespace}.{end}"
    pattern = ".".join(["*", *labels, *end.split(".")])
    names_it = labels[-1:] == [namespace]
    assert not allows(host, pattern) or names_it


@given(host=st.lists(LABEL, min_size=2, max_size=5).map(".".join))
def test_what_the_message_says_to_allow_is_allowed(host: str) -> None:
    if not allows(host):
        flag = refusal(host).partition("--allowed-host ")[2]
        check_pattern(flag)
        assert allows(host, flag)


@pytest.mark.parametrize(
    "pattern",
    [
        "shop.example.com",
        "*.example.com",
        "shop/*.example.com",
        "payments",
        "bücher.example",
        "A.b.",
    ],
)
def test_a_value_of_the_flag_is_taken(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "shop/*",
        "*/shop.example.com",
        "sh*/a.example",
        "/shop.example.com",
        "a/b/shop.example.com",
        "shop-[ab].example.com",
        "shop?.example.com",
        "shop.*.com",
        "shop*.example.com",
        "https://shop.example.com",
        "shop.example.com:443",
        "a..b",
        "..",
        "a" * 64 + ".ü" * 60,
    ],
)
def test_a_value_of_the_flag_that_could_surprise_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\*\.example\.com for all hosts below a domain"):
        check_pattern(pattern)


def test_a_host_is_compared_in_one_spelling() -> None:
    assert normal(" Shop.Example.COM. ") == "shop.example.com"
    assert normal("ü" * 80) == "ü" * 80  # too long for DNS: it stays what no host can be
