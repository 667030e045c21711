"""One delivery: its attempts with what was sent and answered, why it is as it is, and what can be done."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ui.answers import Answer, Reply
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import segment
from tocsin.ui.delivery_words import DeliveryRow, EndpointSeen, as_curl, told, why
from tocsin.ui.drawing import Bars, timing
from tocsin.ui.pages.problem import confirmation
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute
from tocsin.ui.texts import millis_of

PATH: Final = "/ui/deliveries"
PARTS: Final = ("request-body", "response-body", "signed-text")
MEMBERS: Final = 20
SOON: Final = 60_000
"""In ms: when an attempt is so near, the page looks again every 3 seconds, else every 15."""
_PHASES: Final = (
    ("dns", "dns", "resolve"),
    ("connect", "connect", "connect"),
    ("tls", "tls", "tls"),
    ("wait", "first byte", "first_byte"),
)
_TRIFLE: Final = 0.05
"""Of an exchange, in ms: a rest that is shorter is not told."""


class Message(Noun, frozen=True, kw_only=True):
    """Headers and body of a request or a response; `body` None: it is not kept any more."""

    headers: dict[str, str]
    body: str | None
    body_encoding: str
    body_bytes: int
    kept_bytes: int

    @property
    def is_text(self) -> bool:
        return self.body_encoding == "utf-8"

    @property
    def is_whole(self) -> bool:
        return self.kept_bytes == self.body_bytes

    @property
    def as_text(self) -> str:
        """The body to be looked at: bytes that are no text are shown in hexadecimal, the first of them."""
        if self.body is None or self.is_text:
            return self.body or ""
        return base64.b64decode(self.body)[:1024].hex(" ", 2)


class Sent(Message, frozen=True, kw_only=True):
    """What was sent."""

    url: str


class Answered(Message, frozen=True, kw_only=True):
    """What came back."""

    status: int


class Phases(Noun, frozen=True, kw_only=True):
    """How long each took, in ms."""

    resolve: float | None
    connect: float | None
    tls: float | None
    first_byte: float | None
    total: float


class Wrong(Noun, frozen=True, kw_only=True):
    """Why an attempt failed."""

    kind: str
    message: str
    reason: str | None = None


class Phase(Noun, frozen=True, kw_only=True):
    """A part of an exchange: its colour, its name, how long it took (ms)."""

    kind: str
    name: str
    millis: float


class AttemptSeen(Noun, frozen=True, kw_only=True):
    """One attempt."""

    id: str
    number: int
    started_at: str
    outcome: str
    error: Wrong | None
    request: Sent
    response: Answered | None
    timings_ms: Phases
    address: str | None
    next_attempt_at: str | None
    bodies_removed: bool

    @property
    def phases(self) -> list[Phase]:
        """One after the other; what is left of the whole is reading the answer, or waiting for one that did not come."""
        taken = self.timings_ms
        found = [(kind, words, getattr(taken, name)) for kind, words, name in _PHASES]
        shown = [Phase(kind=kind, name=words, millis=value) for kind, words, value in found if value is not None]
        rest = round(taken.total - sum(one.millis for one in shown), 2)
        if rest >= _TRIFLE:
            kind, words = ("read", "rest of the answer") if self.response else ("late", "no answer")
            shown.append(Phase(kind=kind, name=words, millis=rest))
        return shown

    @property
    def bar(self) -> Bars:
        """The phases as a drawing."""
        return timing([(one.kind, one.millis) for one in self.phases])

    @property
    def retry_after(self) -> str | None:
        """What the receiver said of when to come again."""
        headers = self.response.headers if self.response else {}
        return next((value for name, value in headers.items() if name.lower() == "retry-after"), None)

    @property
    def is_signed(self) -> bool:
        names = {name.lower() for name in self.request.headers}
        return bool(names & {"webhook-signature", "signature-input"} or any("signature" in name for name in names))


class WithAttempts(DeliveryRow, frozen=True, kw_only=True):
    """A delivery with its attempts."""

    attempts: tuple[AttemptSeen, ...]


class Member(Noun, frozen=True, kw_only=True):
    """Another delivery of the same batch."""

    id: str
    event_type: str
    subject_type: str
    subject_id: str
    state: str


class Members(Noun, frozen=True, kw_only=True):
    """Some of them."""

    items: tuple[Member, ...] = ()
    next_cursor: str | None = None


class New(Noun, frozen=True, kw_only=True):
    """A delivery just made."""

    id: str


async def _show(request: UiRequest) -> Answer:
    """The name in the address may end in `~` and the number of the attempt that is shown whole; else it is the last one."""
    delivery_id, _, wanted = request.parts["delivery_id"].partition("~")
    found = await request.api.read(f"/v1/deliveries/{segment(delivery_id)}", WithAttempts)
    endpoint, members = await asyncio.gather(_endpoint(request, found.endpoint_id), _members(request, found.batch_id))
    attempt = next((one for one in found.attempts if str(one.number) == wanted), None)
    if attempt is None and found.attempts:
        attempt = found.attempts[-1]
    stands = told(found, endpoint)
    return page(
        request,
        "delivery.html",
        title=f"{found.event_type} {found.subject_id}",
        command=f"tocsin deliveries show {found.id}",
        delivery=found,
        told=stands,
        pace=_pace(found, stands.at, request.now),
        endpoint_state="" if endpoint is None else endpoint.state,
        why=why(found, endpoint, found.attempts[-1].retry_after if found.attempts else None),
        attempt=attempt,
        members=members,
        curl=None if attempt is None else _curl(found.id, attempt),
    )


def _pace(row: DeliveryRow, at: str | None, now: Millis) -> str:
    """In how many seconds a page looks again; nothing once the delivery is through."""
    if row.state != "pending":
        return ""
    is_near = row.in_flight or (millis_of(at) - now < SOON if at else not row.attempt_count)
    return "3" if is_near else "15"


def _curl(delivery_id: str, attempt: AttemptSeen) -> str:
    sent = attempt.request
    body = sent.body if sent.is_text and sent.is_whole else None
    return as_curl(sent.url, sent.headers, body, f"{delivery_id}-{attempt.number}-{PARTS[0]}")


async def _endpoint(request: UiRequest, endpoint_id: str) -> EndpointSeen | None:
    answer = await request.api.get(f"/v1/endpoints/{segment(endpoint_id)}")
    return answer.read(EndpointSeen) if answer.is_ok else None


async def _members(request: UiRequest, batch_id: str | None) -> Members:
    if batch_id is None:
        return Members()
    return await request.api.read("/v1/deliveries", Members, {"batch": batch_id, "limit": MEMBERS})


async def _resend(request: UiRequest) -> Answer:
    return await resend(request, request.parts["delivery_id"])


async def resend(request: UiRequest, delivery_id: str) -> Reply:
    """A new delivery; then back to where it was asked for, else to it."""
    answer = await request.api.change("POST", f"/v1/deliveries/{segment(delivery_id)}/resend")
    made = answer.read(New)
    return request.back(f"{PATH}/{made.id}", f"Resent, as {made.id}.")


async def _cancel(request: UiRequest) -> Answer:
    delivery_id = request.parts["delivery_id"]
    here = f"{PATH}/{segment(delivery_id)}"
    if not request.is_confirmed:
        return confirmation(
            request,
            question="Cancel this delivery?",
            detail="1 delivery will not be sent any more; a request that is out may still succeed.",
            button="Cancel it",
            back=request.url(here),
        )
    await request.api.change("POST", f"/v1/deliveries/{segment(delivery_id)}/cancel")
    return request.back(here, "The delivery is cancelled.")


async def _bytes(request: UiRequest) -> Answer:
    """Exact bytes, to be saved: whatever they are, the browser does not show them as a page."""
    delivery_id, number, part = (segment(request.parts[name]) for name in ("delivery_id", "number", "part"))
    answer = await request.api.change("GET", f"/v1/deliveries/{delivery_id}/attempts/{number}/{part}")
    return saved(answer.body, f"{delivery_id}-{number}-{part}")


def saved(body: bytes, name: str) -> Reply:
    """Bytes as a file; `name` is made of ids and words of ours."""
    disposition = f'attachment; filename="{name}"'.encode("ascii", "replace")
    return Reply(body=body, content_type="application/octet-stream", headers=((b"content-disposition", disposition),))


ROUTES: Final = (
    UiRoute(method="GET", path=f"{PATH}/{{delivery_id}}", page=_show),
    UiRoute(method="POST", path=f"{PATH}/{{delivery_id}}/resend", page=_resend),
    UiRoute(method="POST", path=f"{PATH}/{{delivery_id}}/cancel", page=_cancel),
    UiRoute(method="GET", path=f"{PATH}/{{delivery_id}}/attempts/{{number}}/{{part}}", page=_bytes, is_whole=False),
)
