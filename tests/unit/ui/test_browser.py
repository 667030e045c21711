"""What is read of a browser's request, and which of them our own pages made."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.ui.asking import own_address
from tocsin.ui.browser import BrowserRequest, browser_request

HOST = (b"host", b"127.0.0.1:8080")


def request_of(*headers: tuple[bytes, bytes], path: str = "/ui/", query: bytes = b"") -> BrowserRequest:
    return browser_request(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [HOST, *headers],
            "client": ("127.0.0.1", 5),
        }
    )


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ([], True),
        ([(b"origin", b"http://127.0.0.1:8080")], True),
        ([(b"origin", b"https://hooks.example.com")], True),
        ([(b"origin", b"HTTPS://Hooks.Example.com"), (b"sec-fetch-site", b"same-origin")], True),
        ([(b"origin", b"https://hooks.example.com:444")], False),
        ([(b"origin", b"https://evil.example")], False),
        ([(b"origin", b"https://hooks.example.com.evil.example")], False),
        ([(b"origin", b"null")], False),
        ([(b"origin", b"")], False),
        ([(b"origin", b"http://[")], False),
        ([(b"origin", b"http://127.0.0.1:8080@evil.example")], False),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://127.0.0.1:8080")], False),
        ([(b"sec-fetch-site", b"none")], True),
    ],
)
def test_which_requests_our_own_pages_made(headers: list[tuple[bytes, bytes]], is_own: bool) -> None:
    assert request_of(*headers).is_own("https://hooks.example.com") is is_own


def test_cookies_of_others_do_not_hide_ours() -> None:
    request = request_of((b"cookie", b'a={"b": 1}; broken; tocsin_session=x_y-z; other="q;r"; tocsin_session=second'))
    assert request.cookies["tocsin_session"] == "x_y-z"


def test_the_query_keeps_its_order_and_the_first_of_each_name() -> None:
    request = request_of(query=b"b=1&a=%C3%BC&b=2&c=%ff")
    assert list(request.query.items()) == [("b", "1"), ("a", "\u00fc"), ("c", "\ufffd")]
    assert request.target == "/ui/?b=1&a=%C3%BC&b=2&c=%ff"


@given(st.text(alphabet="/\\ui.:@?#e%\t \n", max_size=12).map(lambda rest: f"/ui/{rest}") | st.text(max_size=12))
@example("//evil.example/ui/")
@example("/ui/../../v1")
@example("/ui//evil.example")
def test_an_address_to_go_on_to_is_on_this_host(text: str) -> None:
    own = own_address(text)
    assert own in {"", text}
    if own:
        there = urlsplit(urljoin("http://127.0.0.1:8080/ui/sign-in", own))
        assert there.netloc == "127.0.0.1:8080"
        assert own.startswith("/ui/")
        assert not {"\\", "\n", "\t", " "} & set(own)
