"""HTTP message signatures: the vectors of RFC 9421, and an implementation by others that verifies ours."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import http_sf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, InvalidSignature, algorithms
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.secret import Secret
from tocsin.model.signing import HttpMessageSigning, PreviousSecret
from tocsin.model.times import to_text
from tocsin.rules.urls import target_of
from tocsin.signing import public_key_of, signer_of
from tocsin.signing.http_message import sf_key, sf_string, signature_base
from tocsin.signing.keys import signing_key

PAGE = (Path(__file__).parents[3] / "docs/reference/signing.md").read_text(encoding="utf-8")
NOW = 1764000000
BODY = b'{"hello": "world"}'
SHARED = "whsec_" + base64.b64encode(b"shared key of 24 bytes..").decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
SEED = "whsk_" + base64.b64encode(bytes(range(32))).decode()

# RFC 9421 appendix B.1.4 and B.1.5.
RFC_ED25519 = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----"""
RFC_SHARED = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
DATE = ("date", "Tue, 20 Apr 2021 02:07:55 GMT")
CONTENT_TYPE = ("content-type", "application/json")


def test_the_vector_of_hmac():
    """RFC 9421 appendix B.2.5."""
    covered, base = signature_base(
        [DATE, ("@authority", "example.com"), CONTENT_TYPE], ';created=1618884473;keyid="test-shared-secret"'
    )
    assert covered == '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    assert base == (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        '"@authority": example.com\n'
        '"content-type": application/json\n'
        '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    signature = signing_key("whsec_" + RFC_SHARED).sign(base.encode())
    assert base64.b64encode(signature) == b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_the_vector_of_ed25519():
    """RFC 9421 appendix B.2.6."""
    components = [DATE, ("@method", "POST"), ("@path", "/foo"), ("@authority", "example.com"), CONTENT_TYPE]
    _, base = signature_base([*components, ("content-length", "18")], ';created=1618884473;keyid="test-key-ed25519"')
    seed = load_pem_private_key(RFC_ED25519, None).private_bytes_raw()
    signature = signing_key("whsk_" + base64.b64encode(seed).decode()).sign(base.encode())
    assert base64.b64encode(signature) == (
        b"wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )


class Keys(HTTPSignatureKeyResolver):
    """One key, whatever it is called."""

    def __init__(self, key: object) -> None:
        self._key = key

    def resolve_public_key(self, key_id: str) -> object:
        assert key_id == "k-1"
        return self._key


def key_of(secret: str) -> object:
    """What a receiver verifies with."""
    public = public_key_of(secret)
    if public is None:
        return base64.b64decode(secret.removeprefix("whsec_"))
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))


def signing(secret: str, **settings: object) -> HttpMessageSigning:
    algorithm = "ed25519" if secret.startswith("whsk_") else "hmac-sha256"
    return HttpMessageSigning(**({"key_id": "k-1", "algorithm": algorithm} | settings), secret=Secret(secret))


def sent(setting: HttpMessageSigning, url: str, *, body: bytes = BODY, **more: str) -> SimpleNamespace:
    """A request as its receiver sees it."""
    target = target_of(url, "pool", allow_http=False)
    headers = (
        ("Content-Type", "application/json"),
        *((name.replace("_", "-"), value) for name, value in more.items()),
        ("webhook-id", "evt_1"),
        ("webhook-timestamp", str(NOW)),
        ("webhook-attempt", "1"),
    )
    signature = signer_of(setting, target).sign("evt_1", NOW, body, headers)
    return SimpleNamespace(
        method="POST",
        url=f"https://{target.authority}{target.path}",
        headers=dict(headers + signature),
        body=body,
    )


def verified(request: SimpleNamespace, secret: str, *, tag: str | None = None) -> dict[str, str]:
    """The components that were covered and have not changed. Raises InvalidSignature."""
    algorithm = algorithms.HMAC_SHA256 if secret.startswith("whsec_") else algorithms.ED25519
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=Keys(key_of(secret)))
    (result,) = verifier.verify(request, max_age=None, expect_tag=tag, body=request.body)
    return dict(result.covered_components)


@pytest.mark.parametrize("secret", [SHARED, SEED])
@pytest.mark.parametrize(
    ("url", "authority", "path", "query"),
    [
        ("https://Example.com", "example.com", "/", None),
        ("https://example.com:443/hook", "example.com", "/hook", None),
        ("https://example.com:8443/a%2fb/?x=1&y=%20", "example.com:8443", "/a%2fb/", "?x=1&y=%20"),
        ("https://[2001:db8::1]:8443/a?", "[2001:db8::1]:8443", "/a", "?"),
    ],
)
def test_others_verify_and_see_all_that_matters_covered(secret, url, authority, path, query):
    request = sent(signing(secret), url, ce_id="x y", ce_type="a.b")
    assert {name: value for name, value in verified(request, secret).items() if name != '"@signature-params"'} == {
        '"@method"': "POST",
        '"@authority"': authority,
        '"@path"': path,
        **({} if query is None else {'"@query"': query}),
        '"content-digest"': f"sha-256=:{base64.b64encode(sha256(BODY).digest()).decode()}:",
        '"content-type"': "application/json",
        '"ce-id"': "x y",
        '"ce-type"': "a.b",
        '"webhook-id"': "evt_1",
        '"webhook-timestamp"': str(NOW),
    }


@pytest.mark.parametrize("secret", [SHARED, SEED])
@pytest.mark.parametrize(
    "change",
    [
        {"body": b"{}"},
        {"method": "PUT"},
        {"url": "https://example.com/other?a=1"},
        {"url": "https://example.org/hook?a=1"},
        {"url": "https://example.com/hook?a=2"},
        {"headers": {"ce-id": "2"}},
        {"headers": {"Content-Type": "text/plain"}},
        {"headers": {"webhook-id": "evt_2"}},
        {"headers": {"webhook-timestamp": "0"}},
    ],
)
def test_whatever_is_covered_cannot_be_changed(secret, change):
    request = sent(signing(secret), "https://example.com/hook?a=1", ce_id="1")
    assert verified(request, secret)
    changed = vars(request) | change | {"headers": request.headers | change.get("headers", {})}
    with pytest.raises(InvalidSignature):
        verified(SimpleNamespace(**changed), secret)


def test_the_header_in_full():
    request = sent(signing(SHARED, key_id='a"\\', label="mine"), "https://example.com/hook")
    assert request.headers["Signature-Input"] == (
        'mine=("@method" "@authority" "@path" "content-digest" "content-type" "webhook-id" "webhook-timestamp")'
        f';created={NOW};keyid="a\\"\\\\";alg="hmac-sha256";tag="mine"'
    )
    assert request.headers["Signature"].startswith("mine=:")
    assert "keyid" not in sent(signing(SHARED, key_id=None), "https://example.com/").headers["Signature-Input"]


def test_the_page_shows_a_vector():
    vector = re.search(r"```text\nurl .*?```", PAGE, re.DOTALL).group()
    fields = dict(re.split(r"\s+", line, maxsplit=1) for line in vector.splitlines()[1:-1])
    signer = signer_of(
        signing(fields["secret"], key_id=fields["key_id"]), target_of(fields["url"], "pool", allow_http=False)
    )
    headers = (
        ("Content-Type", "application/json"),
        ("webhook-id", fields["webhook-id"]),
        ("webhook-timestamp", fields["created"]),
    )
    signed = signer.sign(fields["webhook-id"], int(fields["created"]), fields["body"].encode(), headers)
    assert dict(signed) == {name: fields[name] for name in ("Content-Digest", "Signature-Input", "Signature")}


@pytest.mark.parametrize("old", [OTHER, SEED])
def test_both_secrets_sign_until_the_old_one_ends(old):
    def request(end: int) -> SimpleNamespace:
        previous = PreviousSecret(secret=Secret(old), valid_until=to_text(end * 1000))
        return sent(signing(SHARED, previous=previous), "https://example.com/hook")

    during, after = request(NOW + 1), request(NOW)
    assert verified(during, SHARED, tag="tocsin")
    assert verified(during, old, tag="tocsin-previous")
    with pytest.raises(InvalidSignature):
        verified(during, OTHER, tag="tocsin")
    assert verified(after, SHARED)
    assert list(http_sf.parse(after.headers["Signature"].encode(), tltype="dictionary")) == ["tocsin"]


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_strings_are_read_back_by_others(text):
    assert http_sf.parse(sf_string(text).encode(), tltype="item")[0] == text


@pytest.mark.parametrize("text", ["a\n", "\x00", "ü", "\x7f"])
def test_what_cannot_be_a_string_is_refused(text):
    with pytest.raises(ValueError, match="printable ASCII"):
        sf_string(text)


@pytest.mark.parametrize("text", ["", "A", "1", "a\n", "a b", "a=b", "ü"])
def test_what_cannot_be_a_label_is_refused(text):
    with pytest.raises(ValueError, match="a label consists of"):
        sf_key(text)


@pytest.mark.parametrize("text", ["a", "*", "a-1_2.3*"])
def test_labels(text):
    assert sf_key(text) == text
    assert list(http_sf.parse(f"{text}=1".encode(), tltype="dictionary")) == [text]
