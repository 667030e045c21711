"""Prepare: delivery and event become the exact bytes of a request. Pure: no I/O, the time is given.

Everything that depends only on the endpoint's revision is made once, in `Preparation`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.authorizing import authorization_headers
from tocsin.authorizing.oauth2 import Token, TokenSource, token_source
from tocsin.formats import Rendered, Renderer, Teller, Template, renderer_of
from tocsin.formats.batching import batch_content_type, batched
from tocsin.model.authorization import OAuth2Authorization
from tocsin.model.batch import Batch
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Endpoint, Tls
from tocsin.model.event_view import EventView
from tocsin.model.exchange import USER_AGENT, ClientTls, HeaderPairs, Outbound, OutboundRequest, Target
from tocsin.model.ids import EndpointId, Millis, plain_uuid
from tocsin.model.replay import Replay
from tocsin.model.signing import NoSigning
from tocsin.rules.proxies import endpoint_proxy
from tocsin.rules.redaction import MASK, spellings
from tocsin.rules.secret_fields import secrets_in
from tocsin.rules.urls import target_of
from tocsin.signing import signer_of

_ATTEMPT_BITS: Final = 20
_SPAN_MASK: Final = 2**64 - 1
_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Preparation:
    """An endpoint made ready for sending: where to, the fixed part of the head, its renderer and its signer. `pool` is the name of its
    connections; none where there are none that last."""

    __slots__ = (
        "_content_type",
        "_digest",
        "_fixed",
        "_hidden",
        "_secrets_sent",
        "_shown",
        "_signer",
        "_target",
        "endpoint",
        "pool",
        "renderer",
        "template",
        "token_source",
    )

    def __init__(self, endpoint: Endpoint, origin: str = "") -> None:
        """`origin` is the name under which receivers are asked for their consent; each request to one that was asked has it
        (CloudEvents HTTP 1.1 Web Hooks, section 4.1.2)."""
        config = endpoint.config
        self._render_by(endpoint)
        # Whether plain http may be used is judged when sending: the operator may have changed his mind since.
        self._target = msgspec.structs.replace(
            target_of(config.url, pool_of(endpoint.id, endpoint.revision), allow_http=True),
            tenant=endpoint.tenant,
            tls=_own_tls(config.tls),
            proxy=endpoint_proxy(config.proxy),
        )
        self.pool = self._target.pool
        self.token_source = _token_source(endpoint, self._target)
        self._signer = signer_of(config.signing or NoSigning(), self._target)
        own = tuple((row.name, row.value.reveal()) for row in config.headers if row.name.lower() != "content-type")
        self._content_type = next(
            (row.value.reveal() for row in config.headers if row.name.lower() == "content-type"), None
        )
        authorization = authorization_headers(config.authorization)
        start: HeaderPairs = (
            ("Host", self._target.authority),
            ("User-Agent", USER_AGENT),
            ("Accept-Encoding", "identity"),
            *(() if config.validation == "off" else (("WebHook-Request-Origin", origin),)),
        )
        sensitive = {row.name for row in config.headers if row.sensitive or row.name.lower() == "authorization"}
        masked = tuple((name, MASK if name in sensitive else value) for name, value in own)
        self._shown = (*start, *masked, *((name, MASK) for name, _ in authorization))
        self._secrets_sent = (
            *(value for name, value in own if name in sensitive),
            *(value for _, value in authorization),
        )
        self._hidden: tuple[bytes, ...] | None = None
        self._fixed = f"POST {self._target.path} HTTP/1.1\r\n{_lines((*start, *own, *authorization))}"

    def _render_by(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.renderer: Renderer | Template = renderer_of(endpoint.config)
        self.template = self.renderer if isinstance(self.renderer, Template) else None
        self._digest = self.renderer.digest if isinstance(self.renderer, Teller) else None

    def request(
        self,
        delivery: Delivery,
        view: EventView,
        now: Millis,
        token: Token | None = None,
        replay: Replay | None = None,
        rendered: Rendered | None = None,
    ) -> Outbound:
        """The request of the delivery's next attempt, with the access token where the endpoint asks for one, and the replay
        that the delivery belongs to. A template is evaluated elsewhere: what came of it is `rendered`."""
        webhook_id = delivery.id if replay is not None and replay.new_webhook_ids else view.event.id
        if rendered is None:
            rendered = self.rendered(view)
        number = delivery.attempts + 1
        trace = _traceparent(view, delivery, number)
        return self._outbound(webhook_id, number, now // 1000, trace, rendered, token, replay)

    def rendered(self, view: EventView) -> Rendered:
        """The event in the endpoint's format, which is not a template."""
        assert not isinstance(self.renderer, Template), "a template is evaluated elsewhere"
        return self.renderer.render(view)

    def member(self, view: EventView) -> bytes:
        """What an event adds to the body of a batch: nothing where the batch is a digest, which has a size of its own."""
        return b"" if self._digest is not None else self.rendered(view).body

    def batched(self, members: Sequence[Claim], bodies: Sequence[bytes]) -> Rendered:
        """A batch of these members, each with its body."""
        if self._digest is not None:
            return self._digest([EventView(member.event) for member in members])
        return batched(bodies, batch_content_type(self.endpoint.config.format) or "application/json")

    def batch_request(
        self, batch: Batch, rendered: Rendered, now: Millis, token: Token | None = None, replay: Replay | None = None
    ) -> Outbound:
        """The request of a batch's next attempt; `rendered` holds all its members."""
        number = batch.attempts + 1
        span = f"{(batch.number << _ATTEMPT_BITS | number) & _SPAN_MASK:016x}"
        trace = f"00-{plain_uuid(batch.id).replace('-', '')}-{span}-01"
        return self._outbound(batch.id, number, now // 1000, trace, rendered, token, replay)

    def _outbound(  # noqa: PLR0917 (the parts of a request, in their order)
        self,
        webhook_id: str,
        number: int,
        timestamp: int,
        trace: str,
        rendered: Rendered,
        token: Token | None,
        replay: Replay | None,
    ) -> Outbound:
        headers: HeaderPairs = (
            ("Content-Type", self._content_type or rendered.content_type),
            *rendered.headers,
            ("webhook-id", webhook_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-attempt", str(number)),
            ("traceparent", trace),
        )
        if replay is not None:
            headers += (("webhook-replay", replay.id),)
        headers += self._signer.sign(webhook_id, timestamp, rendered.body, headers)
        config = self.endpoint.config
        shown, hidden, bearer = self._shown, self._hidden, ""
        if hidden is None:
            hidden = self._hidden = self._spelled()
        if token is not None:
            bearer = f"Authorization: Bearer {token.value}\r\n"
            shown = (*shown, ("Authorization", MASK))
            hidden = tuple(sorted((*token.hidden, *hidden), key=len, reverse=True))
        return OutboundRequest(
            target=self._target,
            url=config.url,
            head=(self._fixed + bearer + _lines(headers)).encode("latin-1"),
            body=rendered.body,
            shown=shown + headers,
            timeout_seconds=config.timeout_seconds,
            hidden=hidden,
        )

    def _spelled(self) -> tuple[bytes, ...]:
        """What is hidden of answers. It is found out at the first request: most of the work of making an endpoint ready, and
        many endpoints have nothing to do when the server starts."""
        return spellings(
            (
                *(secret.reveal() for _, secret in secrets_in(self.endpoint.config)),
                *self._secrets_sent,
                *(value.partition(" ")[2] for value in self._secrets_sent),
            )
        )

    def asking(self, headers: HeaderPairs) -> OutboundRequest:
        """The request that asks the receiver for its consent. It has no credentials: they are not for somebody who may be a
        stranger; nor any of the endpoint's own headers."""
        shown: HeaderPairs = (
            ("Host", self._target.authority),
            ("User-Agent", USER_AGENT),
            ("Accept-Encoding", "identity"),
            *headers,
        )
        return OutboundRequest(
            target=self._target,
            url=self.endpoint.config.url,
            head=f"OPTIONS {self._target.path} HTTP/1.1\r\n{_lines(shown)}".encode("latin-1"),
            body=b"",
            shown=shown,
            timeout_seconds=self.endpoint.config.timeout_seconds,
        )


def _own_tls(tls: Tls | None) -> ClientTls | None:
    if tls is None or tls == Tls():
        return None
    return ClientTls(ca=tls.ca_pem, certificate=tls.client_cert_pem, key=tls.client_key_pem)


def _token_source(endpoint: Endpoint, target: Target) -> TokenSource | None:
    """Where the endpoint's access tokens come from: the same way out, a pool of its own."""
    config = endpoint.config
    if not isinstance(config.authorization, OAuth2Authorization):
        return None
    at = target_of(config.authorization.token_url, token_pool_of(target.pool), allow_http=True)
    at = msgspec.structs.replace(at, tenant=target.tenant, tls=target.tls, proxy=target.proxy)
    return token_source(endpoint.tenant, config.authorization, at, config.timeout_seconds)


def token_pool_of(pool: str) -> str:
    """The name of the connections to the token server of an endpoint whose own have this name."""
    return f"{pool}/token"


def pool_of(endpoint_id: EndpointId, revision: int) -> str:
    """The name of the connections that serve one revision of an endpoint."""
    return f"{endpoint_id}/{revision}"


def _lines(headers: HeaderPairs) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def _traceparent(view: EventView, delivery: Delivery, attempt: int) -> str:
    """W3C Trace Context: the producer's trace if its event names one, else one named after the event; each attempt is a
    span of its own."""
    before, behind = view.trace or _trace(view)
    return f"{before}{(delivery.number << _ATTEMPT_BITS | attempt) & _SPAN_MASK:016x}{behind}"


def _trace(view: EventView) -> tuple[str, str]:
    cloud = view.event.cloud
    given = cloud.extensions.get("traceparent") if cloud is not None else None
    if isinstance(given, str) and _TRACEPARENT.fullmatch(given):
        view.trace = given[:36], given[52:]
    else:
        view.trace = f"00-{plain_uuid(view.event.id).replace('-', '')}-", "-01"
    return view.trace
