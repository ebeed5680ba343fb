import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import errors, proxies

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("exceptions", "host", "port", "covered"),
    [
        ("", "a.example", 443, False),
        ("*", "a.example", 443, True),
        ("a.example", "a.example", 443, True),
        ("A.Example", "a.EXAMPLE", 443, True),
        ("a.example.", "a.example", 443, True),
        (".example", "a.example", 443, True),
        ("*.example", "a.example", 443, True),
        ("*.svc", "minio.storage.svc", 443, True),
        ("example", "a.example", 443, True),
        ("xample", "a.example", 443, False),
        ("b.example", "a.example", 443, False),
        (".", "a.example", 443, False),
        ("x, a.example", "a.example", 443, True),
        ("x a.example", "a.example", 443, True),
        ("a.example:443", "a.example", 443, True),
        ("a.example:8443", "a.example", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 5000, True),
        ("10.1.2.3/8", "10.9.9.9", 5000, True),
        ("11.0.0.0/8", "10.1.2.3", 5000, False),
        ("10.0.0.0/99", "10.1.2.3", 5000, False),
        ("10.0.0.0/8", "a.example", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:443", "10.1.2.3", 443, True),
        ("10.1.2.3:80", "10.1.2.3", 443, False),
        ("2.3", "10.1.2.3", 443, False),
        ("::1", "::1", 443, True),
        ("[::1]", "::1", 443, True),
        ("[::1]", "[::1]", 443, True),
        ("[::1]:5000", "::1", 5000, True),
        ("[::1]:5000", "::1", 443, False),
        ("0:0:0:0:0:0:0:1", "::1", 443, True),
        ("fd00::/8", "fd00::12", 443, True),
        ("fd00::/8", "fe80::12", 443, False),
        ("127.0.0.1,localhost,::1,fd00::/8", "registry.example", 443, False),
        ("[::1,]:x,::1]:,:,[,/,//8,*x", "registry.example", 443, False),
    ],
)
def test_no_proxy_is_read_as_curl_and_go_read_it(exceptions: str, host: str, port: int, covered: bool):
    assert proxies.excepted(exceptions, host, port) is covered


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://proxy.example:3128", "proxy.example", 3128),
        ("proxy.example:3128", "proxy.example", 3128),
        ("http://proxy.example", "proxy.example", 80),
        ("proxy.example", "proxy.example", 80),
        ("  http://proxy.example:3128/\n", "proxy.example", 3128),
        ("http://[fd00::1]:3128", "fd00::1", 3128),
    ],
)
def test_a_proxy_without_port_is_asked_at_port_80(text: str, host: str, port: int):
    assert proxies.of({"HTTPS_PROXY": text}, "a.example", 443) == proxies.Proxy(host, port)


def test_a_user_and_a_password_that_are_percent_encoded_reach_the_proxy_as_they_are():
    found = proxies.of({"HTTPS_PROXY": "http://ann:s%23%2F%40cret@proxy.example:3128"}, "a.example", 443)
    assert found is not None
    assert base64.b64decode(found.authorization.removeprefix("Basic ")) == b"ann:s#/@cret"
    assert "cret" not in repr(found)


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "pa?ss", "#", "1#2"])
def test_a_password_that_ends_the_address_is_to_be_percent_encoded_and_never_shown(password: str):
    with pytest.raises(errors.Invalid, match="percent-encode") as raised:
        proxies.of({"https_proxy": f"http://ann:{password}@proxy.example:3128"}, "a.example", 443)
    assert raised.value.field == "https_proxy"
    assert f":{password}@" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    ["http://", "http://p:xx", "http://p:0", "http://p:99999", "http://[::1", "http://p x:1", "http://" + "a" * 64,
     "http://a..b:1", "http://p:1/path", "http://p:1?x", ":", "//", "http://\x01"],
)  # fmt: skip
def test_what_is_no_address_of_a_proxy_names_its_variable(text: str):
    with pytest.raises(errors.Invalid, match="not the address of a proxy") as raised:
        proxies.of({"HTTPS_PROXY": text}, "a.example", 443)
    assert raised.value.field == "HTTPS_PROXY"


@pytest.mark.parametrize("text", ["socks5://p:1", "https://p:1", "socks5h://p"])
def test_a_proxy_of_another_kind_is_refused(text: str):
    with pytest.raises(errors.Invalid, match="only HTTP proxies"):
        proxies.of({"ALL_PROXY": text}, "a.example", 443)


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({"HTTPS_PROXY": "http://b:1", "https_proxy": "http://a:1"}, "a"),
        ({"HTTPS_PROXY": "http://b:1", "https_proxy": " "}, "b"),
        ({"ALL_PROXY": "http://c:1", "HTTPS_PROXY": "http://b:1"}, "b"),
        ({"ALL_PROXY": "http://c:1"}, "c"),
        ({"HTTP_PROXY": "http://d:1", "http_proxy": "http://d:1"}, None),
        ({"HTTPS_PROXY": "http://b:1", "no_proxy": "x.example"}, None),
        ({"HTTPS_PROXY": "http://b:1", "NO_PROXY": "x.example"}, None),
        ({"HTTPS_PROXY": "http://b:1", "NO_PROXY": "x.example", "no_proxy": "y.example"}, "b"),
        ({"HTTPS_PROXY": "socks5://b:1", "NO_PROXY": "x.example"}, None),
    ],
)
def test_lower_case_comes_first_and_http_proxy_is_for_other_servers(environment: dict[str, str], host: str | None):
    found = proxies.of(environment, "x.example", 443)
    assert (found and found.host) == host


@given(
    st.text(max_size=40),
    st.text(alphabet="[]:/.,*@#?%10afx \t", max_size=40),
    st.sampled_from(["a.b", "::1", "1.2.3.4"]),
)
def test_no_variable_does_more_than_be_refused(proxy: str, exceptions: str, host: str):
    for text in (proxy, exceptions, f"http://{exceptions}"):
        try:
            proxies.of({"HTTPS_PROXY": text, "NO_PROXY": exceptions}, host, 443)
        except errors.Invalid as exc:
            assert exc.field == "HTTPS_PROXY"  # noqa: PT017  either way is right, any other exception is not
