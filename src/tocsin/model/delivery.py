"""A delivery: the duty to bring one event to one endpoint. Everything that moves its state is in this file."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tocsin.model.event import Event
from tocsin.model.ids import DeliveryId
from tocsin.model.noun import Noun


class DeliveryState(StrEnum):
    """Where a delivery stands. In flight is not a state: it is what its holder is doing."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What can happen to a delivery."""

    SUCCEED = "succeed"
    RETRY = "retry"
    GIVE_UP = "give_up"
    CANCEL = "cancel"


TRANSITIONS: Final[Mapping[tuple[DeliveryState, Step], DeliveryState]] = {
    (DeliveryState.PENDING, Step.SUCCEED): DeliveryState.DELIVERED,
    (DeliveryState.PENDING, Step.RETRY): DeliveryState.PENDING,
    (DeliveryState.PENDING, Step.GIVE_UP): DeliveryState.DEAD,
    (DeliveryState.PENDING, Step.CANCEL): DeliveryState.CANCELLED,
    (DeliveryState.CANCELLED, Step.SUCCEED): DeliveryState.DELIVERED,
    (DeliveryState.CANCELLED, Step.RETRY): DeliveryState.CANCELLED,
    (DeliveryState.CANCELLED, Step.GIVE_UP): DeliveryState.CANCELLED,
    (DeliveryState.DEAD, Step.SUCCEED): DeliveryState.DELIVERED,
}
"""A cancelled delivery may still have an exchange in flight: only its success counts. One that is dead for its age may, too."""


class NewDelivery(Noun, frozen=True, kw_only=True):
    """A delivery that was decided on. `keys` is empty for an endpoint without order; `due_at` None: at once."""

    id: DeliveryId
    tenant: str
    endpoint: int
    position: int
    created_at: int
    lane: int = 0
    keys: tuple[str, ...] = ()
    due_at: int | None = None


class Delivery(Noun, frozen=True, kw_only=True):
    """A delivery to be attempted. `number` is its place in its endpoint's order; `step` how far the retry schedule has
    been used, `attempts` how many attempts were made, `at_once` how many of them repeated the one before at once. `accepted_at` is when its event was
    accepted; None for a resend or a replay, which came later."""

    number: int
    id: DeliveryId
    tenant: str
    endpoint: int
    lane: int
    created_at: int
    step: int = 0
    attempts: int = 0
    at_once: int = 0
    accepted_at: int | None = None


class Claim(Noun, frozen=True, kw_only=True):
    """A delivery that is ready, with its event."""

    delivery: Delivery
    event: Event
