"""A delivery in words: where it stands, why, and the command that would send the same. Pure: from what the API shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final

from tocsin.model.noun import Noun
from tocsin.rules.redaction import MASK
from tocsin.ui import texts

MEANINGS: Final[Mapping[str, str]] = {
    "dns": "The receiver's name could not be resolved. Check the host in the URL, and the name server.",
    "connect": "No connection came about: nobody listens there, or a firewall is between.",
    "reset": "The receiver closed the connection before it had answered.",
    "timeout": "The whole exchange took longer than the endpoint's timeout. The receiver may have acted on it all the same.",
    "tls": "TLS failed: the certificate is not trusted, is of another name, or is expired.",
    "blocked": "The address is not one that this server may reach. The operator can allow networks.",
    "proxy": "The proxy on the way out refused, or could not be reached.",
    "token": "The token server gave no access token, so nothing was sent.",
    "protocol": "What came back was not HTTP that can be read.",
    "too_large": "The answer was too large to be read.",
}
_STATUSES: Final[Mapping[int, str]] = {
    401: "The receiver wants other credentials than the endpoint has.",
    403: "The receiver knows the credentials and does not allow it.",
    404: "There is nothing at this path of the receiver.",
    405: "The receiver takes no POST at this path.",
    410: "The receiver says that this endpoint is gone for good, which disables it.",
    413: "The receiver refuses a body of this size; sending it again would not help.",
    415: "The receiver refuses this content type; sending it again would not help.",
    429: "The receiver asks for fewer requests.",
    503: "The receiver is not available for the moment.",
}
_REASON: Final = re.compile(r"(schedule exhausted|too old) \((.+)\)")
_CAUSE: Final = re.compile(r"status (\d{3})\b|\((\w+)\)$")
MOST_INLINE: Final = 8192
"""A longer body is not written into a command."""


class Last(Noun, frozen=True, kw_only=True):
    """How the newest attempt of a delivery went."""

    started_at: str
    outcome: str
    status: int | None
    error: str | None
    total_ms: float


class DeliveryRow(Noun, frozen=True, kw_only=True):
    """A delivery as lists show it."""

    id: str
    tenant: str
    endpoint_id: str
    endpoint_name: str | None
    event_id: str
    event_type: str
    subject_type: str
    subject_id: str
    state: str
    in_flight: bool | None
    waits_for_order: bool
    reason: str | None
    attempt_count: int
    last_attempt: Last | None
    accepted_at: str
    event_erased: bool
    created_at: str
    next_attempt_at: str | None
    settled_at: str | None
    resend_of: str | None
    batch_id: str | None
    replay_id: str | None


class Told(Noun, frozen=True, kw_only=True):
    """A state in words: `word` has a look of its own, `note` follows it as it is, `at` is when the next attempt is due."""

    word: str
    note: str = ""
    at: str | None = None


class EndpointSeen(Noun, frozen=True, kw_only=True):
    """What of an endpoint says why its deliveries wait."""

    state: str
    state_reason: str | None = None
    paused_until: str | None = None


def told(row: DeliveryRow, endpoint: EndpointSeen | None) -> Told:
    """Where a delivery stands, to be read at a glance."""
    tried = f" ({row.attempt_count})" if row.attempt_count else ""
    if row.state != "pending":
        return Told(word=row.state, note=tried if row.attempt_count > 1 else "")
    if row.in_flight:
        return Told(word="in flight", note=f", attempt {row.attempt_count + 1}")
    if row.waits_for_order:
        return Told(word="waiting", note=" for an earlier one")
    word = "retrying" if row.attempt_count else "pending"
    if endpoint is not None and endpoint.state == "disabled":
        return Told(word=word, note=f"{tried}, endpoint disabled")
    if endpoint is not None and endpoint.state == "paused":
        at = max(endpoint.paused_until or "", row.next_attempt_at or "") or None
        return Told(word=word, note=f"{tried}, paused{', next' if at else ''}", at=at)
    if not row.attempt_count:
        return Told(word=word)
    return Told(word=word, note=f"{tried}, next", at=row.next_attempt_at)


def why(row: DeliveryRow, endpoint: EndpointSeen | None, retry_after: str | None = None) -> list[str]:
    """Why it is as it is, in sentences; `retry_after` is the header of the newest answer."""
    said = [_why_state(row, endpoint)]
    last = row.last_attempt
    if last is not None and last.outcome != "delivered" and row.state in {"pending", "dead"}:
        said.append(_meaning(last))
        if retry_after is not None and row.state == "pending":
            seconds = " s" if retry_after.isdigit() else ""
            said.append(f"It asked to be left in peace for a while (Retry-After: {retry_after}{seconds}).")
    if row.event_erased:
        said.append("The event was erased: only its place in the log is left, and it cannot be sent again.")
    return [sentence for sentence in said if sentence]


def _why_state(row: DeliveryRow, endpoint: EndpointSeen | None) -> str:
    match row.state:
        case "delivered":
            return "The receiver answered with a 2xx, which is all that counts." if row.attempt_count else ""
        case "dead":
            return _why_dead(row.reason or "")
        case "cancelled":
            return f"It was given up: {row.reason}." if row.reason else "It was given up."
        case _:
            return _why_pending(row, endpoint)


def _why_dead(reason: str) -> str:
    found = _REASON.fullmatch(reason)
    if found and found[1] == "too old":
        return f"It was older than the endpoint's longest age when its last attempt failed ({found[2]})."
    if found:
        return f"All waits of the endpoint's retry schedule were used; the last attempt failed ({found[2]})."
    if reason == "expired":
        return "It was pending for longer than what is pending is kept."
    return f"It was given up: {reason}." if reason else "It was given up."


def _why_pending(row: DeliveryRow, endpoint: EndpointSeen | None) -> str:
    if row.in_flight:
        return "A request is out; its outcome is not known yet."
    if row.waits_for_order:
        return "An earlier delivery about the same subject is not through yet, and the endpoint keeps their order."
    if endpoint is not None and endpoint.state == "disabled":
        return "The endpoint is disabled: what is pending for it is held until it is enabled."
    if endpoint is not None and endpoint.state == "paused":
        until = f" Nothing is sent before {texts.utc(endpoint.paused_until)}." if endpoint.paused_until else ""
        return f"The endpoint is paused: {endpoint.state_reason or 'its receiver asked for it.'}{until}"
    if row.attempt_count:
        return "It is tried again by the endpoint's retry schedule."
    if row.batch_id:
        return "It waits for its batch to be sent."
    return "It waits for its turn: no attempt was made yet."


def _meaning(last: Last) -> str:
    return MEANINGS.get(last.error or "", "") if last.status is None else _answered(last.status)


def _answered(status: int) -> str:
    more = _STATUSES.get(status) or ("Redirects are not followed." if 300 <= status < 400 else "")
    return f"The receiver answered {status}. {more}".strip()


def meaning_of(reason: str) -> str:
    """What the reason for which a delivery was given up says of its receiver; nothing where it says so itself."""
    cause = _CAUSE.search(reason)
    if cause is None:
        return ""
    return _answered(int(cause[1])) if cause[1] else MEANINGS.get(cause[2], "")


def as_curl(url: str, headers: Mapping[str, str], body: str | None, file: str) -> str:
    """The request for a shell. Secrets are variables; a body that is long, and one that is None, is taken from a file."""
    lines = [f"curl -X POST {shlex.quote(url)}"]
    for name, value in headers.items():
        if name.lower() in {"host", "content-length", "accept-encoding"}:
            continue
        if value == MASK:
            lines.append(f'-H {shlex.quote(f"{name}: ")}"${_variable(name)}"')
        else:
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    if body is not None and len(body) <= MOST_INLINE and "\0" not in body:
        lines.append(f"--data-raw {shlex.quote(body)}")
    else:
        lines.append(f"--data-binary @{file}")
    return " \\\n  ".join(lines)


def _variable(name: str) -> str:
    """The name of a shell's variable: letters, digits and `_`, no digit first."""
    return re.sub(r"\W|^(?=\d)", "_", name.upper(), flags=re.ASCII)
