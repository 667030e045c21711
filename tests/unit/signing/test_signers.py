from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.endpoint import CloudEventsFormat, FormatSetting, TamrFormat, VisierFormat
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, NoSigning, StandardWebhooksSigning
from tocsin.signing import (
    SECRET_BYTES,
    check_key,
    default_signing,
    generated_secret,
    signer_of,
)

PAGE = (Path(__file__).parents[3] / "docs/reference/signing.md").read_text(encoding="utf-8")
PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def whsec(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def standard(secret: str | None) -> StandardWebhooksSigning:
    return StandardWebhooksSigning(secret=None if secret is None else Secret(secret))


def plain(key: str | None = "k", **settings: str) -> HmacSigning:
    return HmacSigning(**({"header": "x-sig"} | settings), key=None if key is None else Secret(key))


def test_the_published_vector():
    signed = signer_of(standard(PUBLISHED)).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', ()
    )
    assert signed == (("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),)


def test_the_page_shows_the_vectors():
    standard_vector = re.search(r"```text\nsecret .*?```", PAGE, re.DOTALL).group()
    fields = dict(re.split(r"\s+", line, maxsplit=1) for line in standard_vector.splitlines()[1:-1])
    signed = signer_of(standard(fields["secret"])).sign(
        fields["webhook-id"], int(fields["webhook-timestamp"]), fields["body"].encode(), ()
    )
    assert signed == (("webhook-signature", fields["webhook-signature"]),)
    key, body, signature = re.search(r"^key +(\S+)\nbody +(\S+)\nsha256, hex +(\S+)$", PAGE, re.MULTILINE).groups()
    assert signer_of(plain(key)).sign("id", 0, body.encode(), ()) == (("x-sig", signature),)


@given(key=st.binary(min_size=24, max_size=64), body=st.text().map(str.encode))
def test_the_reference_library_verifies(key, body):
    secret = "whsec_" + base64.b64encode(key).decode()
    now = int(datetime.now(tz=UTC).timestamp())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(now)}
    headers |= dict(signer_of(standard(secret)).sign("evt_1", now, body, ()))
    verifier = standardwebhooks.Webhook(secret)
    verifier.verify(body, headers, json_parse=False)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verifier.verify(body + b"x", headers, json_parse=False)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("key_encoding", ["utf8", "base64"])
def test_hmac_headers(algorithm, encoding, key_encoding):
    key = "c2Nobo8=" if key_encoding == "base64" else "schlüssel"
    raw = b"schn\x8f" if key_encoding == "base64" else "schlüssel".encode()
    digest = hmac.new(raw, b"body", getattr(hashlib, algorithm)).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    signing = plain(key, algorithm=algorithm, encoding=encoding, key_encoding=key_encoding, prefix=f"{algorithm}=")
    assert signer_of(signing).sign("evt_1", 1, b"body", ()) == (("x-sig", f"{algorithm}={text}"),)


def test_a_vector_of_rfc_4231():
    signed = signer_of(plain("Jefe")).sign("", 0, b"what do ya want for nothing?", ())
    assert signed == (("x-sig", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),)


def test_unsigned():
    assert signer_of(NoSigning()).sign("evt_1", 1, b"body", ()) == ()


@pytest.mark.parametrize(
    ("signing", "detail"),
    [
        (standard("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "must start with whsec_"),
        (standard("whsec_"), "must not be empty"),
        (standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"), "is not base64"),
        (standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_"), "is not base64"),
        (standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSü"), "is not base64"),
        (standard(PUBLISHED + "\n"), "is not base64"),
        (standard(whsec(23)), "24 to 64 bytes, not 23"),
        (standard(whsec(65)), "24 to 64 bytes, not 65"),
        (plain(""), "must not be empty"),
        (plain("tell-nobody", key_encoding="base64"), "the key is not base64"),
    ],
)
def test_malformed_secrets_are_refused(signing, detail):
    with pytest.raises(ValueError, match=re.escape(detail)) as refused:
        check_key(signing)
    secret = (signing.key if isinstance(signing, HmacSigning) else signing.secret).reveal()
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize(
    "signing",
    [standard(whsec(24)), standard(whsec(64)), standard(None), plain("k"), plain(None), plain("aw==", key_encoding="base64"),
     NoSigning(), StandardWebhooksSigning(secret=Secret("", fingerprint="f", is_kept=True))],
)  # fmt: skip
def test_good_absent_and_kept_secrets_pass(signing):
    assert check_key(signing) is None


@pytest.mark.parametrize("signing", [standard(None), plain(None)])
def test_nothing_is_signed_without_a_secret(signing):
    with pytest.raises(ValueError, match="no secret"):
        signer_of(signing)


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_generated_secrets_fit_and_hold_all_the_entropy(entropy):
    secret = generated_secret(entropy)
    check_key(standard(secret))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_")) == entropy


@pytest.mark.parametrize("setting", [CloudEventsFormat(), TamrFormat()])
def test_formats_are_signed_by_standard_webhooks(setting: FormatSetting):
    assert default_signing(setting) == StandardWebhooksSigning(secret=None)


def test_visier_signs_in_its_own_header():
    assert default_signing(VisierFormat()) == HmacSigning(
        header="x-visier-signature", algorithm="sha256", encoding="hex", prefix="", key=None, key_encoding="utf8"
    )
