"""A delivery in words: its state at a glance, why it is so, and the command that sends the same."""

from __future__ import annotations

import subprocess
from typing import Any

import msgspec
import pytest

from tocsin.rules.redaction import MASK
from tocsin.ui.delivery_words import DeliveryRow, EndpointSeen, Told, as_curl, meaning_of, told, why
from tocsin.ui.pages.delivery_filters import asked, flags, kept, moment, restored

NEXT = "2026-11-22T10:08:12.000Z"
FAILED = {"started_at": NEXT, "outcome": "retry", "status": 503, "error": "status", "total_ms": 3.0}
BLANK: dict[str, Any] = dict.fromkeys(DeliveryRow.__struct_fields__) | {
    "id": "dlv_1", "tenant": "t", "endpoint_id": "end_1", "event_id": "evt_1", "event_type": "a.b", "subject_type": "a",
    "subject_id": "1", "state": "pending", "in_flight": False, "waits_for_order": False, "attempt_count": 0,
    "accepted_at": NEXT, "created_at": NEXT, "event_erased": False,
}  # fmt: skip


def row(**fields: object) -> DeliveryRow:
    return msgspec.convert(BLANK | fields, DeliveryRow)


RETRYING = {"attempt_count": 3, "last_attempt": FAILED, "next_attempt_at": NEXT}
LATER = "2026-11-22T10:18:12.000Z"
PAUSED = EndpointSeen(state="paused", state_reason="The receiver answered 503.", paused_until=NEXT)


@pytest.mark.parametrize(
    ("fields", "endpoint", "said"),
    [
        ({}, None, Told(word="pending")),
        (RETRYING, None, Told(word="retrying", note=" (3), next", at=NEXT)),
        (RETRYING, EndpointSeen(state="failing"), Told(word="retrying", note=" (3), next", at=NEXT)),
        (RETRYING, PAUSED, Told(word="retrying", note=" (3), paused, next", at=NEXT)),
        (
            RETRYING,
            EndpointSeen(state="paused", paused_until=LATER),
            Told(word="retrying", note=" (3), paused, next", at=LATER),
        ),
        ({}, PAUSED, Told(word="pending", note=", paused, next", at=NEXT)),
        ({}, EndpointSeen(state="paused"), Told(word="pending", note=", paused")),
        ({}, EndpointSeen(state="disabled"), Told(word="pending", note=", endpoint disabled")),
        (RETRYING | {"in_flight": True}, None, Told(word="in flight", note=", attempt 4")),
        ({"waits_for_order": True}, None, Told(word="waiting", note=" for an earlier one")),
        ({"state": "delivered", "attempt_count": 1}, None, Told(word="delivered")),
        ({"state": "delivered", "attempt_count": 2}, None, Told(word="delivered", note=" (2)")),
        ({"state": "dead", "attempt_count": 9}, PAUSED, Told(word="dead", note=" (9)")),
        ({"state": "cancelled"}, None, Told(word="cancelled")),
    ],
)
def test_a_state_is_told_at_a_glance(fields: dict[str, object], endpoint: EndpointSeen | None, said: Told) -> None:
    assert told(row(**fields), endpoint) == said


@pytest.mark.parametrize(
    ("fields", "endpoint", "said"),
    [
        (RETRYING, PAUSED, "Nothing is sent before 2026-11-22 10:08:12.000 UTC."),
        (RETRYING, None, "It is tried again by the endpoint's retry schedule."),
        ({}, None, "no attempt was made yet"),
        ({"waits_for_order": True}, None, "keeps their order"),
        ({"in_flight": True}, None, "A request is out"),
        ({}, EndpointSeen(state="disabled"), "held until it is enabled"),
        ({"batch_id": "bat_1"}, None, "waits for its batch"),
        ({"state": "dead", "reason": "schedule exhausted (status 500)"}, None, "schedule were used; the last attempt failed (status 500)"),
        ({"state": "dead", "reason": "too old (timeout)"}, None, "older than the endpoint's longest age when its last attempt failed (timeout)"),
        ({"state": "dead", "reason": "expired"}, None, "longer than what is pending is kept"),
        ({"state": "dead", "reason": "rejected with status 413"}, None, "It was given up: rejected with status 413."),
        ({"state": "cancelled", "reason": "cancelled by hand"}, None, "It was given up: cancelled by hand."),
        ({"state": "delivered", "attempt_count": 1}, None, "2xx"),
        ({"state": "delivered", "event_erased": True}, None, "cannot be sent again"),
        (RETRYING | {"last_attempt": FAILED | {"status": None, "error": "tls"}}, None, "the certificate is not trusted"),
        (RETRYING | {"last_attempt": FAILED | {"status": 302}}, None, "Redirects are not followed."),
        (RETRYING | {"last_attempt": FAILED | {"status": 418}}, None, "The receiver answered 418."),
    ],
)  # fmt: skip
def test_why_is_told_in_sentences(fields: dict[str, object], endpoint: EndpointSeen | None, said: str) -> None:
    sentences = why(row(**fields), endpoint)
    assert said in " ".join(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("schedule exhausted (status 503)", "The receiver answered 503. The receiver is not available for the moment."),
        ("rejected with status 418", "The receiver answered 418."),
        ("too old (dns)", "The receiver's name could not be resolved. Check the host in the URL, and the name server."),
        ("expired", ""),
        ("because (of something else)", ""),
    ],
)
def test_a_reason_says_something_of_the_receiver(reason: str, said: str) -> None:
    assert meaning_of(reason) == said


def test_a_receiver_that_asks_for_peace_is_quoted() -> None:
    assert "(Retry-After: 240 s)" in " ".join(why(row(**RETRYING), None, "240"))
    assert (
        "(Retry-After: Thu, 26 Nov 2026 20:00:00 GMT)"
        in why(row(**RETRYING), None, "Thu, 26 Nov 2026 20:00:00 GMT")[-1]
    )
    assert "Retry-After" not in " ".join(why(row(state="delivered", attempt_count=1), None, "240"))


HOSTILE = 'it\'s "$HOME" `id` \\ \n; !x'


@pytest.mark.parametrize("body", [HOSTILE, "@file", "{}"])
def test_curl_is_given_the_very_bytes_by_a_shell(body: str) -> None:
    headers = {
        "Host": "h",
        "X-A": HOSTILE.replace("\n", ""),
        "Authorization": MASK,
        "X-Api-Token": MASK,
        "1`id`$(id)": MASK,
    }
    command = as_curl("https://example.com/?a='b'&c", headers, body, "file")
    assert command.startswith("curl -X POST ")
    printing = "printf '%s\\0' " + command.removeprefix("curl ")
    done = subprocess.run(
        ["/bin/sh", "-c", f"AUTHORIZATION='Bearer x'\nX_API_TOKEN=t\n_1_ID___ID_=u\n{printing}"],
        capture_output=True,
        check=True,
        text=True,
    )
    words = done.stdout.split("\0")[:-1]
    assert words == [
        "-X", "POST", "https://example.com/?a='b'&c",
        "-H", f"X-A: {headers['X-A']}", "-H", "Authorization: Bearer x", "-H", "X-Api-Token: t",
        "-H", "1`id`$(id): u",
        "--data-raw", body,
    ]  # fmt: skip


@pytest.mark.parametrize("body", ["x" * 9000, None])
def test_a_body_that_cannot_be_written_comes_from_a_file(body: str | None) -> None:
    assert as_curl("https://e.com/", {}, body, "dlv_1-1-request-body").endswith("--data-binary @dlv_1-1-request-body")


def test_filters_are_the_same_in_address_api_and_command() -> None:
    query = {"state": "dead", "subject_id": "a b", "last": "1h", "cursor": "x", "open": "dlv_1", "reason": ""}
    given = asked(query, 3_600_000)
    assert given == {"state": "dead", "subject_id": "a b", "since": "1970-01-01T00:00:00.000Z"}
    assert flags(given) == " --state dead --subject-id 'a b' --since 1970-01-01T00:00:00.000Z"
    assert restored(kept(query)) == {"state": "dead", "subject_id": "a b", "last": "1h"}
    assert asked({"since": "2026-11-22T10:00", "until": "x"}, 0) == {"since": "2026-11-22T10:00:00Z", "until": "x"}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T10:00", "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00:01", "2026-11-22T10:00:01Z"),
        ("2026-11-22T10:00:01.5", "2026-11-22T10:00:01.5Z"),
        (" 2026-11-22T10:00:01+01:00", "2026-11-22T10:00:01+01:00"),
        ("", ""),
    ],
)
def test_a_time_from_a_browser_is_utc(text: str, time: str) -> None:
    assert moment(text) == time
