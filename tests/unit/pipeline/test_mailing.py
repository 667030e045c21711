"""The exact mail of a delivery: read back by a mail program's parser, it says what was meant and nothing else."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.format_builders import TIME, job, job_event

from tocsin.model.batch import Batch
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Batched, EmailFormat, Endpoint, EndpointConfig
from tocsin.model.event_view import EventView
from tocsin.model.exchange import OutboundMail
from tocsin.model.ids import BatchId, DeliveryId, EndpointId, ReplayId
from tocsin.model.mail import MailFrom
from tocsin.model.replay import Replay, ReplayState
from tocsin.pipeline.mailing import MailPreparation, preparation_of
from tocsin.pipeline.prepare import Preparation

FROM = MailFrom(name="Töcsin, Inc.", address="tocsin@example.com")
NAMES = ["From", "To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]  # fmt: skip
DELIVERY = Delivery(number=1, id=DeliveryId("dlv_1"), tenant="t", endpoint=1, lane=0, created_at=TIME)
hostile = st.sampled_from(["\r\nBcc: eve@evil.example\r\n\r\nx", "=?utf-8?q?a=0D=0ABcc:_eve=40evil.example?=", "\n.\n", "\x85", "\u2028", "\ud800", "=?"])  # fmt: skip
texts = st.lists(hostile | st.text(max_size=40), max_size=8).map("".join)


def endpoint(url: str = "mailto:ann@example.com,bob@example.org", **config: object) -> Endpoint:
    setting = EndpointConfig(name="Ops", url=url, format=EmailFormat(subject_prefix="[prod]"), **config)
    return Endpoint(
        number=1, id=EndpointId("end_1"), tenant="t", revision=1, active_from=0, created_at=0, config=setting
    )


def mail_of(made: object) -> tuple[OutboundMail, EmailMessage]:
    assert isinstance(made, OutboundMail)
    assert made.message.isascii()
    assert all(len(line) <= 998 for line in made.message.split(b"\r\n"))
    assert b"\n" not in made.message.replace(b"\r\n", b"")
    return made, email.message_from_bytes(made.message, policy=email.policy.default)


def content(message: EmailMessage) -> str:
    text: str = message.get_content()
    return text.replace("\r\n", "\n")


def test_a_mail() -> None:
    preparation = preparation_of(endpoint(timeout_seconds=7), "hooks.example", FROM)
    view = EventView(job_event(job("failed", "running", error=("X", "Grüße"))))
    made, message = mail_of(preparation.request(msgspec.structs.replace(DELIVERY, attempts=3), view, TIME))
    assert (made.sender, made.recipients) == ("tocsin@example.com", ("ann@example.com", "bob@example.org"))
    assert (made.url, made.timeout_seconds) == ("mailto:ann@example.com,bob@example.org", 7)
    assert message["From"].addresses[0].display_name == FROM.name
    assert message["From"].addresses[0].addr_spec == FROM.address
    assert message["To"] == "ann@example.com, bob@example.org"
    assert message["Subject"] == "[prod] Evening load failed"
    assert message["Date"] == "Sun, 22 Nov 2026 11:00:00 +0000"
    assert message["Message-ID"] == f"<{view.event.id}.end_1@example.com>"
    assert message["List-Id"] == "<end_1.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert sorted(message.keys()) == sorted(NAMES)
    assert content(message) == made.body.decode()
    assert "Grüße" in content(message)
    assert dict(made.shown)["Subject"] == message["Subject"]


def test_the_same_mail_at_each_attempt_and_another_where_it_is_asked_for() -> None:
    preparation = preparation_of(endpoint(), "hooks.example", FROM)
    view = EventView(job_event(job("failed", "running")))
    _, first = mail_of(preparation.request(DELIVERY, view, TIME))
    _, again = mail_of(preparation.request(msgspec.structs.replace(DELIVERY, attempts=1), view, TIME + 60_000))
    assert first["Message-ID"] == again["Message-ID"]
    assert first["Date"] != again["Date"]
    replay = Replay(
        number=1, id=ReplayId("rpl_1"), tenant="t", endpoint=1, endpoint_id=EndpointId("end_1"), state=ReplayState.RUNNING,
        reason=None, filters=(), only="all", rate_per_second=None, new_webhook_ids=True, since=None, until=None, position=0,
        last=9, total=1, made=0, done=0, failed=0, created_at=0, finished_at=None,
    )  # fmt: skip
    _, new = mail_of(preparation.request(DELIVERY, view, TIME, replay=replay))
    assert new["Message-ID"] == "<dlv_1.end_1@example.com>"


def test_a_digest_is_one_mail() -> None:
    preparation = preparation_of(endpoint(delivery=Batched()), "hooks.example", FROM)
    events = [job_event(job("failed", "running")), job_event(job("succeeded", "running"))]
    claims = [Claim(delivery=DELIVERY, event=event) for event in events]
    bodies = [preparation.member(EventView(event)) for event in events]
    assert bodies == [b"", b""]
    batch = Batch(number=1, id=BatchId("bat_1"), tenant="t", endpoint=1, lane=0, created_at=0)
    _, message = mail_of(preparation.batch_request(batch, preparation.batched(claims, bodies), TIME))
    assert message["Subject"] == "[prod] 2 events: 1 \u00d7 job.failed, 1 \u00d7 job.succeeded"
    assert message["Message-ID"] == "<bat_1.end_1@example.com>"


def test_other_urls_are_prepared_for_http() -> None:
    other = msgspec.structs.replace(endpoint(), config=EndpointConfig(name="n", url="https://a.example/"))
    assert type(preparation_of(other, "hooks.example", FROM)) is Preparation
    assert type(preparation_of(endpoint(), "hooks.example")) is MailPreparation


@given(texts, texts, texts)
@settings(deadline=None, max_examples=50)
def test_nothing_that_an_event_says_becomes_a_header(name: str, reason: str, words: str) -> None:
    def sound(text: str) -> str:
        return text.encode(errors="replace").decode()

    snapshot = msgspec.structs.replace(
        job("failed", "running", error=(sound(reason)[:63] or "x", sound(words * 30))), name=sound(name)
    )
    made, message = mail_of(
        preparation_of(endpoint(), "hooks.example", FROM).request(DELIVERY, EventView(job_event(snapshot)), TIME)
    )
    assert sorted(message.keys()) == sorted(NAMES)
    assert message["To"] == "ann@example.com, bob@example.org"
    assert "\n" not in message["Subject"]
    assert content(message) == made.body.decode()
    assert " ".join(message["Subject"].split()) == " ".join(dict(made.shown)["Subject"].split())
