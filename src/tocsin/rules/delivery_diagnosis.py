"""What is wrong with deliveries, endpoints and API keys: from facts to findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tocsin.model.access import ApiKey, Role
from tocsin.model.endpoint import Endpoint, Standing
from tocsin.model.finding import Finding, Severity
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.rules.consent import must_wait_for
from tocsin.rules.health import endpoint_state, paused_until

AT_MOST: Final = 20
"""Findings about endpoints of one kind; one more says how many are left."""
OLD_MS: Final = 3_600_000
SOON_MS: Final = 14 * 86_400_000
SHORT_MS: Final = 2 * 86_400_000
"""A key that was made for less than this is meant to expire: nobody is told of it."""


class Backlog(Noun, frozen=True, kw_only=True):
    """What is pending for an endpoint, and since when."""

    tenant: str
    endpoint_id: str
    pending: int
    oldest_at: Millis


def endpoint_findings(standings: Iterable[tuple[Endpoint, Standing]], now: Millis) -> Iterator[Finding]:
    """Endpoints that need somebody, those that stand still first."""
    found = [finding for endpoint, standing in standings if (finding := _endpoint_finding(endpoint, standing, now))]
    for severity in ("error", "warning", "note"):
        of_kind = [finding for finding in found if finding.severity == severity]
        yield from of_kind[:AT_MOST]
        if left := len(of_kind) - AT_MOST:
            yield from _and_more(left, severity) if left > 0 else ()


def _and_more(left: int, severity: Severity) -> Iterator[Finding]:
    yield Finding(
        severity=severity,
        code="endpoint.more",
        what=f"{left} more endpoints are in trouble.",
        why="Only the first ones are told of here.",
        remedy="`tocsin endpoints list --state failing`, and `paused`, and `disabled`.",
    )


def _endpoint_finding(endpoint: Endpoint, standing: Standing, now: Millis) -> Finding | None:
    state, reason = endpoint_state(endpoint.config.enabled, standing, now)
    named = f"{endpoint.tenant}/{endpoint.config.name}"
    if state == "disabled" and standing.stopped is not None:
        is_gone = standing.stopped == "gone"
        return Finding(
            severity="error",
            code="endpoint.disabled",
            about=endpoint.id,
            what=f"{named} was disabled: {'it answered 410' if is_gone else 'it failed for too long'}.",
            why="It gets nothing new, and what was pending for it is held.",
            remedy=f"Mend the receiver, `tocsin endpoints enable {endpoint.id}`, then replay what is missing.",
        )
    if standing.consent is not None and must_wait_for(standing.consent):
        return Finding(
            severity="warning",
            code="endpoint.consent",
            about=endpoint.id,
            what=f"{named} waits for its receiver to consent.",
            why="Nothing is sent before; its deliveries wait.",
            remedy="Ask the receiver again (POST /v1/endpoints/{id}/validate), or set validation to off.",
        )
    if state == "paused":
        until = paused_until(standing, now)
        return Finding(
            severity="note" if standing.failing_since is None else "warning",
            code="endpoint.paused",
            about=endpoint.id,
            what=f"{named} is paused{f' until {to_text(until)}' if until else ''}.",
            why=reason or "The receiver asked for it.",
            remedy="It goes on by itself; its deliveries wait.",
        )
    if state == "failing":
        since = f" since {to_text(standing.failing_since)}" if standing.failing_since else ""
        return Finding(
            severity="warning",
            code="endpoint.failing",
            about=endpoint.id,
            what=f"{named} has been failing{since}.",
            why=reason or "Its attempts fail.",
            remedy=f"See what it answers: `tocsin endpoints test {endpoint.id}`, or its last attempts.",
        )
    return None


def backlog_findings(backlogs: Sequence[Backlog], now: Millis) -> Iterator[Finding]:
    """Deliveries that have waited for long."""
    for backlog in backlogs[:AT_MOST]:
        age = now - backlog.oldest_at
        if age > OLD_MS:
            yield Finding(
                severity="warning",
                code="endpoint.backlog",
                about=backlog.endpoint_id,
                what=f"{backlog.pending} deliveries are pending for {backlog.tenant}/{backlog.endpoint_id}, the oldest for {age / OLD_MS:.0f} h.",
                why="Its receiver is slower than what comes, it fails, or it is disabled and holds them.",
                remedy=f"`tocsin endpoints stats {backlog.endpoint_id}` tells which; max_in_flight and rate_limit are its brakes. "
                f"`tocsin endpoints cancel-pending {backlog.endpoint_id}` gives them up.",
            )


def dead_finding(died: int, failing: Sequence[str]) -> Iterator[Finding]:
    """How many deliveries died in the last 24 hours; `failing` names endpoints that failed most."""
    if died:
        most = f" Most failures: {', '.join(failing)}." if failing else ""
        yield Finding(
            severity="warning",
            code="deliveries.dead",
            what=f"{died} deliveries died in the last 24 hours.",
            why=f"Their schedules were used up, or the receiver refused them for good.{most}",
            remedy="`tocsin deliveries list --state dead` tells why; once the receiver is mended, "
            "`tocsin replay start ENDPOINT --only dead` sends them again.",
        )


def key_findings(keys: Iterable[ApiKey], now: Millis) -> Iterator[Finding]:
    """API keys that expire soon, and were not made for a short time only."""
    valid = [key for key in keys if key.expires_at is None or key.expires_at > now]
    lasting = [key for key in valid if key.role is Role.OPERATOR and not _is_soon(key, now)]
    for key in valid:
        if key.expires_at is None or not _is_soon(key, now) or key.expires_at - key.created_at < SHORT_MS:
            continue
        is_last = key.role is Role.OPERATOR and not lasting
        yield Finding(
            severity="error" if is_last else "warning",
            code="key.expires",
            about=key.id,
            what=f"The API key {key.name} ({key.role.value}{f' of {key.tenant}' if key.tenant else ''}) expires at {to_text(key.expires_at)}.",
            why="No other operator key lasts longer." if is_last else "Whoever uses it is refused from then on.",
            remedy=f"`tocsin keys add NAME --role {key.role.value}`, hand it over, then `tocsin keys revoke {key.id}`.",
        )


def _is_soon(key: ApiKey, now: Millis) -> bool:
    return key.expires_at is not None and key.expires_at - now < SOON_MS
