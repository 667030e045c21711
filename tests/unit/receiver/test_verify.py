"""Signatures: the published vector, an independent implementation, and everything that must not pass."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tocsin.receiver import Hmac, NotVerified, StandardWebhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = b'{"test": 2432232314}'
NOW = 1614265330
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(NOW),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_published_vector_verifies():
    StandardWebhooks(SECRET).verify(VECTOR, BODY, NOW)


def test_any_of_several_secrets_and_signatures_will_do():
    headers = VECTOR | {"webhook-signature": f"v1a,AAAA v1,AAAA {VECTOR['webhook-signature']}"}
    StandardWebhooks([OTHER, SECRET]).verify(headers, BODY, NOW)


@pytest.mark.parametrize("offset", [-300, 300])
def test_five_minutes_off_is_still_right(offset):
    StandardWebhooks(SECRET).verify(VECTOR, BODY, NOW + offset)


@pytest.mark.parametrize(
    ("change", "now", "reason"),
    [
        ({}, NOW + 301, "webhook-timestamp is too old"),
        ({}, NOW - 301, "webhook-timestamp is too new"),
        ({"webhook-timestamp": "1614265330.0"}, NOW, "webhook-timestamp is not a number of seconds"),
        ({"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"}, NOW, "webhook-timestamp is not a number of seconds"),
        ({"webhook-timestamp": str(NOW + 1)}, NOW, "no signature matches: other secret, or the body was changed"),
        ({"webhook-id": "msg_x"}, NOW, "no signature matches: other secret, or the body was changed"),
        ({"webhook-id": ""}, NOW, "webhook-id is missing"),
        ({"webhook-signature": ""}, NOW, "webhook-signature is missing"),
        (
            {"webhook-signature": "v1a,AAAA"},
            NOW,
            r"webhook-signature has no v1 signature \(v1a, Ed25519, is not supported here\)",
        ),
        ({"webhook-signature": "v1,ü"}, NOW, "no signature matches: other secret, or the body was changed"),
    ],
)
def test_what_is_off_is_refused_with_the_reason(change, now, reason):
    with pytest.raises(NotVerified, match=f"^{reason}$"):
        StandardWebhooks(SECRET).verify(VECTOR | change, BODY, now)


def test_another_body_or_secret_is_refused():
    with pytest.raises(NotVerified):
        StandardWebhooks(SECRET).verify(VECTOR, BODY + b" ", NOW)
    with pytest.raises(NotVerified):
        StandardWebhooks(OTHER).verify(VECTOR, BODY, NOW)


@given(body=st.binary(), identifier=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True), key=st.binary(min_size=24))
def test_what_the_reference_library_signs_verifies(body, identifier, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    text = body.decode("latin-1")
    signature = Webhook(secret).sign(identifier, datetime.fromtimestamp(NOW, UTC), text)
    headers = {"webhook-id": identifier, "webhook-timestamp": str(NOW), "webhook-signature": signature}
    StandardWebhooks(secret).verify(headers, text.encode(), NOW)


@pytest.mark.parametrize("secret", ["whsec_***", "whsec_", "whsec_abc", "whsk_AAAA", "whpk_AAAA", []])
def test_a_malformed_secret_is_said_at_once(secret):
    with pytest.raises(ValueError, match="secret"):
        StandardWebhooks(secret)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_hmac_headers(algorithm, encoding):
    digest = hmac.new(b"key", BODY, getattr(hashlib, algorithm)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    verifier = Hmac(["old", "key"], header="X-Sig", algorithm=algorithm, encoding=encoding, prefix="p=")
    verifier.verify({"x-sig": "p=" + text}, BODY)
    for wrong in ("p=" + text[:-1], text, "p=ü"):
        with pytest.raises(NotVerified, match=r"^x-sig does not match"):
            verifier.verify({"x-sig": wrong}, BODY)
    with pytest.raises(NotVerified, match=r"^x-sig is missing$"):
        verifier.verify({}, BODY)


def test_the_old_key_signs_in_a_header_of_its_own():
    new, old = (hmac.new(key, BODY, hashlib.sha256).hexdigest() for key in (b"new", b"old"))
    headers = {"x-visier-signature": new, "x-visier-signature-previous": old}
    for key in ("new", "old"):
        Hmac(key).verify(headers, BODY)
        with pytest.raises(NotVerified, match=r"^x-visier-signature does not match"):
            Hmac(key).verify(headers, BODY + b" ")
    with pytest.raises(NotVerified, match=r"^x-visier-signature does not match"):
        Hmac("other").verify(headers, BODY)
    with pytest.raises(NotVerified, match=r"^x-visier-signature is missing$"):
        Hmac("old").verify({"x-visier-signature-previous": old}, BODY)


def test_hmac_with_a_base64_key():
    key = base64.b64encode(b"\x00\xff").decode()
    signature = hmac.new(b"\x00\xff", BODY, hashlib.sha256).hexdigest()
    Hmac(key, key_encoding="base64").verify({"x-visier-signature": signature}, BODY)
