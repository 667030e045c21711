"""`listen`: events on a developer's machine, live, in any format, signed; nothing is made on the server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.text import Text

from tocsin.api.shapes import EventShown
from tocsin.cli.arrivals import print_body
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.endpoint_flags import Format
from tocsin.cli.following import end_on_sigterm, followed
from tocsin.cli.forwarding import (
    Forwarding,
    decode_event,
    event_of,
    filters_of,
    format_of,
    receiver_url,
    signing_of,
    stable_secret,
)
from tocsin.cli.inputs import Usage, secret_argument, settings
from tocsin.cli.lists import Document, one, part, parts, text
from tocsin.cli.output import console, print_json, visible
from tocsin.cli.reporting import Flag
from tocsin.cli.tail import Many, begun_line, dropped_line
from tocsin.client.streaming import Message
from tocsin.model.endpoint import FormatSetting
from tocsin.model.event import Event
from tocsin.model.exchange import Exchange, OutboundRequest
from tocsin.model.secret import Secret
from tocsin.model.signing import Signing
from tocsin.model.times import to_text

_REMEMBERED: Final = 10_000
_BODY_SHOWN: Final = 500


def listen(  # noqa: PLR0913 (each is a wish of its own)
    *,
    forward_to: str | None = None,
    like: str | None = None,
    format: Format | None = None,  # noqa: A002 (the option's name)
    format_setting: Many = None,
    event_type: Many = None,
    subject_type: Many = None,
    subject_id: Many = None,
    where: str | None = None,
    secret: Annotated[str | None, Parameter(env_var="TOCSIN_LISTEN_SECRET", show_default=False)] = None,
    receiver_timeout: float = 15.0,
    after: int | None = None,
    count: int | None = None,
    no_body: Flag = False,
    connection: Connection = HERE,
) -> int:
    """Receive events on this machine, live: no tunnel, no endpoint, and nothing is left behind. Ctrl-C ends it.

    `tocsin listen --forward-to localhost:3000/hooks --format tamr`. Each event is made into the request that an endpoint of this
    format would be sent, signed, and sent to that address, once: it is not retried. Without an address it is only shown.

    :param forward_to: A receiver's address: `3000`, `localhost:3000/hooks`, or a URL.
    :param like: Id of an endpoint whose filters and format are taken. What is sent to it again, by resend or replay, comes here too.
    :param format: Payload format.
    :param format_setting: key=value of the format; may be repeated.
    :param event_type: Only events of this type; a glob (`job.*`); may be repeated.
    :param subject_type: Only events about this: `job`, `record`, ...; may be repeated.
    :param subject_id: Only events about this one; may be repeated.
    :param where: Only events for which this CEL expression holds.
    :param secret: Signing secret; also @file, env:NAME, or - to be asked. Without it there is one that stays the same.
    :param receiver_timeout: Seconds to wait for the receiver.
    :param after: Begin with the events behind this position.
    :param count: End after so many events.
    :param no_body: One line for each event only.
    """
    source: Document = {} if like is None else one(connection.request("GET", f"/v1/endpoints/{like}"))
    setting = format_of(_format(source, format, format_setting))
    given = secret_argument(secret, "--secret") if secret else None
    signing = signing_of(setting, given or stable_secret(connection.api_key, connection.url, connection.tenant))
    named: dict[str, object] = {
        "event_types": event_type,
        "subject_types": subject_type,
        "subject_ids": subject_id,
        "where": where,
    }
    condition = {name: value for name, value in named.items() if value}
    if condition and like is not None:
        raise Usage("--like takes the endpoint's filters: no other ones go with it")
    listening = _Listening(
        connection,
        Forwarding(
            url=None if forward_to is None else receiver_url(forward_to),
            filters=filters_of([condition] if condition else source.get("filters", [])),
            setting=setting,
            signing=signing,
            tenant="",
            timeout_seconds=receiver_timeout,
        ),
        like=like,
        is_forwarding=forward_to is not None,
        with_body=not no_body,
        begin=lambda: _tell_begin(connection, forward_to, text(source, "name"), setting, signing),
    )
    # An endpoint's operator sees one tenant's events by it, whoever asks.
    query = {
        "kind": "event" if like is None else None,
        "event_type": ",".join(event_type) if event_type else None,
        "after": None if after is None else str(after),
    }
    if like is not None:
        query["tenant"] = text(source, "tenant")
    end_on_sigterm()
    try:
        listening.run(query, count)
    except KeyboardInterrupt:
        return 0
    return 0


def _format(source: Document, kind: Format | None, texts: list[str] | None) -> Mapping[str, object]:
    if kind is None and source:
        if texts:
            raise Usage("--format-setting goes with --format")
        return part(source, "format")
    return {"kind": kind or "cloudevents", **settings(texts, "--format-setting")}


def _tell_begin(
    connection: Connection, forward_to: str | None, like: str, setting: FormatSetting, signing: Signing
) -> None:
    """What happens from now on, and the secret to verify with."""
    kind = str(msgspec.to_builtins(setting)["kind"])
    secret = msgspec.to_builtins(signing, enc_hook=Secret.reveal)
    value = secret.get("secret") or secret.get("key")
    if connection.is_json:
        print_json({"kind": "listening", "forward_to": forward_to, "format": kind, "secret": value}, line=True)
        return
    screen = console(stderr=True)
    where = f", forwarding to {receiver_url(forward_to)}" if forward_to else ""
    screen.print(f"Listening for events as {kind}{where} (Ctrl-C ends it)", style="bold", soft_wrap=True)
    if like:
        screen.print(f"Filters and format are those of {visible(like)}.", soft_wrap=True)
    if value:
        screen.print(Text.assemble("Signing secret: ", (str(value), "bold yellow")), soft_wrap=True)


class _Listening:
    """What is shown and sent, one after another."""

    def __init__(
        self,
        connection: Connection,
        forwarding: Forwarding,
        *,
        like: str | None,
        is_forwarding: bool,
        with_body: bool,
        begin: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._forwarding = forwarding
        self._like = like
        self._is_forwarding = is_forwarding
        self._with_body = with_body
        self._begin: Callable[[], None] | None = begin
        self._screen = console()
        self._seen: dict[str, str] = {}
        """The delivery to the endpoint that is listened to, by event; empty as long as there was none."""

    def run(self, query: Mapping[str, str | None], count: int | None) -> None:
        """Until so many were shown."""
        left = count
        with self._forwarding:
            for message in followed(self._connection, query):
                if message.name == "watching" and self._begin is not None:
                    self._begin()
                    self._begin = None
                if message.name == "dropped":
                    self._tell_dropped(message)
                for event in self._events(message):
                    if not self._forwarding.wants(event):
                        continue
                    self._receive(event)
                    left = None if left is None else left - 1
                    if left == 0:
                        return

    def _events(self, message: Message) -> list[Event]:
        """A new event, or one that is sent to the endpoint again."""
        if message.name == "event":
            return [self._remember(decode_event(message.text))]
        if message.name == "attempt" and text(message.data, "endpoint_id") == self._like:
            return self._sent_again(message.data)
        return []

    def _remember(self, shown: EventShown) -> Event:
        self._seen[shown.id] = ""
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return event_of(shown)

    def _sent_again(self, seen: Document) -> list[Event]:
        """Events of first attempts, save those of deliveries that their acceptance brought about."""
        if text(part(seen, "attempt"), "number") != "1":
            return []
        found: list[Event] = []
        for delivery in parts(seen, "deliveries"):
            event_id, delivery_id = text(delivery, "event_id"), text(delivery, "id")
            known = self._seen.get(event_id)
            if known in {"", delivery_id}:
                self._seen[event_id] = delivery_id
            else:
                again = one(self._connection.request("GET", f"/v1/events/{event_id}"))
                found.append(event_of(decode_event(json.dumps(again))))
        return found

    def _receive(self, event: Event) -> None:
        request = self._forwarding.request(event, time.time_ns() // 1_000_000)
        exchange = self._forwarding.send(request) if self._is_forwarding else None
        if self._connection.is_json:
            print_json(_document(event, request, exchange), line=True)
        else:
            self._print(event, request, exchange)

    def _print(self, event: Event, request: OutboundRequest, exchange: Exchange | None) -> None:
        line = begun_line(to_text(event.accepted_at), "", event.type, event.subject_id)
        if exchange is not None:
            line.append_text(_answer(exchange))
        self._screen.print(line, soft_wrap=True)
        if exchange is None and self._with_body:
            print_body(self._screen, dict(request.shown), request.body)
        elif exchange is not None and exchange.response is not None and exchange.response.status >= 300:
            said = exchange.response.body[:_BODY_SHOWN].decode("utf-8", "backslashreplace")
            if said:
                self._screen.print(Text(visible(f"  {said}"), "dim"), soft_wrap=True)

    def _tell_dropped(self, message: Message) -> None:
        if self._connection.is_json:
            print_json({"kind": "dropped", "dropped": message.data}, line=True)
        else:
            self._screen.print(dropped_line(message), soft_wrap=True)


def _answer(exchange: Exchange) -> Text:
    """What the receiver said."""
    took = f" in {exchange.timings.total:.0f} ms"
    if exchange.response is not None:
        status = exchange.response.status
        return Text.assemble("-> ", (str(status), "green" if status < 300 else "red"), took)
    failure = exchange.failure
    return Text.assemble("-> ", (f"{failure.kind}: {visible(failure.message)}" if failure else "", "red"), took)


def _document(event: Event, request: OutboundRequest, exchange: Exchange | None) -> dict[str, object]:
    """All of it, for programs. `body` is the decoded JSON, else text."""
    try:
        body: object = json.loads(request.body)
    except (ValueError, RecursionError):
        body = request.body.decode("utf-8", "backslashreplace")
    response, failure = (None, None) if exchange is None else (exchange.response, exchange.failure)
    return {
        "kind": "event",
        "event": {
            "id": event.id,
            "tenant": event.tenant,
            "type": event.type,
            "subject_type": event.subject_type,
            "subject_id": event.subject_id,
            "position": event.position,
        },
        "request": {"url": request.url, "headers": dict(request.shown), "body": body},
        "status": None if response is None else response.status,
        "error": None if failure is None else {"kind": failure.kind, "message": failure.message},
        "total_ms": None if exchange is None else exchange.timings.total,
    }
