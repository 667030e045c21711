"""Secrets in an endpoint's settings: sealed in the store, fingerprints to people, kept when sent back."""

import json

import pytest

from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.errors import InvalidRequest, Misconfigured
from tocsin.model.authorization import BasicAuthorization
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning
from tocsin.operations.endpoint_codec import EndpointCodec

CODEC = EndpointCodec(AesSecretBox({1: b"k" * 32}))
SECRETS = ("pass-word-1", "sensitive-2", "signing-key-3")
DOCUMENT: dict[str, object] = {
    "name": "n",
    "url": "https://example.com/",
    "authorization": {"kind": "basic", "username": "ann", "password": "pass-word-1"},
    "headers": [
        {"name": "X-Plain", "value": "open"},
        {"name": "X-Secret", "value": "sensitive-2", "sensitive": True},
    ],
    "signing": {"kind": "hmac", "header": "x-sig", "key": "signing-key-3"},
}


def read() -> EndpointConfig:
    return CODEC.from_wire(DOCUMENT)


def test_people_see_fingerprints_and_plain_header_values() -> None:
    shown = CODEC.to_wire(read())
    text = json.dumps(shown)
    assert not any(secret in text for secret in SECRETS)
    headers = shown["headers"]
    assert isinstance(headers, tuple)
    assert headers[0] == {"name": "X-Plain", "value": "open", "sensitive": False}
    assert headers[1]["value"]["set"] is True
    assert len(headers[1]["value"]["fingerprint"]) >= 8


def test_the_store_sees_no_secret_and_gives_them_back() -> None:
    config = read()
    stored = CODEC.encode(config, "end_1")
    assert not any(secret.encode() in stored for secret in SECRETS)
    assert CODEC.decode(stored, "end_1") == config
    assert isinstance(config.authorization, BasicAuthorization)
    assert config.authorization.password.reveal() == "pass-word-1"
    assert CODEC.to_wire(CODEC.decode(stored, "end_1")) == CODEC.to_wire(config)


def test_sealed_secrets_open_only_for_their_endpoint_and_key() -> None:
    stored = CODEC.encode(read(), "end_1")
    with pytest.raises(Misconfigured):
        CODEC.decode(stored, "end_2")
    with pytest.raises(Misconfigured):
        EndpointCodec(AesSecretBox({1: b"o" * 32})).decode(stored, "end_1")


def test_what_was_read_can_be_sent_back() -> None:
    config = read()
    assert CODEC.from_wire(CODEC.to_wire(config), config) == config


def test_a_fingerprint_of_nothing_is_refused() -> None:
    shown = CODEC.to_wire(read())
    for present in (None, EndpointConfig(name="n", url="u")):
        with pytest.raises(InvalidRequest) as caught:
            CODEC.from_wire(shown, present)
        assert caught.value.errors[0].pointer == "/headers/1/value"


def test_a_secret_header_cannot_be_made_readable() -> None:
    config = read()
    shown = CODEC.to_wire(config)
    headers = shown["headers"]
    assert isinstance(headers, tuple)
    headers[1]["sensitive"] = False
    with pytest.raises(InvalidRequest) as caught:
        CODEC.from_wire(shown, config)
    assert caught.value.errors[0].pointer == "/headers/1/sensitive"


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("", "/signing/key"),
        (7, "/signing/key"),
        ({"set": True}, "/signing/key"),
        ({"set": False, "fingerprint": "x"}, "/signing/key"),
        ({"set": True, "fingerprint": "x", "more": 1}, "/signing/key"),
        ("x" * 8193, "/signing/key"),
    ],
)
def test_a_secret_is_a_text_or_what_was_read(value: object, pointer: str) -> None:
    document = DOCUMENT | {"signing": {"kind": "hmac", "header": "x-sig", "key": value}}
    with pytest.raises(InvalidRequest) as caught:
        CODEC.from_wire(document)
    assert caught.value.errors[0].pointer == pointer
    assert "Secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"rate_limit": {"requests": 0}}, "/rate_limit/requests"),
        ({"circuit": {"failures": 0}}, "/circuit/failures"),
        ({"authorization": {"kind": "ntlm"}}, "/authorization/kind"),
        ({"signing": {"kind": "jws"}}, "/signing/kind"),
        ({"signing": {"kind": "standard_webhooks", "algorithm": "rsa"}}, "/signing/algorithm"),
        ({"delivery": {"mode": "stream"}}, "/delivery/mode"),
        ({"format": {"kind": "xslt"}}, "/format/kind"),
        ({"format": {"kind": "template"}}, "/format/program"),
        ({"format": {"kind": "tamr", "tenant": "x"}}, "/format/tenant"),
        ({"filters": [{}, {"where": ""}]}, "/filters/1/where"),
        ({"filters": [{"states": ["done"]}]}, "/filters/0/states/0"),
        ({"filters": [{"event_types": []}]}, "/filters/0/event_types"),
        ({"timeout_seconds": 61}, "/timeout_seconds"),
        ({"max_in_flight": 0}, "/max_in_flight"),
        ({"retry": {"schedule_seconds": [-1]}}, "/retry/schedule_seconds/0"),
        ({"ordering": "strict"}, "/ordering"),
        ({"name": ""}, "/name"),
    ],
)
def test_settings_that_are_not_there_are_refused_by_name(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.from_wire(DOCUMENT | change)
    assert caught.value.errors[0].pointer == pointer


def test_new_secrets_have_the_fingerprint_that_people_read() -> None:
    assert CODEC.named("signing-key-3").fingerprint == _fingerprint(read())
    assert repr(CODEC.named("signing-key-3")) == "Secret(***)"
    assert CODEC.named("signing-key-3") == Secret("signing-key-3")


def _fingerprint(config: EndpointConfig) -> str:
    assert isinstance(config.signing, HmacSigning)
    assert config.signing.key is not None
    return config.signing.key.fingerprint
