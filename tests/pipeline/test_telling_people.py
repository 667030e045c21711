"""Slack, Teams and mail over the real server and a real mail server: the same path as everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.kit.mail_servers import MailServer
from tests.kit.server import Client, Server
from tests.kit.waiting import until
from tests.kit.web import Say, WebServer

FROM = {"mail_from": "Tocsin <tocsin@example.com>"}
MAILBOX = "mailto:ann@example.com"
EMAIL = {"kind": "email", "subject_prefix": "[prod]"}


def report(server: Client, job_id: str = "job-1", state: str = "failed", **fields: object) -> None:
    body = {"job_id": job_id, "job_type": "load", "name": f"Load {job_id}", "state": state, **fields}
    assert server.post("/v1/jobs/reports", body).status == 202


def deliveries(server: Client, state: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = server.get(f"/v1/deliveries?state={state}&limit=500").json["items"]
    return items


def attempts(server: Client, state: str) -> Callable[[], list[dict[str, Any]] | None]:
    def look() -> list[dict[str, Any]] | None:
        found = deliveries(server, state)
        return server.get(f"/v1/deliveries/{found[0]['id']}").json["attempts"] if found else None

    return look


def mail_endpoint(server: Client, **fields: Any) -> Any:
    filters = [{"event_types": ["job.failed"]}]
    return server.endpoint(MAILBOX, **({"format": EMAIL, "filters": filters} | fields))


async def test_a_mail_is_a_delivery(start_server: Callable[..., Server]) -> None:
    with MailServer() as mails:
        server = start_server(smtp=mails.url(), **FROM)
        endpoint = mail_endpoint(server)
        assert endpoint["signing"] == {"kind": "none"}
        report(server, error={"reason": "BAD_FILE", "message": "Zeile 3: ü"})
        (attempt,) = await until(attempts(server, "delivered"))
        (mail,) = mails.mails
        assert mail.message["Subject"] == attempt["request"]["headers"]["Subject"] == "[prod] Load job-1 failed"
        assert "Zeile 3: ü" in mail.message.get_content()
        assert "Zeile 3: ü" in attempt["request"]["body"]
        assert attempt["request"]["url"] == MAILBOX
        assert (attempt["outcome"], attempt["response"]["status"]) == ("delivered", 250)
        assert attempt["address"] is None
        event = deliveries(server, "delivered")[0]["event_id"]
        assert mail.message["Message-ID"] == f"<{event}.{endpoint['id']}@example.com>"
        # resent, it is the same mail: a mail program shows it once
        assert server.post(f"/v1/deliveries/{deliveries(server, 'delivered')[0]['id']}/resend", {}).status == 202
        await until(lambda: len(mails.mails) == 2)
        assert mails.mails[1].message["Message-ID"] == mail.message["Message-ID"]


async def test_refused_for_now_it_is_tried_again_and_for_good_it_is_dead(start_server: Callable[..., Server]) -> None:
    replies = ["451 4.7.1 greylisted", None, "550 5.1.1 nobody here"]
    with MailServer(lambda stage, _: replies.pop(0) if stage == "rcpt" else None) as mails:
        server = start_server(smtp=mails.url(), **FROM)
        mail_endpoint(server, retry={"schedule_seconds": [0.05, 0.05]}, ordering="none")
        report(server)
        first, second = await until(attempts(server, "delivered"))
        assert (first["outcome"], first["response"]["status"], first["error"]["kind"]) == ("retry", 451, "status")
        assert first["response"]["body"] == "451 ann@example.com: 4.7.1 greylisted"
        assert (second["number"], second["outcome"]) == (2, "delivered")
        report(server, "job-2")
        (only,) = await until(attempts(server, "dead"))
        assert (only["outcome"], only["error"]["message"]) == ("rejected", "The mail server answered 550.")
        assert only["next_attempt_at"] is None
        assert deliveries(server, "dead")[0]["reason"] == "rejected with status 550"
        assert len(mails.mails) == 1


async def test_a_digest_is_one_mail_in_order(start_server: Callable[..., Server]) -> None:
    with MailServer() as mails:
        server = start_server(smtp=mails.url(), **FROM)
        mail_endpoint(server, delivery={"mode": "batch", "max_events": 7, "max_wait_seconds": 30})
        for number in range(7):
            report(server, f"job-{number}")
        await until(lambda: len(deliveries(server, "delivered")) == 7)
        (mail,) = mails.mails
        assert mail.message["Subject"] == "[prod] 7 events: 7 \u00d7 job.failed"
        named = [text for text in mail.message.get_content().splitlines() if text.startswith("- ")]
        assert named == [f"- Load job-{number} failed (JOB_FAILED)" for number in range(7)]
        shown = [server.get(f"/v1/deliveries/{one['id']}").json for one in deliveries(server, "delivered")]
        (batch_id,) = {one["batch_id"] for one in shown}
        assert mail.message["Message-ID"].startswith(f"<{batch_id}.end_")


@pytest.mark.parametrize("kind", ["slack", "teams"])
async def test_chats_get_one_message_or_a_digest(server: Server, kind: str) -> None:
    with WebServer(lambda _: Say(body=b"ok")) as web:
        for delivery in ({"mode": "realtime"}, {"mode": "batch", "max_events": 3, "max_wait_seconds": 30}):
            endpoint = server.endpoint(
                web.url, format={"kind": kind}, filters=[{"event_types": ["job.failed"]}], delivery=delivery
            )
            assert endpoint["signing"] == {"kind": "none"}
        for number in range(3):
            report(server, f"job-{number}", details="<!channel> **look**")
        await until(lambda: len(deliveries(server, "delivered")) == 6)
        bodies = [one.body.decode() for one in web.asked]
        assert sorted(body.count("failed (") for body in bodies) == [0, 0, 0, 3]
        assert {one.headers["content-type"] for one in web.asked} == {"application/json"}
        assert not any("webhook-signature" in one.headers for one in web.asked)
        assert all("<!channel>" not in body for body in bodies) or kind == "teams"
        assert all(json.loads(body) for body in bodies)


async def test_a_digest_that_is_refused_is_split(server: Server) -> None:
    said: list[int] = []

    def answer(asked: Any) -> Say:
        said.append(asked.body.decode().count("\u2022"))
        return Say(400 if said[-1] > 2 else 200)

    with WebServer(answer) as web:
        server.endpoint(
            web.url,
            format={"kind": "slack"},
            filters=[{"event_types": ["job.failed"]}],
            delivery={"mode": "batch", "max_events": 5, "max_wait_seconds": 30},
        )
        for number in range(5):
            report(server, f"job-{number}")
        await until(lambda: len(deliveries(server, "delivered")) == 5)
        assert said[0] == 5
        assert sorted(said[1:]) == [0, 2, 2, 3]


def test_without_a_mail_server_there_are_no_mailboxes(server: Server) -> None:
    answer = server.post("/v1/endpoints", {"name": "n", "url": MAILBOX, "format": EMAIL})
    assert answer.status == 422
    assert answer.json["errors"] == [
        {"pointer": "/url", "detail": "This server sends no mail: its operator has to set TOCSIN_SMTP."}
    ]


async def test_a_test_event_a_preview_and_the_catalogue(start_server: Callable[..., Server]) -> None:
    with MailServer() as mails:
        server = start_server(smtp=mails.url(), **FROM)
        endpoint = mail_endpoint(server)
        report(server)
        await until(lambda: bool(mails.mails))
        tested = server.post(f"/v1/endpoints/{endpoint['id']}/test", {"event_type": "record.updated"})
        assert (tested.status, tested.json["outcome"]) == (200, "delivered"), tested
        assert mails.mails[1].message["Subject"] == "[prod] Record r1 of customers was updated"
        shown = server.post(f"/v1/endpoints/{endpoint['id']}/preview", {}).json
        (seen,) = [one["request"] for one in shown["items"] if one["matches"]]
        assert seen["headers"] == {"Subject": "[prod] Load job-1 failed"}
        assert seen["body"].startswith("Load job-1 failed\n")
        failed = next(one for one in server.get("/v1/event-types").json["items"] if one["type"] == "job.failed")
        assert {"slack", "teams", "email"} <= set(failed["examples"])
        assert failed["examples"]["email"]["body"].startswith("Nightly load failed\n")
        assert failed["examples"]["slack"]["body"]["blocks"]


async def test_a_mail_server_that_was_taken_away(start_server: Callable[..., Server], tmp_path: Any) -> None:
    with MailServer() as mails:
        server = start_server(tmp_path / "mail.db", smtp=mails.url(), **FROM)
        mail_endpoint(server, retry={"schedule_seconds": []})
        server.stop()
        server = start_server(tmp_path / "mail.db")
        report(server)
        (attempt,) = await until(attempts(server, "dead"))
        assert attempt["error"]["message"] == "This server sends no mail: it has no TOCSIN_SMTP."


async def test_operational_events_reach_people(start_server: Callable[..., Server]) -> None:
    with MailServer() as mails, WebServer(lambda _: Say(410)) as web:
        server = start_server(smtp=mails.url(), **FROM)
        mail_endpoint(server, filters=[{"event_types": ["endpoint.*", "delivery.dead"]}])
        server.endpoint(web.url, name="Billing")
        report(server)
        await until(lambda: bool(mails.mails))
        assert mails.mails[0].message["Subject"] == "[prod] Endpoint Billing was disabled"
