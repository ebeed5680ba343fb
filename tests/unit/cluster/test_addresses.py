import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.addresses import Addresses

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
TEST_NETWORKS = ipaddress.ip_network("198.18.0.0/15")


@given(NAMES)
def test_the_same_name_always_stands_for_the_same_addresses(name: str) -> None:
    assert Addresses.of(name) == Addresses.of(name)


@given(NAMES)
def test_a_cluster_takes_no_address_outside_the_networks_set_aside_for_tests(name: str) -> None:
    addresses = Addresses.of(name)
    for network in (addresses.pods, addresses.services, addresses.link):
        assert ipaddress.ip_network(network).subnet_of(TEST_NETWORKS)  # type: ignore[arg-type]


@given(NAMES)
def test_pods_services_and_the_link_never_share_an_address(name: str) -> None:
    addresses = Addresses.of(name)
    pods, services, link = map(ipaddress.ip_network, (addresses.pods, addresses.services, addresses.link))
    assert not pods.overlaps(services)
    assert not pods.overlaps(link)
    assert not services.overlaps(link)


@given(NAMES)
def test_linux_accepts_the_interface_names(name: str) -> None:
    addresses = Addresses.of(name)
    assert len(addresses.host_link) <= 15
    assert len(addresses.node_link) <= 15
    assert addresses.host_link != addresses.node_link


def test_a_demo_and_a_test_run_have_nothing_in_common() -> None:
    demo, test = Addresses.of("dev"), Addresses.of("test")
    assert demo.slot != test.slot
    assert not ipaddress.ip_network(demo.services).overlaps(ipaddress.ip_network(test.services))


def test_the_machine_and_the_node_are_the_two_ends_of_one_link() -> None:
    addresses = Addresses.of("dev")
    ends = [str(address) for address in ipaddress.ip_network(addresses.link).hosts()]
    assert ends == [addresses.host, addresses.node]


@pytest.mark.parametrize("name", ["", "Dev", "1st", "-dev", "dev-", "a/b", "../dev", "a" * 21, "dev\n"])
def test_a_name_that_is_no_short_label_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="DNS label"):
        Addresses.of(name)
