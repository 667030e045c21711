"""Proxies of the operator and of endpoints: what is taken, and what is refused."""

from __future__ import annotations

import pytest

from tocsin.model.endpoint import Proxy
from tocsin.model.exchange import ProxyTarget
from tocsin.model.secret import Secret
from tocsin.rules.proxies import endpoint_proxy, operators_proxy, password_problem, username_problem


@pytest.mark.parametrize(
    ("text", "kind", "host", "port", "username", "password"),
    [
        ("http://proxy.internal:3128", "http", "proxy.internal", 3128, None, None),
        ("http://proxy.internal:3128/", "http", "proxy.internal", 3128, None, None),
        ("HTTP://Proxy", "http", "proxy", 80, None, None),
        ("socks5://10.0.0.1", "socks5", "10.0.0.1", 1080, None, None),
        ("socks5://[::1]:9050", "socks5", "::1", 9050, None, None),
        ("http://ann:secret@proxy:8080", "http", "proxy", 8080, "ann", "secret"),
        ("http://ann@proxy:8080", "http", "proxy", 8080, "ann", ""),
        ("http://ann:@proxy:8080", "http", "proxy", 8080, "ann", ""),
        ("http://ann:a:b@proxy:8080", "http", "proxy", 8080, "ann", "a:b"),
        ("http://a%40b:%2F%3A%C3%A4%20@proxy:8080", "http", "proxy", 8080, "a@b", "/:\u00e4 "),
        ("socks5://a%3Ab:c@proxy", "socks5", "proxy", 1080, "a:b", "c"),
    ],
)
def test_the_operators(text, kind, host, port, username, password):
    secret = None if password is None else Secret(password)
    assert operators_proxy(text) == ProxyTarget(kind=kind, host=host, port=port, username=username, password=secret)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("proxy:3128", "must begin with http:// or socks5://"),
        ("https://planted@proxy", "must begin with http:// or socks5://"),
        ("socks5h://proxy", "must begin with http:// or socks5://"),
        ("socks4://proxy", "must begin with http:// or socks5://"),
        ("http://", "no host"),
        ("http://ann:planted@", "no host"),
        ("http://proxy:0", "port"),
        ("http://proxy:planted", "port"),
        ("http://proxy/planted", "no path"),
        ("http://proxy?planted", "no path"),
        ("http://proxy/#planted", "fragment"),
        ("http://ann:planted @proxy", "spaces"),
        ("http://127.1:3128", "four decimal numbers"),
        ("http://:planted@proxy", "user name"),
        ("http://a%3Ab:planted@proxy", "no colon"),
        ("http://ann:planted%0D%0AX@proxy", "no control characters"),
        ("http://a%00:planted@proxy", "no control characters"),
        ("http://ann:planted%FF@proxy", "UTF-8"),
        ("socks5://ann@proxy", "needs a password"),
        (f"socks5://ann:{'p' * 256}@proxy", "at most 255 bytes"),
        (f"socks5://{'%C3%A4' * 128}:planted@proxy", "at most 255 bytes"),
    ],
)
def test_the_operators_is_refused(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        operators_proxy(text)
    assert "planted" not in str(caught.value)


def test_an_endpoints():
    assert endpoint_proxy(None) is None
    assert endpoint_proxy("socks5://proxy:1081") == ProxyTarget(kind="socks5", host="proxy", port=1081)
    with_user = Proxy(url="http://proxy", username="ann", password=Secret("secret"))
    assert endpoint_proxy(with_user) == ProxyTarget(
        kind="http", host="proxy", port=80, username="ann", password=Secret("secret")
    )


@pytest.mark.parametrize("url", ["http://ann@proxy", "http://ann:planted@proxy", "http://@proxy"])
def test_an_endpoints_has_its_password_in_a_field_of_its_own(url):
    for setting in (url, Proxy(url=url)):
        with pytest.raises(ValueError, match="into the fields username and password") as caught:
            endpoint_proxy(setting)
        assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "username", "password", "is_good"),
    [
        ("http", "ann", "", True),
        ("http", "ann", "p" * 9000, True),
        ("http", "a:b", "p", False),
        ("http", "", "p", False),
        ("http", "ann\r\nX: y", "p", False),
        ("http", "ann", "p\r\nX: y", False),
        ("http", "ann", "p\x7f", False),
        ("socks5", "a:b", "p", True),
        ("socks5", "ann", "", False),
        ("socks5", "a" * 255, "p" * 255, True),
        ("socks5", "a" * 256, "p", False),
        ("socks5", "ann", "\u00e4" * 128, False),
    ],
)
def test_user_names_and_passwords(kind, username, password, is_good):
    assert bool(username_problem(kind, username) or password_problem(kind, password)) is not is_good
