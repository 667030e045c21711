"""What surrounds every page: the sections, where the search box leads for an id, and the states with their shapes."""

from __future__ import annotations

from typing import Final

from tocsin.model.noun import Noun

HOME: Final = "/ui/"


class Section(Noun, frozen=True, kw_only=True):
    """An entry of the navigation; `letter` follows `g` on the keyboard. `more` are other addresses that belong to it."""

    name: str
    path: str
    letter: str
    more: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        """Whether the page at this address is of the section."""
        return any(path == one or (one != HOME and path.startswith(f"{one}/")) for one in (self.path, *self.more))


SECTIONS: Final = (
    Section(name="Overview", path=HOME, letter="o"),
    Section(name="Endpoints", path="/ui/endpoints", letter="n"),
    Section(name="Deliveries", path="/ui/deliveries", letter="d"),
    Section(name="Jobs", path="/ui/jobs", letter="j"),
    Section(name="Records", path="/ui/records", letter="r"),
    Section(name="Events", path="/ui/events", letter="e"),
    Section(name="Live", path="/ui/tail", letter="l"),
    Section(name="Replays", path="/ui/replays", letter="p"),
    Section(name="Catalogue", path="/ui/catalogue", letter="c"),
    Section(name="System", path="/ui/system", letter="s", more=("/ui/retention", "/ui/erasures")),
)
KEY_SECTIONS: Final = (
    Section(name="API keys", path="/ui/api-keys", letter="k"),
    Section(name="Audit log", path="/ui/audit", letter="a"),
)
"""In the menu of the key, for operators and admins."""

PLACES: Final = {
    "evt_": "/ui/events/",
    "dlv_": "/ui/deliveries/",
    "end_": "/ui/endpoints/",
    "rpl_": "/ui/replays/",
    "ers_": "/ui/erasures/",
}
"""Where an id leads, by its prefix."""


class Look(Noun, frozen=True, kw_only=True):
    """How a state looks: its colour (a class), its shape, and its word where that is another one."""

    kind: str
    shape: str


_GOOD: Final = Look(kind="good", shape="●")
_BUSY: Final = Look(kind="warn", shape="◐")
_BAD: Final = Look(kind="bad", shape="✕")
_HELD: Final = Look(kind="held", shape="‖")
_ENDED: Final = Look(kind="held", shape="■")
_IDLE: Final = Look(kind="idle", shape="○")
LOOKS: Final = {
    **dict.fromkeys(
        ("delivered", "healthy", "succeeded", "granted", "finished", "done", "valid", "ready", "live"), _GOOD
    ),
    **dict.fromkeys(("retrying", "retry", "running", "preparing", "stopping", "in flight", "asked", "warning"), _BUSY),
    **dict.fromkeys(("dead", "failed", "rejected", "failing", "refused", "expired", "lost", "overdue", "error"), _BAD),
    **dict.fromkeys(("paused", "waiting", "held"), _HELD),
    **dict.fromkeys(("cancelled", "disabled", "stopped", "erased", "deleted"), _ENDED),
}


def look_of(state: str) -> Look:
    """The look of a state; one without a look of its own is yet to come (`pending`)."""
    return LOOKS.get(state, _IDLE)
