"""Going on after the stream of the replicated intake was lost, or made anew: what that means, and doing it.

Everything is read from the beginning of the stream that there is now. What it holds that was accepted already is recognised, as before,
by the numbers that its nodes gave it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from tocsin.errors import Conflict
from tocsin.model.audit import SERVER
from tocsin.model.ids import IdMint, Millis
from tocsin.model.intake import IntakeCursor, IntakeState
from tocsin.model.noun import Noun
from tocsin.operations.auditing import audit_entry
from tocsin.ports.intake import Intake, IntakeStore
from tocsin.rules.intake import mismatch

_TARGET: Final = "intake"


class Renewal(Noun, frozen=True, kw_only=True):
    """What the store has taken from, up to `taken`; why it does not go on; and what there is now: `held` submissions, None where there is no
    stream. `is_done`: it goes on with that."""

    why: str | None
    was: str | None
    taken: int
    incarnation: str | None
    held: int | None
    is_done: bool


async def renew(
    intake: Intake, store: IntakeStore, *, is_wanted: bool, mint: IdMint, now_ms: Callable[[], Millis]
) -> Renewal:
    """Look and, where it `is_wanted` and needed, go on with what there is; a stream that is gone is made. Raises Conflict for a stream that
    would lose something, IntakeUnavailable, StoreUnavailable."""
    incarnation, cursors = await store.cursors()
    state = await intake.state()
    found = _renewal(incarnation, cursors, state)
    if not is_wanted or found.why is None or incarnation is None:
        return found
    made = state or await intake.make()
    if (fault := mismatch(None, 0, made)) is not None:
        raise Conflict(fault)
    before = {"incarnation": incarnation, "taken": found.taken}
    after = {"incarnation": made.incarnation, "held": made.held}
    entry = audit_entry(mint, now_ms(), SERVER, "intake.renewed", _TARGET, tenant=None, before=before, after=after)
    await store.renew(made.incarnation, entry)
    return replace(found, incarnation=made.incarnation, held=made.held, is_done=True)


def _renewal(incarnation: str | None, cursors: dict[int, IntakeCursor], state: IntakeState | None) -> Renewal:
    taken = max((cursor.sequence for cursor in cursors.values()), default=0)
    return Renewal(
        why=mismatch(incarnation, taken, state),
        was=incarnation,
        taken=taken,
        incarnation=None if state is None else state.incarnation,
        held=None if state is None else state.held,
        is_done=False,
    )
