"""Header fields that owners of endpoints may set, and those they may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.rules.header_fields import check_header, is_reserved

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Api-Key", "s3cr3t"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Authorization", "Bearer abc.def-ghi"),
        ("x", ""),
        ("x", "a"),
        ("x", "a b\tc"),
        ("x", '"quoted, \\ and {braces}"'),
        ("Cookie", "a=b; c=d"),
        (TOKEN, "~"),
        ("X" * 128, "v" * 8192),
        ("ce", "1"),
        ("x-ce-id", "1"),
        ("webhookid", "1"),
        ("X-Signature", "1"),
    ],
)
def test_is_taken(name, value):
    check_header(name, value)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a:", ":a", "a\r", "a\n", "a\x00", "ä", "a\tb", "a(b)", "a,b", "a;b", "a/b", '"a"', "a@b", "x" * 129,
     "x-a\r\nHost"],
)  # fmt: skip
def test_refuses_names(name):
    with pytest.raises(ValueError, match="A header name consists of"):
        check_header(name, "v")


@pytest.mark.parametrize(
    "value",
    [" a", "a ", "\ta", "a\t", " ", "a\r\nX: y", "a\rb", "a\nb", "a\n", "a\x00b", "a\x7fb", "ä", "a\x80", "a\u2028b",
     "a\x1fb", "v" * 8193],
)  # fmt: skip
def test_refuses_values(value):
    with pytest.raises(ValueError, match="The value of the header X-A must be") as caught:
        check_header("X-A", value)
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade",
     "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection", "proxy-x", "Expect", "Content-Encoding", "Content-Digest",
     "Accept-Encoding", "User-Agent", "ce-id", "CE-Type", "webhook-id", "WebHook-Request-Origin", "WebHook-Request-Callback",
     "WebHook-Request-Rate", "WebHook-Allowed-Origin", "webhook-attempt", "webhook-replay", "Webhook-Signature",
     "Signature", "Signature-Input", "traceparent", "TraceState", "HTTP2-Settings"],
)  # fmt: skip
def test_refuses_reserved_names(name):
    assert is_reserved(name)
    with pytest.raises(ValueError, match="is set by Tocsin"):
        check_header(name, "v")


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_taken_is_one_line_of_the_head(name, value):
    try:
        check_header(name, value)
    except ValueError:
        return
    line = f"{name}: {value}\r\n".encode("ascii")
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert line.split(b": ", 1)[0].decode() == name
