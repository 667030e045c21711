"""Whether a watcher of the live tail is shown something."""

from __future__ import annotations

from tocsin.model.event import Event
from tocsin.model.watch import AttemptMade, Sight, Watch
from tocsin.rules.matching import glob


def shows(watch: Watch, sight: Sight) -> bool:
    """Whether all that the watch names holds. Of a batch one event has to fit."""
    if isinstance(sight, AttemptMade):
        return shows_attempt(watch, sight)
    return shows_event(watch, sight)


def shows_event(watch: Watch, event: Event) -> bool:
    """Whether an event is shown by itself."""
    return watch.has_events and watch.tenant in {None, event.tenant} and _is_about(watch, event)


def shows_attempt(watch: Watch, made: AttemptMade) -> bool:
    """Whether an attempt is shown."""
    return (
        watch.has_attempts
        and watch.tenant in {None, made.tenant}
        and watch.endpoint in {None, made.endpoint_id}
        and watch.state in {None, made.state}
        and watch.outcome in {None, made.attempt.outcome}
        and any(_is_about(watch, claim.event) for claim in made.claims)
    )


def _is_about(watch: Watch, event: Event) -> bool:
    return (
        (watch.event_types is None or any(glob(text).match(event.type) for text in watch.event_types))
        and watch.subject_type in {None, event.subject_type}
        and watch.subject_id in {None, event.subject_id}
        and watch.event in {None, event.id}
        and (watch.job is None or (event.subject_type == "job" and event.subject_id == watch.job))
    )
