"""What stands before accept when there is a replicated intake: a submission as it was sent, where it stands, and its receipt."""

from __future__ import annotations

from tocsin.errors import TocsinError
from tocsin.model.noun import Noun
from tocsin.model.submission import IdempotencyKey, Submission


class Sent(Noun, frozen=True, kw_only=True):
    """What a producer sent, without what only its connection needs: route, what tells how to read the body, and the body."""

    route: str
    content_type: str
    ce: dict[str, str]
    body: bytes


class Handed(Noun, frozen=True, kw_only=True, omit_defaults=True):
    """A submission on its way through the intake. `node` names the process that took it and waits for its verdict, `number` grows with each
    that it hands in: by these two it is recognised. Everything is there that deciding needs, as its producer sent it. Nobody waits for
    the verdict of one that `is_queued` from the beginning."""

    node: str
    number: int
    tenant: str
    received_at: int
    sent: Sent
    idempotency: IdempotencyKey | None = None
    is_queued: bool = False


class Arrival(Noun, frozen=True, kw_only=True):
    """Something that was handed in, at its place in the intake: `sequence` grows within a partition."""

    partition: int
    sequence: int
    content: bytes


class IntakeCursor(Noun, frozen=True, kw_only=True):
    """How far a partition of the intake was accepted. `numbers`: the highest number of each node that was among it, the node that was heard
    of last in the end: what comes again is recognised by them."""

    sequence: int
    numbers: dict[str, int] = {}


class IntakeState(Noun, frozen=True, kw_only=True):
    """The intake as its servers tell it. `incarnation` names it: one that was made anew has another. `last` is the sequence that was given
    last, `held_bytes` what is kept of `max_bytes`; of `replicas` copies `in_sync` have everything."""

    incarnation: str
    last: int
    held: int
    held_bytes: int
    max_bytes: int
    replicas: int
    in_sync: int
    server: str
    is_atomic: bool
    faults: tuple[str, ...] = ()


class Taking(Noun, frozen=True, kw_only=True):
    """A submission that is to be accepted, at its place, as its node numbered it. One that cannot even be read is the problem it has.
    `receipt` is its id; what comes of one that `is_late` its producer cannot have heard."""

    partition: int
    sequence: int
    node: str
    number: int
    tenant: str
    receipt: str
    route: str
    received_at: int
    submission: Submission | TocsinError
    is_late: bool


class Receipt(Noun, frozen=True, kw_only=True):
    """What came of a submission: the answer, or the problem if the status is an error; nothing of it was kept when `body` is
    empty. Time in ms."""

    id: str
    tenant: str
    at: int
    status: int
    body: bytes
