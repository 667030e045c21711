"""Asking receivers for their consent to deliveries, and taking it when they call back."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Literal, Protocol

import msgspec

from tocsin.errors import InvalidRequest, NotFound, StorageFull, StoreUnavailable
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.exchange import OutboundRequest
from tocsin.model.ids import Millis
from tocsin.model.notice import Notice
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.pipeline.prepare import Preparation
from tocsin.pipeline.send import send
from tocsin.ports import Elsewhere, Fenced, Holder, PromptSender, SecretBox, Wish
from tocsin.rules.consent import (
    Asking,
    asked_anew,
    consent_after,
    consent_by_callback,
    consent_for,
    hold_told,
    requested_rate,
    waits_for_consent,
)
from tocsin.rules.notices import endpoint_notice
from tocsin.telemetry import log

CALLBACK_PATH: Final = "/v1/consent/"
_CONTEXT: Final = "consent callback"
_NUMBER_BYTES: Final = 8
_MAX_TOKEN_LENGTH: Final = 512


class ConsentShown(Noun, frozen=True, kw_only=True):
    """What the receiver said to deliveries from `origin`; rates in requests per minute, null: no limit. `reason` is why there
    is no consent yet, `asks_again_at` when it is asked by itself."""

    state: Literal["none", "asked", "granted", "refused"]
    origin: str
    requested_rate_per_minute: int | None
    allowed_rate_per_minute: int | None
    asked_at: str | None
    granted_at: str | None
    asks_again_at: str | None
    reason: str | None


class KnownEndpoints(Protocol):
    """The endpoints as the workers know them, by number."""

    @property
    def prepared(self) -> Mapping[int, Preparation]: ...

    def standing(self, number: int) -> Standing | None: ...

    def consent(self, number: int, consent: Consent | None) -> Standing:
        """Set what the receiver of an endpoint said."""

    async def keep(self, holder: Holder, standing: Standing, notice: Notice | None = None) -> None:
        """Store how an endpoint stands, and what is told of it. Raises StoreUnavailable, StorageFull, Fenced."""


class Consents:
    """One question at a time to each receiver. `public_url` None: no callback is offered. `on_change` hears the number of an
    endpoint whose consent changed, once that is stored. Where another process may hold the endpoint, `elsewhere` tells it;
    `right` gives the right to write what concerns a tenant, `fenced` is told that it is gone."""

    def __init__(
        self,
        *,
        endpoints: KnownEndpoints,
        sender: PromptSender[OutboundRequest],
        box: SecretBox,
        origin: str,
        public_url: str | None,
        now_ms: Callable[[], Millis],
        on_change: Callable[[int], None],
        right: Callable[[str], Holder | None],
        fenced: Callable[[Holder], None],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._right = right
        self._fenced = fenced
        self._endpoints = endpoints
        self._sender = sender
        self._box = box
        self._origin = origin
        self._public_url = public_url
        self._now_ms = now_ms
        self._on_change = on_change
        self._elsewhere = elsewhere
        self._background: set[asyncio.Task[object]] = set()
        self._asking: dict[int, asyncio.Task[Consent | None]] = {}

    def follow(self, number: int, *, anew: bool = False) -> Consent | None:
        """Bring the consent of an endpoint in line with its settings, `anew` because they were changed; None when it needs
        none. Nothing has to be stored: a restart comes to the same."""
        preparation, present = self._endpoints.prepared.get(number), self._present(number)
        if preparation is None:
            return None
        consent = consent_for(preparation.endpoint.config, self._origin, present)
        if consent is not None and anew:
            consent = asked_anew(consent)
        if consent != present and not self._holds(preparation.endpoint):
            self._endpoints.consent(number, consent)
        elif consent != present:
            standing, notice = self._told(preparation.endpoint, consent)
            self._on_change(number)
            if notice is not None:
                self._in_background(self._keep(self._right(preparation.endpoint.tenant), standing, notice))
        return self._present(number)

    async def ask(self, number: int) -> Consent | None:
        """Ask the receiver now, or wait for the question that is out. None when the endpoint needs no consent."""
        task = self._asking.get(number)
        if task is None:
            task = self._asking[number] = asyncio.get_running_loop().create_task(self._ask(number))
            task.add_done_callback(lambda _: self._asking.pop(number, None))
        return await asyncio.shield(task)

    async def called_back(self, token: str, rate: str | None) -> Consent:
        """The receiver consents at the address that it was given, `rate` being its WebHook-Allowed-Rate. Raises NotFound when
        the address was not given to it for its present URL, InvalidRequest."""
        number, digest = self._opened(token)
        preparation, present = self._endpoints.prepared.get(number), self.follow(number)
        if (
            preparation is None
            or present is None
            or not hmac.compare_digest(digest, _digest(preparation.endpoint, present))
        ):
            raise NotFound
        consent = consent_by_callback(present, rate, preparation.endpoint.config.rate_limit, self._now_ms())
        if consent is None:
            raise InvalidRequest.at(
                "WebHook-Allowed-Rate", "It must be a positive number of requests per minute, or *."
            )
        await self._stand(preparation.endpoint, consent, is_callback=True)
        return consent

    async def heard(self, number: int, consent: Consent) -> None:
        """Another process was told by the receiver."""
        preparation, present = self._endpoints.prepared.get(number), self.follow(number)
        is_same = present is not None and (present.url, present.origin) == (consent.url, consent.origin)
        if preparation is not None and present is not None and is_same:
            told = msgspec.structs.replace(consent, is_told=present.is_told, is_required=present.is_required)
            await self._stand(preparation.endpoint, told, is_callback=True)

    async def close(self) -> None:
        """End what is under way."""
        asking = (*self._asking.values(), *self._background)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, number: int) -> Consent | None:
        preparation, asked = self._endpoints.prepared.get(number), self.follow(number)
        if preparation is None or asked is None:
            return None
        endpoint = preparation.endpoint
        asking = Asking(
            origin=asked.origin,
            rate=requested_rate(endpoint.config.rate_limit),
            callback=self._callback(endpoint, asked),
        )
        exchange = await send(self._sender, preparation.asking(asking.headers()))
        present = self._present(number)
        if present is None or (present.url, present.origin) != (asked.url, asked.origin):
            return present
        consent = consent_after(present, asking, exchange, self._now_ms())
        await self._stand(endpoint, consent)
        return consent

    async def _stand(self, endpoint: Endpoint, consent: Consent, *, is_callback: bool = False) -> None:
        """The answer to a question of a process that was fenced is dropped: the next holder asks again. What a receiver tells by itself
        is left to that one."""
        log.info("consent", endpoint=endpoint.id, state=consent.state, reason=consent.reason)
        if self._elsewhere is not None and not self._elsewhere.holds(endpoint):
            standing = self._endpoints.consent(endpoint.number, consent)
            await self._elsewhere.wish(Wish(endpoint=endpoint.number, consent=consent), standing)
            return
        standing, notice = self._told(endpoint, consent)
        is_here = await self._keep(self._right(endpoint.tenant), standing, notice)
        if not is_here and is_callback and self._elsewhere is not None:
            await self._elsewhere.wish(Wish(endpoint=endpoint.number, consent=consent), standing)
        self._on_change(endpoint.number)

    async def _keep(self, holder: Holder | None, standing: Standing, notice: Notice | None) -> bool:
        """False when another process holds the endpoint."""
        if holder is None:
            return False
        try:
            await self._endpoints.keep(holder, standing, notice)
        except Fenced:
            self._fenced(holder)
            return False
        except (StoreUnavailable, StorageFull) as error:
            log.error("standing.not_kept", problem=error.slug)
        return True

    def _told(self, endpoint: Endpoint, consent: Consent | None) -> tuple[Standing, Notice | None]:
        """The endpoint's standing with this consent, and what is told: that nothing is sent for want of it, and the end of
        that, each once."""
        present = self._present(endpoint.number)
        was_told = present is not None and present.is_told
        is_held = hold_told(consent) if endpoint.config.enabled or was_told else False
        if consent is not None and consent.is_told != is_held:
            consent = msgspec.structs.replace(consent, is_told=is_held)
        standing = self._endpoints.consent(endpoint.number, consent)
        if is_held == was_told:
            return standing, None
        if consent is not None and is_held:
            reason = waits_for_consent(consent)
            return standing, endpoint_notice("endpoint.paused", endpoint, self._now_ms(), reason)
        return standing, endpoint_notice("endpoint.recovered", endpoint, self._now_ms())

    def _holds(self, endpoint: Endpoint) -> bool:
        return self._elsewhere is None or self._elsewhere.holds(endpoint)

    def _in_background(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _present(self, number: int) -> Consent | None:
        standing = self._endpoints.standing(number)
        return None if standing is None else standing.consent

    def _callback(self, endpoint: Endpoint, consent: Consent) -> str | None:
        """Where the receiver may consent later. The address is a sealed note to ourselves: nobody else can make one, and nothing
        has to be kept for it."""
        if self._public_url is None:
            return None
        note = endpoint.number.to_bytes(_NUMBER_BYTES, "big") + _digest(endpoint, consent)
        token = base64.urlsafe_b64encode(self._box.seal(note, _CONTEXT)).decode().rstrip("=")
        return f"{self._public_url}{CALLBACK_PATH}{token}"

    def _opened(self, token: str) -> tuple[int, bytes]:
        """Raises NotFound."""
        try:
            sealed = base64.b64decode(
                token[:_MAX_TOKEN_LENGTH] + "=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
            note = self._box.open(sealed, _CONTEXT)
        except (ValueError, binascii.Error):
            raise NotFound from None
        return int.from_bytes(note[:_NUMBER_BYTES], "big"), note[_NUMBER_BYTES:]


def consent_shown(consent: Consent | None) -> ConsentShown | None:
    """A consent as people see it."""
    if consent is None:
        return None
    return ConsentShown(
        state=consent.state,
        origin=consent.origin,
        requested_rate_per_minute=consent.requested_rate,
        allowed_rate_per_minute=consent.allowed_rate,
        asked_at=_time(consent.asked_at),
        granted_at=_time(consent.granted_at),
        asks_again_at=_time(consent.next_at or None),
        reason=consent.reason,
    )


def _time(millis: Millis | None) -> str | None:
    return None if millis is None else to_text(millis)


def _digest(endpoint: Endpoint, consent: Consent) -> bytes:
    return hashlib.sha256(msgspec.json.encode((endpoint.id, consent.url, consent.origin))).digest()
