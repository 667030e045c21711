"""Mail addresses, mail servers, and whom mail comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.mail import MailFrom, MailServer
from tocsin.model.secret import Secret
from tocsin.rules.mail import is_mail, mail_from, mail_server, recipients_of


@pytest.mark.parametrize(
    ("url", "recipients"),
    [
        ("mailto:ann@example.com", ["ann@example.com"]),
        ("MAILTO:ann@Example.COM,bob.b@example.org", ["ann@example.com", "bob.b@example.org"]),
        ("mailto:on-call+mdm%25x@example.com", ["on-call+mdm%x@example.com"]),
        ("mailto:ann%40example.com", ["ann@example.com"]),
        ("mailto:ann@b%C3%BCcher.example", ["ann@xn--bcher-kva.example"]),
        ("mailto:ann@b\u00fccher.example", ["ann@xn--bcher-kva.example"]),
        ("mailto:root@localhost", ["root@localhost"]),
    ],
)
def test_addresses(url: str, recipients: list[str]) -> None:
    assert is_mail(url)
    assert list(recipients_of(url)) == recipients


@pytest.mark.parametrize(
    "url",
    [
        "mailto:", "mailto:ann", "mailto:@example.com", "mailto:ann@", "mailto:ann@example.com,", "mailto:a@b.example,a@b.example",
        "mailto:ann@example.com?subject=x", "mailto:ann@example.com?bcc=eve@evil.example", "mailto:ann@example.com#x",
        "mailto:ann%0D%0ABcc:eve@example.com", "mailto:ann%00@example.com", "mailto:ann@example.com%0a", "mailto:a%2Cb@example.com",
        "mailto:%22a b%22@example.com", "mailto:a b@example.com", "mailto:a..b@example.com", "mailto:.a@example.com",
        "mailto:ann@127.0.0.1", "mailto:ann@[127.0.0.1]", "mailto:%C3%A9ve@example.com", "mailto:a%zz@example.com", "mailto:a%ff@example.com",
        "mailto:<ann@example.com>", "mailto://ann@example.com", "mailto:" + "a" * 65 + "@example.com", "mailto:a@b@example.com",
        "mailto:" + ",".join(f"a{n}@example.com" for n in range(11)), "mailto:a@" + ".".join(["x" * 60] * 5),
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (each says something else)
        recipients_of(url)
    assert "evil" not in str(refused.value)


@given(st.text(alphabet=st.sampled_from('ab@.,%0dDaA?=&+<>:" \\\u00e9'), max_size=30))
def test_whatever_is_taken_is_a_plain_address(text: str) -> None:
    try:
        recipients = recipients_of(f"mailto:{text}")
    except ValueError:
        return
    for one in recipients:
        assert one.isascii()
        assert one.isprintable()
        assert not set(one) & set(' ,<>:;"\\()[]\t')
        assert one.count("@") == 1


@pytest.mark.parametrize("url", ["https://example.com", "mail:x@y.example", "mailtox:a@b.example", ""])
def test_other_urls_are_no_mail(url: str) -> None:
    assert not is_mail(url)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp://mail.example.com", MailServer(host="mail.example.com", port=587, tls="starttls")),
        ("smtps://mail.example.com", MailServer(host="mail.example.com", port=465, tls="implicit")),
        ("smtp://mail.example.com:25/?tls=off", MailServer(host="mail.example.com", port=25, tls="none")),
        ("smtp://localhost", MailServer(host="localhost", port=25, tls="none")),
        ("smtp://127.0.0.1:1025", MailServer(host="127.0.0.1", port=1025, tls="none")),
        ("smtp://[::1]:1025", MailServer(host="::1", port=1025, tls="none")),
        ("smtp://localhost?tls=required", MailServer(host="localhost", port=587, tls="starttls")),
        (
            "smtp://tocsin%40example.com:p%3Aw%40@mail.example.com",
            MailServer(
                host="mail.example.com",
                port=587,
                tls="starttls",
                username="tocsin@example.com",
                password=Secret("p:w@"),
            ),
        ),
    ],
)
def test_servers(text: str, server: MailServer) -> None:
    found = mail_server(text)
    assert found == server
    assert (found.password and found.password.reveal()) == (server.password and server.password.reveal())


@pytest.mark.parametrize(
    "text",
    ["mail.example.com", "smtp://", "http://mail.example.com", "smtp://mail.example.com/x", "smtp://mail.example.com?tls=maybe",
     "smtps://mail.example.com?tls=off", "smtp://sesame@mail.example.com", "smtp://:sesame@mail.example.com", "smtp://u:sesame%0d@mail.example.com",
     "smtp://mail.example.com:99999", "smtp://127.1"],
)  # fmt: skip
def test_servers_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (each says something else)
        mail_server(text)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("tocsin@example.com", MailFrom(name="", address="tocsin@example.com")),
        ("Tocsin <tocsin@example.com>", MailFrom(name="Tocsin", address="tocsin@example.com")),
        ('"T\u00f6csin, Inc." <tocsin@example.com>', MailFrom(name="T\u00f6csin, Inc.", address="tocsin@example.com")),
    ],
)
def test_senders(text: str, sender: MailFrom) -> None:
    assert mail_from(text) == sender
    assert sender.domain == "example.com"


@pytest.mark.parametrize(
    "text", ["tocsin", "<>", "a@b@c.example", "Tocsin", "tocsin@127.0.0.1", "T\r\nBcc: x@y.example <a@b.example>"]
)
def test_senders_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each says something else)
        mail_from(text)
