import ipaddress

import pytest

from avouch import destinations, errors
from avouch.destinations import Destinations

PUBLIC = [
    "8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip
PRIVATE = [
    "0.0.0.1", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.1.1",
    "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "233.252.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:224.0.0.1",
    "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1",
    "64:ff9b:1::808:808", "100::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::", "2001:0:808:808:0:0:f5ff:fffe",
    "3fff::1", "5f00::1", "fc00::1", "fd00::808:808", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip


def allowed(text: str, host: str, address: str, **change: bool) -> bool:
    found = Destinations.parse(text, "AVOUCH_DESTINATIONS")
    try:
        (found.listed() if change else found).check(host, ipaddress.ip_address(address))
    except errors.Denied:
        return False
    return True


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_is_public(text: str):
    assert destinations.is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_no_other_address_is_public(text: str):
    assert not destinations.is_public(ipaddress.ip_address(text))


def test_public_addresses_are_open_to_all_and_others_to_nobody_by_default():
    assert allowed("", "hooks.example", "8.8.8.8")
    assert not allowed("", "hooks.example", "10.1.2.3")


@pytest.mark.parametrize(
    ("text", "host", "address", "yes"),
    [
        ("10.1.0.0/16", "any.example", "10.1.2.3", True),
        ("10.1.2.3", "any.example", "10.1.2.3", True),
        ("10.1.0.0/16", "any.example", "10.2.2.3", False),
        ("10.1.0.0/16", "any.example", "::ffff:10.1.2.3", True),
        ("fd00:1::/32", "any.example", "fd00:1::5", True),
        ("127.0.0.0/8", "localhost", "127.0.0.1", True),
        ("minio.storage.svc", "minio.storage.svc", "10.1.2.3", True),
        ("minio.storage.svc", "MINIO.storage.svc.", "10.1.2.3", True),
        ("minio.storage.svc", "evil.minio.storage.svc", "10.1.2.3", False),
        ("minio.storage.svc", "xminio.storage.svc", "10.1.2.3", False),
        ("*.corp.example", "git.corp.example", "10.1.2.3", True),
        ("*.corp.example", "a.git.corp.example", "10.1.2.3", True),
        ("*.corp.example", "corp.example", "10.1.2.3", False),
        ("*.corp.example", "evilcorp.example", "10.1.2.3", False),
        ("a.example, b.example 10.0.0.0/8", "b.example", "192.168.0.1", True),
    ],
)
def test_the_operator_lists_hosts_and_networks(text: str, host: str, address: str, yes: bool):
    assert allowed(text, host, address) is yes


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "0.0.0.1",
        "224.0.0.1",
        "::ffff:127.0.0.1",
        "::",
        "ff02::1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_a_listed_name_never_leads_to_the_machine_itself_or_to_metadata(address: str):
    assert not allowed("*.corp.example", "evil.corp.example", address)


def test_what_is_not_encrypted_goes_nowhere_but_where_it_is_listed():
    assert not allowed("", "registry.example", "8.8.8.8", listed=True)
    assert allowed("registry.example", "registry.example", "8.8.8.8", listed=True)
    assert allowed("8.8.8.0/24", "registry.example", "8.8.8.8", listed=True)


def test_an_address_inside_is_not_told_to_who_may_not_go_there():
    with pytest.raises(errors.Denied) as raised:
        destinations.PUBLIC.check("db.internal", ipaddress.ip_address("10.1.2.3"))
    assert "10.1.2.3" not in str(raised.value)
    assert "(fix: ask who runs avouch to list it under destinations" in str(raised.value)


@pytest.mark.parametrize(
    "text", ["http://a.example", "a.example/path", "10.0.0.0/99", "*", "a..b", "a.*", "ä.example", "a:443"]
)
def test_what_is_neither_host_nor_network_stops_the_process(text: str):
    with pytest.raises(errors.Invalid, match="neither a host nor a network") as raised:
        Destinations.parse(text, "AVOUCH_DESTINATIONS")
    assert raised.value.field == "AVOUCH_DESTINATIONS"
