"""Notices: what Tocsin itself has to tell. They become events, and go only to endpoints that name them."""

from __future__ import annotations

from typing import Final, Literal

from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun

NAMED: Final = 20
"""Deliveries that a `delivery.dead` names, at most."""

NoticeType = Literal[
    "endpoint.disabled", "endpoint.paused", "endpoint.recovered", "delivery.dead", "replay.finished", "report.refused"
]


class Notice(Noun, frozen=True, kw_only=True):
    """One of them, of one tenant: about an endpoint, a replay, or what was given up on. `about` is the subject id, `data` JSON
    with the `endpoint_id` concerned. Two with the same `once` are one. Time in ms."""

    type: NoticeType
    tenant: str
    about: str
    time: int
    data: bytes
    once: str


class Notices(Noun, frozen=True, kw_only=True):
    """Notices of one tenant, as they are handed to accept."""

    items: tuple[Notice, ...]


class EndpointNotice(Noun, frozen=True, kw_only=True):
    """The data of `endpoint.disabled`, `endpoint.paused` and `endpoint.recovered`. Times in RFC 3339."""

    endpoint_id: str
    name: str
    url: str
    reason: str | None
    paused_until: str | None = None
    failing_since: str | None = None


class DeadNotice(Noun, frozen=True, kw_only=True):
    """The data of `delivery.dead`: what was given up on for an endpoint within a minute. The first of them are named."""

    endpoint_id: str
    name: str
    count: int
    reasons: dict[str, int]
    delivery_ids: list[str]


class GivenUp(Noun, frozen=True, kw_only=True):
    """What was given up on for an endpoint (its number) within a minute, counted since 1970: how often for each reason, and the
    first of the deliveries."""

    endpoint: int
    endpoint_id: EndpointId
    tenant: str
    minute: int
    count: int
    reasons: dict[str, int]
    delivery_ids: list[str]


class ReplayNotice(Noun, frozen=True, kw_only=True):
    """The data of `replay.finished`."""

    replay_id: str
    endpoint_id: str
    state: str
    reason: str | None
    total: int
    done: int
    failed: int


class RefusedItem(Noun, frozen=True, kw_only=True):
    """One of an array that was refused: which one (from 0) and why."""

    index: int
    problem: dict[str, object]


class RefusalNotice(Noun, frozen=True, kw_only=True):
    """The data of `report.refused`: what was answered `queued` was refused in the end, as a whole (`problem`) or in parts."""

    receipt_id: str
    route: str
    received_at: str
    problem: dict[str, object] | None
    refused: list[RefusedItem]
