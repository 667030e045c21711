"""URLs of endpoints: what is taken, as which parts, and what is refused, with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.exchange import Target
from tocsin.rules.urls import target_of

LABEL = "a" * 63


def target(url, *, allow_http=False):
    return target_of(url, "pool-1", allow_http=allow_http)


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "authority", "path"),
    [
        ("https://example.com", "https", "example.com", 443, "example.com", "/"),
        ("https://example.com/", "https", "example.com", 443, "example.com", "/"),
        ("HTTPS://EXAMPLE.Com/A", "https", "example.com", 443, "example.com", "/A"),
        ("https://example.com:443/a", "https", "example.com", 443, "example.com", "/a"),
        ("https://example.com:8443/a", "https", "example.com", 8443, "example.com:8443", "/a"),
        ("https://example.com:80/", "https", "example.com", 80, "example.com:80", "/"),
        ("https://example.com:65535/", "https", "example.com", 65535, "example.com:65535", "/"),
        ("https://example.com:1/", "https", "example.com", 1, "example.com:1", "/"),
        ("http://example.com/", "http", "example.com", 80, "example.com", "/"),
        ("http://example.com:80/", "http", "example.com", 80, "example.com", "/"),
        ("http://localhost:8080/in", "http", "localhost", 8080, "localhost:8080", "/in"),
        ("https://my_service.internal/", "https", "my_service.internal", 443, "my_service.internal", "/"),
        ("https://h?x=1", "https", "h", 443, "h", "/?x=1"),
        ("https://h/a/../b//c/./", "https", "h", 443, "h", "/a/../b//c/./"),
        ("https://h/%2e%2E/a%20b?q=%00&r=a+b", "https", "h", 443, "h", "/%2e%2E/a%20b?q=%00&r=a+b"),
        ("https://h/a:b@c;d=1,2!$&'()*~?x[]=1&u=http://y/?z", "https", "h", 443, "h",
         "/a:b@c;d=1,2!$&'()*~?x[]=1&u=http://y/?z"),
        ("https://127.0.0.1/", "https", "127.0.0.1", 443, "127.0.0.1", "/"),
        ("https://[::1]/", "https", "::1", 443, "[::1]", "/"),
        ("https://[2606:4700:0:0::1111]:8443/", "https", "2606:4700::1111", 8443, "[2606:4700::1111]:8443", "/"),
        ("https://[::ffff:127.0.0.1]/", "https", "::ffff:7f00:1", 443, "[::ffff:7f00:1]", "/"),
        ("https://bücher.example/", "https", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/"),
        ("https://faß.de/", "https", "xn--fa-hia.de", 443, "xn--fa-hia.de", "/"),
        ("https://\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25.com/", "https", "example.com", 443, "example.com", "/"),
        ("https://3com.example/", "https", "3com.example", 443, "3com.example", "/"),
        ("https://1.2.3.4.example/", "https", "1.2.3.4.example", 443, "1.2.3.4.example", "/"),
        (f"https://{LABEL}.{LABEL}.{LABEL}.{'a' * 61}/", "https", f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}", 443,
         f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}", "/"),
    ],
)  # fmt: skip
def test_is_taken_apart(url, scheme, host, port, authority, path):
    assert target(url, allow_http=True) == Target(
        scheme=scheme, host=host, port=port, authority=authority, path=path, pool="pool-1"
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must begin with https://"),
        ("example.com", "must begin with https://"),
        ("//example.com/", "must begin with https://"),
        ("https:/example.com/", "must begin with https://"),
        ("https:example.com", "must begin with https://"),
        ("http://example.com/", "plain HTTP is not allowed"),
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("javascript://x/", "must begin with https://"),
        ("https://", "no host"),
        ("https:///x", "no host"),
        ("https://:443/", "no host"),
        ("https://?x", "no host"),
        ("https://user@example.com/", "user name"),
        ("https://user:secret@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com#", "fragment"),
        ("https://example.com#@127.0.0.1/", "fragment"),
        ("https://example.com\\@127.0.0.1/", "backslash"),
        ("https:\\\\example.com/", "backslash"),
        ("https://example.com/a\\b", "backslash"),
        ("https://example.com/a b", "spaces or control"),
        (" https://example.com/", "spaces or control"),
        ("https://example.com/\n", "spaces or control"),
        ("https://exam\tple.com/", "spaces or control"),
        ("https://example.com/\r\nHost: x", "spaces or control"),
        ("https://example.com/\x00", "spaces or control"),
        ("https://example.com/\x7f", "spaces or control"),
        ("https://example.com/ü", "percent-encoded"),
        ("https://example.com/?q=é", "percent-encoded"),
        ("https://example.com/{id}", "percent-encoded"),
        ('https://example.com/"', "percent-encoded"),
        ("https://example.com/<x>", "percent-encoded"),
        ("https://example.com/a|b", "percent-encoded"),
        ("https://example.com/%", "hexadecimal"),
        ("https://example.com/%zz", "hexadecimal"),
        ("https://example.com/%4", "hexadecimal"),
        ("https://example.com:/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:99999999/", "port"),
        ("https://example.com:0443/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:+1/", "port"),
        ("https://example.com:4a/", "port"),
        ("https://example.com:\u0664\u0664\u0663/", "port"),
        ("https://example.com:80:80/", "port"),
        ("https://127.1/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://0x7f000001/", "four decimal numbers"),
        ("https://0X7F.0.0.0x1/", "four decimal numbers"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://017700000001/", "four decimal numbers"),
        ("https://0177.0.0.1/", "four decimal numbers"),
        ("https://127.0.0.01/", "four decimal numbers"),
        ("https://127.0.0.256/", "four decimal numbers"),
        ("https://1.2.3.4.5/", "four decimal numbers"),
        ("https://0/", "four decimal numbers"),
        ("https://127.0.1/", "four decimal numbers"),
        ("https://0x7f.0.0.1/", "four decimal numbers"),
        ("https://0xa9fea9fe/", "four decimal numbers"),
        ("https://2852039166/", "four decimal numbers"),
        ("https://0251.0376.0251.0376/", "four decimal numbers"),
        ("https://169.254.43518/", "four decimal numbers"),
        ("https://4294967296/", "four decimal numbers"),
        ("https://127.0.0.0x1/", "four decimal numbers"),
        ("https://0x/", "four decimal numbers"),
        ("https://example.1/", "four decimal numbers"),
        ("https://①②⑦.0.0.1/", "four decimal numbers"),
        ("https://\uff11\uff12\uff17.0.0.1/", "four decimal numbers"),
        ("https://127\u30020\u30020\u30021/", "four decimal numbers"),
        ("https://[::1/", "closing bracket"),
        ("https://[fe80::1%25eth0]/", "scope"),
        ("https://[::1%25lo]/", "scope"),
        ("https://[::1%lo]/", "scope"),
        ("https://[::g]/", "not an IPv6 address"),
        ("https://[]/", "not an IPv6 address"),
        ("https://[127.0.0.1]/", "not an IPv6 address"),
        ("https://[::1]x/", "port"),
        ("https://::1/", "no host"),
        ("https://a..b/", "not a host name"),
        ("https://.example.com/", "not a host name"),
        ("https://example.com./", "not a host name"),
        ("https://localhost./", "not a host name"),
        ("https://127.0.0.1./", "not a host name"),
        ("https://metadata.google.internal./", "not a host name"),
        ("https://localhost%00.example.com/", "not a host name"),
        ("https://localhost%2eexample.com/", "not a host name"),
        ("https://-a.example/", "not a host name"),
        ("https://a-.example/", "not a host name"),
        ("https://exa%6dple.com/", "not a host name"),
        ("https://exam,ple.com/", "not a host name"),
        ("https://*.example.com/", "not a host name"),
        ("https://exa[mple.com/", "not a host name"),
        (f"https://{'a' * 64}.example/", "longer than 63"),
        (f"https://{LABEL}.{LABEL}.{LABEL}.{'a' * 62}/", "longer than 253"),
        (f"https://example.com/{'a' * 4096}", "longer than 4096"),
        ("https://☃\u200d.example/", "IDNA"),
        ("https://\u2024.example/", "IDNA"),
    ],
)  # fmt: skip
def test_is_refused(url, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")) as caught:
        target(url)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60), st.booleans())
def test_whatever_is_taken_is_safe_on_the_wire(text, allow_http):
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            taken = target(url, allow_http=allow_http)
        except ValueError:
            continue
        for part in (taken.host, taken.authority, taken.path):
            assert part.isascii()
            assert all("!" <= character <= "~" for character in part)
        assert taken.path.startswith("/")
        assert 1 <= taken.port <= 65535
        assert target(f"{taken.scheme}://{taken.authority}{taken.path}", allow_http=True) == taken
