"""The text that was signed, read back from a request as it was kept: each scheme's signature is good for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest

from tocsin.model.exchange import HeaderPairs, Target
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, HttpMessageSigning, PreviousSecret, Signing, StandardWebhooksSigning
from tocsin.model.times import to_text
from tocsin.rules.urls import target_of
from tocsin.signing import signer_of
from tocsin.signing.signed_text import signed_text

NOW = 1764000000
BODY = b'{"a": "\xc3\xa9, (x)"}'
KEY = b"shared key of 24 bytes.."
SECRET = Secret("whsec_" + base64.b64encode(KEY).decode())


def kept(signing: Signing, url: str) -> tuple[Target, HeaderPairs]:
    """A request's headers as an attempt keeps them."""
    target = target_of(url, "pool", allow_http=True)
    own: HeaderPairs = (
        ("Content-Type", "application/json"),
        ("ce-subject", "caf%C3%A9"),
        ("webhook-id", "evt_1"),
        ("webhook-timestamp", str(NOW)),
    )
    signed = signer_of(signing, target).sign("evt_1", NOW, BODY, own)
    return target, (("Host", target.authority), ("X-Own", "a, b"), *own, *signed)


def test_standard_webhooks() -> None:
    _, headers = kept(StandardWebhooksSigning(secret=SECRET), "https://example.com/")
    text = signed_text("https://example.com/", headers, BODY)
    assert text == b"evt_1.%d." % NOW + BODY
    made = base64.b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()
    assert dict(headers)["webhook-signature"] == f"v1,{made}"


@pytest.mark.parametrize("url", ["https://example.com/", "https://example.com:8443/a/b?x=1&y=%2C", "http://[::1]:9/?"])
@pytest.mark.parametrize("key_id", [None, 'a "quoted, (id)'])
def test_http_message_signatures(url: str, key_id: str | None) -> None:
    signing = HttpMessageSigning(secret=SECRET, key_id=key_id)
    _, headers = kept(signing, url)
    text = signed_text(url, headers, BODY)
    assert text is not None
    made = base64.b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()
    found = re.search(r":([^:]+):", dict(headers)["Signature"])
    assert found is not None
    assert found[1] == made


def test_while_two_keys_sign_it_is_the_newer_ones() -> None:
    old = Secret("whsec_" + base64.b64encode(b"o" * 32).decode())
    previous = PreviousSecret(secret=old, valid_until=to_text((NOW + 9) * 1000))
    signing = HttpMessageSigning(secret=SECRET, previous=previous)
    _, headers = kept(signing, "https://example.com/")
    text = signed_text("https://example.com/", headers, BODY)
    assert text is not None
    made = base64.b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()
    assert f":{made}:" in dict(headers)["Signature"].partition(",")[0]


def test_a_header_over_the_body_alone_is_named_by_the_endpoint() -> None:
    signing = HmacSigning(
        header="X-Hub-Signature", algorithm="sha256", encoding="hex", key=Secret("key"), key_encoding="utf8"
    )
    _, headers = kept(signing, "https://example.com/")
    assert signed_text("https://example.com/", headers, BODY, "x-hub-signature") == BODY
    assert signed_text("https://example.com/", headers, BODY) is None
    assert signed_text("https://example.com/", headers, BODY, "x-other") is None


@pytest.mark.parametrize(
    "said", ["", "sig", "sig=()", 'sig=("x-not-there");created=1', 'sig=("@status")', "sig=(" + '"a" ' * 50]
)
def test_what_cannot_be_told_is_not(said: str) -> None:
    headers = (("Signature-Input", said), ("webhook-id", "1"))
    text = signed_text("https://example.com/", headers, BODY)
    assert text in {None, b'"@signature-params": ()'}
