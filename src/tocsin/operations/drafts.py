"""Drafts: endpoints that are looked at and tried before they are saved. Nothing is kept of one but that it was sent to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.errors import Conflict, InvalidRequest, NotFound
from tocsin.formats import SAMPLE_TYPES, Unrendered, sample_event, sample_for
from tocsin.model.attempt import Attempt
from tocsin.model.audit import Actor
from tocsin.model.batch import Batch
from tocsin.model.delivery import Claim, Delivery
from tocsin.model.endpoint import Batched, Endpoint, Standing
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Outbound
from tocsin.model.ids import EventId, IdMint, Millis
from tocsin.model.mail import MailFrom
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.operations.endpoint_codec import with_fields
from tocsin.operations.endpoints import Endpoints
from tocsin.operations.preview import Counted, Previews, WhyNot, why_not
from tocsin.operations.test_event import TestEvents
from tocsin.pipeline.mailing import preparation_of
from tocsin.pipeline.prepare import Preparation, pool_of, token_pool_of
from tocsin.pipeline.rendering import rendered
from tocsin.ports import Directory, Templates, Views

_NO_TOKEN: Final = Token(value="", expires_at=0, hidden=())
"""Stands for the token that a request would carry; it is masked where the request is shown."""
_NOT_CONSENTED: Final = (
    "The receiver has to consent before anything is sent to it: save the endpoint, then ask by POST .../validate."
)


class DraftPreview(Noun, frozen=True, kw_only=True):
    """What a draft would send for one event: `request` is it, if anything is. `why_not` None: the draft wants the event and can
    express it. `failure` is what is wrong with its template, `counted` how many of the newest events it wants."""

    event: Event
    is_sample: bool
    why_not: WhyNot | None
    failure: str | None
    request: Outbound | None
    counted: Counted | None


class Drafts:
    """Drafts of endpoints. `forget` closes the connections of a name."""

    def __init__(  # noqa: PLR0913 (its parts, by name)
        self,
        endpoints: Endpoints,
        previews: Previews,
        test_sending: TestEvents,
        *,
        views: Views,
        directory: Directory,
        templates: Templates,
        standing: Callable[[int], Standing | None],
        mint: IdMint,
        now_ms: Callable[[], Millis],
        origin: str,
        mail_from: MailFrom | None,
        forget: Callable[[str], None],
    ) -> None:
        self._endpoints = endpoints
        self._previews = previews
        self._test_sending = test_sending
        self._views = views
        self._directory = directory
        self._templates = templates
        self._standing = standing
        self._mint = mint
        self._now_ms = now_ms
        self._origin = origin
        self._mail_from = mail_from
        self._forget = forget

    async def preview(
        self, draft: Endpoint, event_type: str | None, event_id: EventId | None, *, count: int
    ) -> DraftPreview:
        """With a sample event of this type or an event that was accepted; without either, with a sample that the draft wants.
        Looks at the newest `count` events too. Raises NotFound, InvalidRequest."""
        preparation = preparation_of(draft, self._origin, self._mail_from)
        seen = with_fields(draft, active_from=-1, config=with_fields(draft.config, enabled=True))
        event = await self._event(draft, preparation, event_type, event_id)
        view = EventView(event)
        said = why_not(seen, preparation.renderer, view)
        request: Outbound | None = None
        failure: str | None = None
        if not event.is_erased and preparation.renderer.expresses(view):
            made = await self._request(preparation, view)
            if isinstance(made, Unrendered):
                said = "the template fails" if made.is_failure else "the template gives nothing"
                failure = made.reason if made.is_failure else None
            else:
                request = made
        return DraftPreview(
            event=event,
            is_sample=event_id is None,
            why_not=said,
            failure=failure,
            request=request,
            counted=await self._previews.counted(draft, count) if count else None,
        )

    async def test(self, draft: Endpoint, instead_of: Endpoint | None, event_type: str | None, *, by: Actor) -> Attempt:
        """Send a sample event to it now, by the same ways and under the same egress rules as every delivery. It is written down
        before that somebody did. Raises InvalidRequest, Conflict."""
        if draft.config.validation == "required" and not self._has_consent(draft, instead_of):
            raise Conflict(_NOT_CONSENTED)
        shown = self._endpoints.shown(draft)
        target = draft if instead_of is None else instead_of
        await self._directory.note(
            audit_entry(
                self._mint, self._now_ms(), by, "endpoint.draft_tested", target.id, tenant=draft.tenant, after=shown
            )
        )
        try:
            return await self._test_sending.send(draft, event_type)
        finally:
            pool = pool_of(draft.id, draft.revision)
            self._forget(pool)
            self._forget(token_pool_of(pool))

    def _has_consent(self, draft: Endpoint, instead_of: Endpoint | None) -> bool:
        standing = None if instead_of is None else self._standing(instead_of.number)
        consent = None if standing is None else standing.consent
        return consent is not None and consent.state == "granted" and consent.url == draft.config.url

    async def _event(
        self, draft: Endpoint, preparation: Preparation, event_type: str | None, event_id: EventId | None
    ) -> Event:
        if event_id is not None:
            found = await self._views.event(event_id, draft.tenant)
            if found is None:
                raise NotFound("There is no such event.")
            return found
        kind = event_type or _wanted(draft, preparation)
        event = sample_event(kind, tenant=draft.tenant, event_id=self._mint.event(), now=self._now_ms())
        if event is None:
            raise InvalidRequest.at("/event_type", "There is no such event type.")
        return event

    async def _request(self, preparation: Preparation, view: EventView) -> Outbound | Unrendered:
        """The first attempt's request, of a batch where the draft makes batches."""
        made = await rendered(preparation.renderer, view, self._templates)
        if isinstance(made, Unrendered):
            return made
        endpoint, now = preparation.endpoint, self._now_ms()
        token = None if preparation.token_source is None else _NO_TOKEN
        delivery = Delivery(
            number=0, id=self._mint.delivery(), tenant=endpoint.tenant, endpoint=0, lane=0, created_at=now
        )
        if not isinstance(endpoint.config.delivery, Batched):
            return preparation.request(delivery, view, now, token, rendered=made)
        batch = Batch(number=0, id=self._mint.batch(), tenant=endpoint.tenant, endpoint=0, lane=0, created_at=now)
        whole = preparation.batched([Claim(delivery=delivery, event=view.event)], [made.body])
        return preparation.batch_request(batch, whole, now, token)


def _wanted(draft: Endpoint, preparation: Preparation) -> str:
    """The first sample that the draft wants and can express, else one that it can express."""
    seen = with_fields(draft, active_from=-1, config=with_fields(draft.config, enabled=True))
    for kind in ("job.succeeded", "record.updated", *SAMPLE_TYPES):
        event = sample_event(kind, tenant=draft.tenant)
        if event is not None and why_not(seen, preparation.renderer, EventView(event)) is None:
            return kind
    return sample_for(preparation.renderer)
