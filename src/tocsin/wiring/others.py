"""Other processes on the same store: what they change is followed, what they watch is told. On the embedded store there are none."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.model.noun import Noun
from tocsin.operations.api_keys import ApiKeys
from tocsin.operations.master_key import MasterKey
from tocsin.ports import Elsewhere
from tocsin.wiring.loops import Loops
from tocsin.wiring.parts import Parts
from tocsin.workers.following import Following, OtherHolders
from tocsin.workers.supervisor import Background
from tocsin.workers.tailing import SharedTails


class Others(Noun, frozen=True, kw_only=True):
    """What there is because of them: `following` and `elsewhere` None on the embedded store."""

    following: Following | None = None
    elsewhere: Elsewhere | None = None
    background: Mapping[str, Background] = {}


def make_others(parts: Parts, loops: Loops, keys: ApiKeys, master_key: MasterKey) -> Others:
    """Hear of what they do, and let them hear."""
    store, endpoints, tails, holding = parts.store, parts.endpoints, loops.tails, loops.holding
    if store.standings is None or store.watched is None:
        return Others()
    parts.announcing.tell = holding.tell
    keys.told = master_key.told = parts.announcing.changed
    endpoints.unlock = master_key.follow
    following = Following(
        held=loops.held,
        endpoints=endpoints,
        standings=store.standings,
        api_keys=keys,
        data_keys=master_key,
        resume=loops.delivery.resume,
    )
    holding.moved.append(following.moved)
    shown = SharedTails(tails, store.log, store.watched, tell=holding.tell, look=holding.look)
    tails.shared = shown
    tails.is_watched_elsewhere = lambda: loops.held.is_watched
    holding.heard.append(shown.heard)
    return Others(
        following=following,
        elsewhere=OtherHolders(loops.held, endpoints, store.standings, following.follow_standings, parts.announcing),
        background={"following": following, "tails": shown},
    )
