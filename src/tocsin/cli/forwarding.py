"""An endpoint that exists only here: renders, signs and sends events as the server would, to a receiver on this machine."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import msgspec

from tocsin.api.cloudevents import is_json_type
from tocsin.api.shapes import EventShown
from tocsin.cli.inputs import Usage
from tocsin.config import load_settings
from tocsin.formats import Rendered
from tocsin.model.delivery import Delivery
from tocsin.model.endpoint import Endpoint, EndpointConfig, FormatSetting
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Exchange, OutboundRequest
from tocsin.model.filter import Filter
from tocsin.model.ids import DeliveryId, EndpointId, EventId
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, NoSigning, Signing, StandardWebhooksSigning
from tocsin.model.times import from_text
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.send import send
from tocsin.ports import PromptSender
from tocsin.rules.matching import wants
from tocsin.signing import default_signing
from tocsin.wiring.sending import make_sender

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (how secrets begin, not one)
_NOWHERE: Final = "http://localhost/"
_EVERYWHERE: Final = "0.0.0.0/0,::/0"
decode_event: Final = msgspec.json.Decoder(EventShown).decode


def stable_secret(api_key: str | None, url: str, tenant: str | None) -> str:
    """A signing secret that is the same each time for one key, server and tenant, and that tells nothing of the key."""
    place = f"tocsin listen\n{url}\n{tenant or ''}".encode()
    return SECRET_PREFIX + base64.b64encode(hmac.digest((api_key or "").encode(), place, hashlib.sha256)).decode()


def receiver_url(text: str) -> str:
    """Where to forward to: a URL, or what people write for one on this machine: `3000`, `localhost:3000/hooks`."""
    if text.isascii() and text.isdigit():
        return f"http://localhost:{text}/"
    return text if "://" in text else f"http://{text}"


def format_of(document: Mapping[str, object]) -> FormatSetting:
    """A format as the API takes it. Raises Usage for one that only the server, or a mail server, can make."""
    if document.get("kind") in {"template", "email"}:
        raise Usage(f"the format {document['kind']} cannot be made here: choose another one with --format")
    try:
        found: FormatSetting = msgspec.convert(document, FormatSetting)
    except msgspec.ValidationError as error:
        raise Usage(f"--format: {error}") from None
    return found


def filters_of(documents: object) -> tuple[Filter, ...]:
    """Filters as the API takes them."""
    try:
        return msgspec.convert(documents, tuple[Filter, ...])
    except msgspec.ValidationError as error:
        raise Usage(f"the filter is not right: {error}") from None


def signing_of(setting: FormatSetting, secret: str) -> Signing:
    """What the format signs with when nothing is said about it, with this secret."""
    signing = default_signing(setting)
    if isinstance(signing, HmacSigning):
        return msgspec.structs.replace(signing, key=Secret(secret))
    if isinstance(signing, StandardWebhooksSigning):
        key = secret.removeprefix(SECRET_PREFIX)
        try:
            base64.b64decode(key, validate=True)
        except binascii.Error:
            raise Usage("--secret: a secret of Standard Webhooks is whsec_ and base64") from None
        return msgspec.structs.replace(signing, secret=Secret(SECRET_PREFIX + key))
    return NoSigning()


class Forwarding:
    """Use it as a context. Sends one request at a time, and none twice; what it is given to send, no egress policy judges: it is
    the user's own machine."""

    def __init__(
        self,
        *,
        url: str | None,
        filters: Sequence[Filter],
        setting: FormatSetting,
        signing: Signing,
        tenant: str,
        timeout_seconds: float,
    ) -> None:
        """Raises Usage for a URL that is none."""
        config = EndpointConfig(
            name="listen",
            url=url or _NOWHERE,
            filters=tuple(filters),
            format=setting,
            signing=signing,
            timeout_seconds=timeout_seconds,
        )
        self._endpoint = Endpoint(
            number=0, id=EndpointId("listen"), tenant=tenant, revision=1, active_from=-1, created_at=0, config=config
        )
        try:
            self._preparation = Preparation(self._endpoint)
        except ValueError as error:
            raise Usage(f"--forward-to: {error}") from None
        self._count = 0

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._sender = self._runner.run(_sender())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._sender.close())
        self._runner.close()

    def wants(self, event: Event) -> bool:
        """Whether the filters take the event and the format can say it."""
        view = EventView(event)
        seen = msgspec.structs.replace(self._endpoint, tenant=event.tenant)
        return not event.is_erased and wants(seen, view) and self._preparation.renderer.expresses(view)

    def rendered(self, event: Event) -> Rendered:
        """The body, and what goes with it."""
        return self._preparation.rendered(EventView(event))

    def request(self, event: Event, now: int) -> OutboundRequest:
        """The request, signed at this time (ms)."""
        self._count += 1
        delivery = Delivery(
            number=self._count,
            id=DeliveryId("listen"),
            tenant=event.tenant,
            endpoint=0,
            lane=0,
            created_at=now,
        )
        made = self._preparation.request(delivery, EventView(event), now)
        assert isinstance(made, OutboundRequest)
        return made

    def send(self, request: OutboundRequest) -> Exchange:
        """What the receiver says to it."""
        return self._runner.run(self._sent(request))

    async def _sent(self, request: OutboundRequest) -> Exchange:
        await asyncio.sleep(0)  # What happened to kept connections since the last request is heard of before this one.
        return await send(self._sender, request)


async def _sender() -> PromptSender[OutboundRequest]:
    """It belongs to the loop that it is made in."""
    return make_sender(load_settings({"allow_networks": _EVERYWHERE, "allow_http": "true"}, {}))


def event_of(shown: EventShown) -> Event:
    """An event as it was before it was shown."""
    described, data, cloud = shown.cloudevent, b"", None
    is_base64 = not isinstance(shown.data_base64, msgspec.UnsetType)
    if not isinstance(shown.data, msgspec.UnsetType):
        data = bytes(shown.data)
    elif not isinstance(shown.data_base64, msgspec.UnsetType):
        data = base64.b64decode(shown.data_base64)
    if not isinstance(described, msgspec.UnsetType):
        has_data = is_base64 or not isinstance(shown.data, msgspec.UnsetType)
        if has_data and not is_base64 and not is_json_type(described.datacontenttype):
            data = msgspec.json.decode(data, type=str).encode()
        cloud = CloudContext(
            id=described.id,
            source=described.source,
            time=described.time,
            subject=described.subject,
            datacontenttype=described.datacontenttype,
            dataschema=described.dataschema,
            has_data=has_data,
            is_base64=is_base64,
            extensions=described.extensions,
        )
    return Event(
        id=EventId(shown.id),
        tenant=shown.tenant,
        type=shown.type,
        subject_type=shown.subject_type,
        subject_id=shown.subject_id,
        verb=shown.verb,
        time=from_text(shown.time),
        data=data,
        cloud=cloud,
        position=shown.position,
        accepted_at=from_text(shown.accepted_at),
    )
