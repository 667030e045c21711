"""What the API needs of the rest of the server; the composition root fills it in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tocsin.errors import TocsinError
from tocsin.model.endpoint import Standing
from tocsin.model.noun import Noun
from tocsin.model.submission import Accepted, Submission
from tocsin.operations.answers import IdempotentAnswers
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.backups import Backups
from tocsin.operations.consent import Consents
from tocsin.operations.deliveries import Deliveries
from tocsin.operations.doctor import Doctor
from tocsin.operations.drafts import Drafts
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.endpoint_lists import EndpointLists
from tocsin.operations.endpoints import Endpoints
from tocsin.operations.erasures import Erasures
from tocsin.operations.many_deliveries import ManyDeliveries
from tocsin.operations.master_key import MasterKey
from tocsin.operations.outgoing import Outgoing
from tocsin.operations.preview import Previews
from tocsin.operations.receipts import Receipts
from tocsin.operations.replays import Replays
from tocsin.operations.resuming import Resuming
from tocsin.operations.retention import Retention
from tocsin.operations.statistics import Statistics
from tocsin.operations.tails import Tails
from tocsin.operations.test_event import TestEvents
from tocsin.pipeline.intake import Door
from tocsin.ports import Views


class Services(Noun, frozen=True, kw_only=True):
    """One of each. `accept` gives refusals back or raises them, `submit` tells of them later or raises them; with a `door` producers hand
    in there instead; `ready` names what is not; `standing` is asked by endpoint number."""

    accept: Callable[[Submission], Awaitable[Accepted | TocsinError]]
    submit: Callable[[Submission, Callable[[Accepted | Exception], None]], None]
    door: Door | None
    receipts: Receipts
    answers: IdempotentAnswers
    keys: ApiKeys
    master_key: MasterKey
    endpoints: Endpoints
    consents: Consents
    codec: EndpointCodec
    deliveries: Deliveries
    many_deliveries: ManyDeliveries
    test_sending: TestEvents
    previews: Previews
    lists: EndpointLists
    drafts: Drafts
    resuming: Resuming
    replays: Replays
    retention: Retention
    erasures: Erasures
    backups: Backups
    doctor: Doctor
    views: Views
    out: Outgoing
    standing: Callable[[int], Standing | None]
    ready: Callable[[], Sequence[str]]
    tails: Tails
    statistics: Statistics
    now_ms: Callable[[], int]
