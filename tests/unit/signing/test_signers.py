from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.endpoint import (
    CloudEventsFormat,
    EmailFormat,
    FormatSetting,
    SlackFormat,
    TamrFormat,
    TeamsFormat,
    VisierFormat,
)
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, NoSigning, PreviousSecret, StandardWebhooksSigning
from tocsin.rules.urls import target_of
from tocsin.signing import SECRET_BYTES, Signer, check_key, default_signing, generated_key, public_key_of
from tocsin.signing import signer_of as signer_for
from tocsin.signing.keys import SharedKey

PAGE = (Path(__file__).parents[3] / "docs/reference/signing.md").read_text(encoding="utf-8")
TARGET = target_of("https://example.com/hook", "pool", allow_http=False)
PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED_ID, PUBLISHED_TIME, PUBLISHED_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
PUBLISHED_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

# Published by Svix, whose server is where v1a comes from; the signature is also the example of the specification.
ED25519 = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
ED25519_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ED25519_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def whsec(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def signer_of(signing) -> Signer:
    return signer_for(signing, TARGET)


def standard(secret: str | None) -> StandardWebhooksSigning:
    return StandardWebhooksSigning(secret=None if secret is None else Secret(secret))


def ed25519(secret: str | None) -> StandardWebhooksSigning:
    return StandardWebhooksSigning(algorithm="ed25519", secret=None if secret is None else Secret(secret))


def until(seconds: str, secret: str) -> PreviousSecret:
    """An old secret that ends at 1970-01-01T00:00 and so many seconds."""
    return PreviousSecret(secret=Secret(secret), valid_until=f"1970-01-01T00:00:{seconds}Z")


def plain(key: str | None = "k", **settings: str) -> HmacSigning:
    return HmacSigning(**({"header": "x-sig"} | settings), key=None if key is None else Secret(key))


@pytest.mark.parametrize(
    ("signing", "signature"),
    [
        (standard(PUBLISHED), PUBLISHED_SIGNATURE),
        (ed25519(ED25519), ED25519_SIGNATURE),
        (ed25519("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="), ED25519_SIGNATURE),
    ],
)
def test_the_published_vectors(signing, signature):
    signed = signer_of(signing).sign(PUBLISHED_ID, PUBLISHED_TIME, PUBLISHED_BODY, ())
    assert signed == (("webhook-signature", signature),)


def test_the_public_key_of_the_published_vector():
    assert public_key_of(ED25519) == ED25519_PUBLIC
    assert public_key_of(PUBLISHED) is None


def test_the_page_shows_the_vectors():
    standard_vector = re.search(r"```text\nsecret .*?```", PAGE, re.DOTALL).group()
    fields = dict(re.split(r"\s+", line, maxsplit=1) for line in standard_vector.splitlines()[1:-1])
    signed = signer_of(standard(fields["secret"])).sign(
        fields["webhook-id"], int(fields["webhook-timestamp"]), fields["body"].encode(), ()
    )
    assert signed == (("webhook-signature", fields["webhook-signature"]),)
    for line in (ED25519, ED25519_PUBLIC, ED25519_SIGNATURE):
        assert f" {line}\n" in PAGE
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
        (standard(ED25519), "must start with whsec_"),
        (ed25519(PUBLISHED), "must start with whsk_"),
        (
            ed25519("whsk_" + base64.b64encode(bytes(31)).decode()),
            "32 bytes (a seed) or 64 (seed and public key), not 31",
        ),
        (ed25519("whsk_" + base64.b64encode(bytes(33)).decode()), "not 33"),
        (ed25519("whsk_" + base64.b64encode(bytes(64)).decode()), "does not belong to its seed"),
        (ed25519("whsk_!"), "is not base64"),
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
    secret = generated_key(standard(None), entropy)
    check_key(standard(secret))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_")) == entropy
    private = generated_key(ed25519(None), entropy)
    check_key(ed25519(private))
    held = base64.b64decode(private.removeprefix("whsk_"))
    assert held[:32] == entropy
    assert public_key_of(private) == "whpk_" + base64.b64encode(held[32:]).decode()
    for encoding in ("utf8", "base64"):
        key = generated_key(plain(None, key_encoding=encoding), entropy)
        check_key(plain(key, key_encoding=encoding))
        assert base64.b64decode(key + "=" * (-len(key) % 4), validate=True) == entropy


@given(seed=st.binary(min_size=32, max_size=32), body=st.binary())
def test_the_public_key_verifies(seed, body):
    secret = "whsk_" + base64.b64encode(seed).decode()
    ((_, value),) = signer_of(ed25519(secret)).sign("evt_1", 7, body, ())
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key_of(secret).removeprefix("whpk_")))
    public.verify(base64.b64decode(value.removeprefix("v1a,")), b"evt_1.7." + body)


def test_both_secrets_sign_until_the_old_one_ends():
    new, old = whsec(24), ED25519
    signing = StandardWebhooksSigning(secret=Secret(new), previous=until("05.500", old))

    def signatures(timestamp: int) -> list[str]:
        ((name, value),) = signer_of(signing).sign("evt_1", timestamp, b"body", ())
        assert name == "webhook-signature"
        return value.split(" ")

    def alone(one, timestamp: int) -> str:
        return signer_of(one).sign("evt_1", timestamp, b"body", ())[0][1]

    assert signatures(5) == [alone(standard(new), 5), alone(ed25519(old), 5)]
    assert signatures(6) == [alone(standard(new), 6)]


def test_the_old_key_of_a_plain_header_signs_in_a_header_of_its_own():
    signing = HmacSigning(header="X-Sig", prefix="p=", key=Secret("new"), previous=until("05", "old"))
    new, old = (hmac.new(key, b"body", "sha256").hexdigest() for key in (b"new", b"old"))
    assert signer_of(signing).sign("evt_1", 4, b"body", ()) == (("X-Sig", f"p={new}"), ("X-Sig-previous", f"p={old}"))
    assert signer_of(signing).sign("evt_1", 5, b"body", ()) == (("X-Sig", f"p={new}"),)


@pytest.mark.parametrize("setting", [CloudEventsFormat(), TamrFormat()])
def test_formats_are_signed_by_standard_webhooks(setting: FormatSetting):
    assert default_signing(setting) == StandardWebhooksSigning(secret=None)


@pytest.mark.parametrize("setting", [SlackFormat(), TeamsFormat(), EmailFormat()])
def test_formats_for_people_are_not_signed(setting: FormatSetting):
    assert default_signing(setting) == NoSigning()


def test_visier_signs_in_its_own_header():
    assert default_signing(VisierFormat()) == HmacSigning(
        header="x-visier-signature", algorithm="sha256", encoding="hex", prefix="", key=None, key_encoding="utf8"
    )


@given(st.binary(max_size=200), st.binary())
def test_a_shared_key_makes_the_hmac_of_the_standard_library_each_time(key: bytes, body: bytes) -> None:
    shared = SharedKey(key)
    assert [shared.sign(body), shared.sign(b""), shared.sign(body)] == [
        hmac.digest(key, data, "sha256") for data in (body, b"", body)
    ]
