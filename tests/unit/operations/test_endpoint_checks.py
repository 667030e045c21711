"""What must hold of an endpoint's settings beyond their types."""

import msgspec
import pytest

from tocsin.config import load_settings
from tocsin.errors import InvalidRequest, Misconfigured
from tocsin.model.authorization import ApiKeyAuthorization, BasicAuthorization, BearerAuthorization
from tocsin.model.endpoint import (
    Batched,
    EmailFormat,
    EndpointConfig,
    Header,
    Proxy,
    SlackFormat,
    TeamsFormat,
    TemplateFormat,
    Tls,
    VisierFormat,
)
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, NoSigning, StandardWebhooksSigning
from tocsin.operations.endpoint_checks import check_config
from tocsin.operations.mail_checks import mail_way_of

MARKED = TemplateFormat(program=".", headers={"X-Id": ".id"})
GOOD = EndpointConfig(name="n", url="https://example.com/hook")
SIGNED = HmacSigning(header="X-Sig", key=Secret("k"))


def row(name: str, value: str = "v") -> Header:
    return Header(name=name, value=Secret(value))


def key_in(header: str, value: str = "k") -> ApiKeyAuthorization:
    return ApiKeyAuthorization(header=header, value=Secret(value))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"headers": (row("Content-Type", "text/json"), row("X-A", "a b"), row("Authorization", "Custom x"))},
        {"authorization": BasicAuthorization(username="ann \u00e9", password=Secret("p:w \u20ac"))},
        {"authorization": BearerAuthorization(token=Secret("abc.def"))},
        {"authorization": key_in("X-API-KEY"), "headers": (row("X-A"),)},
        {"authorization": key_in("Authorization", "Key abc")},
        {"format": MARKED},
        {"format": TemplateFormat(program="."), "delivery": Batched(), "headers": (row("X-Version", "2"),)},
        {"signing": SIGNED},
        {"signing": HmacSigning(header="X-Sig", key=Secret("k"), prefix="sha256=")},
        {"signing": StandardWebhooksSigning(secret=Secret("whsec_" + "QUFB" * 8))},
    ],
)
def test_good_settings_pass(changes: dict[str, object]) -> None:
    check_config(msgspec.structs.replace(GOOD, **changes), allow_http=False)


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"url": "http://example.com"}, ["/url"]),
        ({"format": VisierFormat(), "delivery": Batched()}, ["/delivery/mode"]),
        ({"format": MARKED, "delivery": Batched()}, ["/format/headers"]),
        ({"url": "https://user@example.com"}, ["/url"]),
        ({"headers": (row("Host"),)}, ["/headers/0/name"]),
        ({"headers": (row("X-A"), row("webhook-id"), row("ce-id"))}, ["/headers/1/name", "/headers/2/name"]),
        ({"headers": (row("X A"),)}, ["/headers/0/name"]),
        ({"headers": (row("X-A", "a\r\nb: c"),)}, ["/headers/0/value"]),
        ({"headers": (row("X-A", " a"), row("X-B", "\u00e9"))}, ["/headers/0/value", "/headers/1/value"]),
        (
            {"headers": (Header(name="Content-Type", value=Secret("text/json"), sensitive=True),)},
            ["/headers/0/sensitive"],
        ),
        ({"headers": (row("X-A"), row("x-a"))}, ["/headers/1/name"]),
        (
            {"authorization": BearerAuthorization(token=Secret("t")), "headers": (row("authorization"),)},
            ["/headers/0/name"],
        ),
        ({"authorization": key_in("X-Key"), "headers": (row("x-key"),)}, ["/headers/0/name"]),
        ({"signing": SIGNED, "headers": (row("x-sig"),)}, ["/headers/0/name"]),
        ({"signing": SIGNED, "headers": (row("x-sig-PREVIOUS"),)}, ["/headers/0/name"]),
        ({"signing": SIGNED, "authorization": key_in("X-Sig-Previous")}, ["/signing/header"]),
        ({"authorization": BasicAuthorization(username="a:b", password=Secret("p"))}, ["/authorization/username"]),
        ({"authorization": BasicAuthorization(username="a", password=Secret("p\n"))}, ["/authorization/password"]),
        ({"authorization": BearerAuthorization(token=Secret("a b"))}, ["/authorization/token"]),
        ({"authorization": BearerAuthorization(token=Secret("a\r\nX: y"))}, ["/authorization/token"]),
        ({"authorization": key_in("Host")}, ["/authorization/header"]),
        ({"authorization": key_in("Content-Type")}, ["/authorization/header"]),
        ({"authorization": key_in("X-Key", "a\nb")}, ["/authorization/value"]),
        ({"authorization": key_in("X-Sig"), "signing": SIGNED}, ["/signing/header"]),
        ({"signing": HmacSigning(header="webhook-signature", key=Secret("k"))}, ["/signing/header"]),
        ({"signing": HmacSigning(header="authorization", key=Secret("k"))}, ["/signing/header"]),
        ({"signing": HmacSigning(header="X-S", key=Secret("k"), prefix="a\n")}, ["/signing/header"]),
        ({"signing": HmacSigning(header="X-S", key=Secret("!"), key_encoding="base64")}, ["/signing/key"]),
        ({"signing": StandardWebhooksSigning(secret=Secret("plain"))}, ["/signing/secret"]),
        ({"url": "x", "headers": (row("Host"),)}, ["/url", "/headers/0/name"]),
    ],
)
def test_everything_that_is_wrong_is_pointed_at(changes: dict[str, object], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_config(msgspec.structs.replace(GOOD, **changes), allow_http=False)
    assert [error.pointer for error in caught.value.errors] == pointers


def test_no_secret_is_repeated() -> None:
    config = msgspec.structs.replace(
        GOOD, authorization=BearerAuthorization(token=Secret("hush hush")), headers=(row("X", "quiet\n"),)
    )
    with pytest.raises(InvalidRequest) as caught:
        check_config(config, allow_http=False)
    said = repr(caught.value.problem())
    assert "hush" not in said
    assert "quiet" not in said


def test_http_is_the_operators_choice() -> None:
    check_config(msgspec.structs.replace(GOOD, url="http://example.com"), allow_http=True)


MAIL = EndpointConfig(name="n", url="mailto:ann@example.com", format=EmailFormat(), signing=NoSigning())


@pytest.mark.parametrize(
    "config",
    [
        MAIL,
        msgspec.structs.replace(MAIL, signing=None, delivery=Batched(), ordering="subject"),
        msgspec.structs.replace(GOOD, format=SlackFormat(link="https://a.example/{subject_id}"), delivery=Batched()),
        msgspec.structs.replace(GOOD, format=TeamsFormat(), delivery=Batched()),
    ],
)
def test_endpoints_for_people(config: EndpointConfig) -> None:
    check_config(config, allow_http=False)


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"url": "https://example.com/hook"}, ["/url"]),
        ({"url": "mailto:ann"}, ["/url"]),
        ({"url": "mailto:ann@example.com?bcc=eve@example.com"}, ["/url"]),
        ({"format": SlackFormat()}, ["/format/kind"]),
        ({"format": EmailFormat(link="javascript:x")}, ["/format/link"]),
        ({"authorization": BearerAuthorization(token=Secret("t"))}, ["/authorization/kind"]),
        ({"signing": StandardWebhooksSigning(secret=Secret("whsec_" + "QUFB" * 8))}, ["/signing/kind"]),
        ({"headers": (row("X-A"),)}, ["/headers"]),
        ({"validation": "required"}, ["/validation"]),
        ({"tls": Tls()}, ["/tls"]),
        ({"proxy": Proxy(url="http://proxy.example:3128")}, ["/proxy"]),
    ],
)
def test_what_mail_has_not(changes: dict[str, object], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_config(msgspec.structs.replace(MAIL, **changes), allow_http=False)
    assert [error.pointer for error in refused.value.errors] == pointers


def test_mail_needs_a_mail_server() -> None:
    with pytest.raises(InvalidRequest, match="TOCSIN_SMTP"):
        check_config(MAIL, allow_http=False, sends_mail=False)
    check_config(GOOD, allow_http=False, sends_mail=False)


@pytest.mark.parametrize(
    ("smtp", "sent_from", "said"),
    [
        ("smtp://mail.example.com", "", "TOCSIN_MAIL_FROM"),
        ("smtp://mail.example.com", "x", "^TOCSIN_MAIL_FROM: "),
        ("mail.example.com", "a@b.example", "^TOCSIN_SMTP: "),
    ],
)
def test_the_setting_at_fault_is_named(smtp: str, sent_from: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        mail_way_of(load_settings({"smtp": smtp, "mail_from": sent_from}, {}))
