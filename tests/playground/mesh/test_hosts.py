from typing import Any

from canary_operator.playground.mesh.catalog import Catalog, PortProtocol, Service, ServicePort
from canary_operator.playground.mesh.hosts import gateway_hosts, mesh_hosts
from canary_operator.playground.mesh.matching import Caller
from canary_operator.playground.mesh.series import ServiceIdentity

CALLER = Caller(namespace="playground")


def catalog(services: dict[str, list[ServicePort]], *virtual_services: dict[str, Any]) -> Catalog:
    found = {}
    for name, ports in services.items():
        short, namespace = name.split(".")
        host = f"{name}.svc.cluster.local"
        found[host] = Service(ServiceIdentity(host, short, namespace), tuple(ports))
    return Catalog(found, virtual_services)


def virtual_service(name: str, *hosts: str, gateways: tuple[str, ...] = ()) -> dict[str, Any]:
    destination = {"destination": {"host": name, "port": {"number": 80}}}
    return {
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {
            "hosts": list(hosts),
            "gateways": list(gateways),
            "http": [{"route": [destination]}],
        },
    }


def destinations(hosts: list[dict[str, Any]]) -> dict[str, str]:
    """Return which cluster a request to each name reaches."""
    return {
        domain: host["routes"][0]["route"]["cluster"].removesuffix(".svc.cluster.local")
        for host in hosts
        for domain in host["domains"]
    }


def test_a_service_has_all_its_names_with_and_without_port() -> None:
    assert set(destinations(mesh_hosts(catalog({"web.demo": [ServicePort(80)]}), CALLER))) == {
        name + port
        for name in (
            "web",
            "web.demo",
            "web.demo.svc",
            "web.demo.svc.cluster.local",
            "web.demo.localhost",
        )
        for port in ("", ":*", ":80")
    }


def test_each_port_is_a_destination_and_the_first_is_the_default() -> None:
    found = destinations(
        mesh_hosts(catalog({"web.demo": [ServicePort(80), ServicePort(90)]}), CALLER)
    )
    assert found["web.demo"] == "outbound|80||web.demo"
    assert found["web.demo:*"] == "outbound|80||web.demo"
    assert found["web.demo:90"] == "outbound|90||web.demo"


def test_a_bare_name_means_the_nearest_service() -> None:
    services = {name: [ServicePort(80)] for name in ("web.alpha", "web.playground", "web.zeta")}
    found = destinations(mesh_hosts(catalog(services), CALLER))
    assert found["web"] == "outbound|80||web.playground"
    assert found["web.zeta"] == "outbound|80||web.zeta"


def test_ports_that_are_not_http_are_left_alone() -> None:
    ports = [ServicePort(5432, PortProtocol.OTHER), ServicePort(80)]
    found = destinations(mesh_hosts(catalog({"db.demo": ports}), CALLER))
    assert set(found.values()) == {"outbound|80||db.demo"}
    assert "db.demo" in found


def test_the_oldest_virtual_service_of_a_host_wins() -> None:
    services = {name: [ServicePort(80)] for name in ("web.demo", "old.demo", "new.demo")}
    found = destinations(
        mesh_hosts(
            catalog(services, virtual_service("old", "web"), virtual_service("new", "web")), CALLER
        )
    )
    assert found["web.demo"] == "outbound|80||old.demo"


def test_a_virtual_service_for_gateways_alone_changes_nothing_in_the_mesh() -> None:
    services = {name: [ServicePort(80)] for name in ("web.demo", "other.demo")}
    offered = catalog(services, virtual_service("other", "web", gateways=("demo/edge",)))
    assert destinations(mesh_hosts(offered, CALLER))["web"] == "outbound|80||web.demo"
    assert destinations(gateway_hosts(offered)) == {
        "web.demo.svc.cluster.local": "outbound|80||other.demo"
    }


def test_hosts_that_are_no_services_are_served_too() -> None:
    offered = catalog(
        {"web.demo": [ServicePort(80)]},
        virtual_service("web", "shop.example.com", "*.example.org", gateways=("mesh", "demo/edge")),
    )
    in_mesh = destinations(mesh_hosts(offered, CALLER))
    assert in_mesh["shop.example.com"] == "outbound|80||web.demo"
    assert set(destinations(gateway_hosts(offered))) == {"shop.example.com", "*.example.org"}


def test_no_domain_is_listed_twice() -> None:
    services = {name: [ServicePort(80), ServicePort(90)] for name in ("web.a", "web.b", "web.c")}
    hosts = mesh_hosts(catalog(services, virtual_service("web", "web.a")), CALLER)
    domains = [domain for host in hosts for domain in host["domains"]]
    assert len(domains) == len(set(domains))
