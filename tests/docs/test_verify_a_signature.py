"""The code on the page "Verify a signature" is run, against the specification's own example and against tampering."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable

import pytest
from tests.docs.repository_files import ROOT, snippets

# The example of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

KIT, BY_HAND, PUBLIC, PLAIN = [
    text for language, text in snippets(ROOT / "docs/how-to/verify-a-signature.md") if language == "python"
]


def defined(source: str) -> dict[str, Callable[..., object]]:
    names: dict[str, Callable[..., object]] = {}
    exec(compile(source, "verify-a-signature.md", "exec", dont_inherit=True), names)
    return names


def headers(**changed: str) -> dict[str, str]:
    given = {"webhook-id": WEBHOOK_ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": SIGNATURE}
    return given | {name.replace("_", "-"): value for name, value in changed.items()}


@pytest.mark.parametrize(
    ("given", "body", "now", "genuine"),
    [
        (headers(), BODY, TIMESTAMP, True),
        (headers(webhook_signature=f"v1a,AAAA v1,AAAA {SIGNATURE}"), BODY, TIMESTAMP + 300, True),
        (headers(), BODY, TIMESTAMP + 301, False),
        (headers(), BODY + b" ", TIMESTAMP, False),
        (headers(webhook_id="msg_other"), BODY, TIMESTAMP, False),
        (headers(webhook_timestamp=str(TIMESTAMP + 1)), BODY, TIMESTAMP, False),
        (headers(webhook_signature=SIGNATURE.replace("v1,", "v2,")), BODY, TIMESTAMP, False),
    ],
)
def test_by_hand(given: dict[str, str], body: bytes, now: int, genuine: bool) -> None:
    assert defined(BY_HAND)["is_genuine"](SECRET, given, body, now) is genuine


def test_with_a_public_key() -> None:
    """The request is that of `SIGNATURE`, the key and its signature are published by Svix."""
    is_genuine = defined(PUBLIC)["is_genuine"]
    key = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    mark = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    assert is_genuine(key, headers(webhook_signature=mark), BODY) is True
    assert is_genuine(key, headers(webhook_signature=f"{SIGNATURE} v1a,AAAA v1a,! {mark}"), BODY) is True
    assert is_genuine(key, headers(webhook_signature=mark), BODY + b" ") is False
    assert is_genuine(key, headers(), BODY) is False


def test_plain_header() -> None:
    is_genuine = defined(PLAIN)["is_genuine"]
    signature = hmac.new(b"key", BODY, "sha256").hexdigest()
    assert is_genuine("key", {"x-visier-signature": signature}, BODY) is True
    assert is_genuine("key", {"x-visier-signature": signature}, BODY + b" ") is False


def test_with_the_kit(capsys: pytest.CaptureFixture[str]) -> None:
    receive = defined(KIT)["receive"]
    timestamp = str(int(time.time()))
    signed = f"{WEBHOOK_ID}.{timestamp}.".encode() + BODY
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = "v1," + base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()
    good = headers(webhook_timestamp=timestamp, webhook_signature=signature)
    assert [receive(good, BODY), receive(good, BODY), receive(good, BODY + b" ")] == [204, 204, 401]
    assert capsys.readouterr().out == f"new: {BODY.decode()}\n"
