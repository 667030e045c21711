"""What the formats for people share: one message for an event, and one for many, a digest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tocsin.formats.plain_text import ELLIPSIS, line, link_of
from tocsin.formats.rendering import Rendered
from tocsin.formats.summary import Summary, Tone, summary_of
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.noun import Noun

ENTRY: Final = 200
_MOST_TYPES: Final = 8
_GRAVITY: Final[tuple[Tone, ...]] = ("bad", "warning", "neutral", "good")


class Digest(Noun, frozen=True, kw_only=True):
    """Several events in one message: how many of which type, the first ones by name, and how many more there are. `tone` is the
    gravest of those that are named."""

    headline: str
    counts: tuple[str, ...]
    named: tuple[str, ...]
    more: int
    tone: Tone
    footer: str


class Teller(ABC):
    """A renderer for people. It has words for every event, and sums up where others put one event behind another."""

    most_named: int
    """How many events a digest names."""

    def __init__(self, title: str | None, link: str | None) -> None:
        self._title = f"{line(title, 80)} " if title else ""
        self._link = link

    def expresses(self, view: EventView) -> bool:  # noqa: ARG002 (it has words for everything)
        return True

    def render(self, view: EventView) -> Rendered:
        """One event."""
        return self.told(summary_of(view), self._link_of(view.event))

    def digest(self, views: Sequence[EventView]) -> Rendered:
        """All of these, in order; of a single one, what is said of it alone."""
        return self.render(views[0]) if len(views) == 1 else self.summed_up(digest_of(views, self.most_named))

    @abstractmethod
    def told(self, summary: Summary, link: str | None) -> Rendered:
        """The message about one event."""

    @abstractmethod
    def summed_up(self, digest: Digest) -> Rendered:
        """The message about many."""

    def _link_of(self, event: Event) -> str | None:
        if self._link is None:
            return None
        values = {
            "type": event.type,
            "subject_type": event.subject_type,
            "subject_id": event.subject_id,
            "event_id": event.id,
            "tenant": event.tenant,
        }
        return link_of(self._link, values)


def digest_of(views: Sequence[EventView], most_named: int) -> Digest:
    """Only those that are named are decoded."""
    first, last = views[0].event, views[-1].event
    counted = Counter(view.event.type for view in views).most_common()
    counts = [f"{count} \u00d7 {line(kind, 100)}" for kind, count in counted[:_MOST_TYPES]]
    if len(counted) > _MOST_TYPES:
        counts.append(ELLIPSIS)
    named = [summary_of(view) for view in views[:most_named]]
    return Digest(
        headline=f"{len(views)} events",
        counts=tuple(counts),
        named=tuple(_entry(summary) for summary in named),
        more=len(views) - len(named),
        tone=min((summary.tone for summary in named), key=_GRAVITY.index),
        footer=f"tenant {line(first.tenant, 100)}, {first.id} to {last.id}",
    )


def _entry(summary: Summary) -> str:
    """One line: the headline, and the reason where something went wrong."""
    reason = next((value for label, value in summary.facts if label in {"Error", "Reason"}), "")
    return line(f"{summary.headline} ({reason})" if reason else summary.headline, ENTRY)
