"""Who delivers what: partitions of tenants, and the process that holds each. On the embedded store there is one partition, and it is
always held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.ports.writing import Cursor, Holder


class Neighbour(Noun, frozen=True, kw_only=True):
    """Another process on the same database, as its last beat left it. `beats` grows with each beat. One that `is_watching` has
    live tails open and wants to hear what is settled elsewhere."""

    epoch: int
    name: str
    beats: int
    is_watching: bool = False


class Revisions(Noun, frozen=True, kw_only=True):
    """Numbers that grow with each change: of endpoints, of how they stand, of API keys, of data keys, of replays, of the
    rules of retention."""

    endpoints: int
    standings: int
    api_keys: int
    data_keys: int
    replays: int
    retention: int


class Beat(Noun, frozen=True, kw_only=True):
    """What a process sees when it beats: the others, which process (by epoch) holds each partition, 0 for nobody, how far
    the directory has moved, and what the clock of the store shows; None where nobody else goes by it."""

    neighbours: tuple[Neighbour, ...]
    holders: Mapping[int, int]
    revisions: Revisions
    at: Millis | None = None


class Taken(Noun, frozen=True, kw_only=True):
    """A partition that is held from now on: how far its fan-out is, and how long ago (ms) a process that held it was fenced last,
    also when it was given back in order since; None: never."""

    partition: int
    cursor: Cursor
    fenced_ago_ms: int | None


class Question(Noun, frozen=True, kw_only=True):
    """What is out, asked of whoever holds a tenant (None: of everybody): of all of it, of an endpoint, or of a delivery."""

    id: int
    tenant: str | None
    endpoint: int | None = None
    delivery: int | None = None


class Answered(Noun, frozen=True, kw_only=True):
    """What the process `epoch` says: how many requests are out, how many may be to the endpoint, whether one for the delivery is."""

    question: int
    epoch: int
    requests: int
    limit: int | None
    is_out: bool


class Hint(Noun, frozen=True, kw_only=True):
    """Something that others should notice soon. `partitions` got events; in `lanes` (endpoint, lane) something became due, or ended elsewhere;
    `changed`: the revisions have moved; `settled` are attempts, as (delivery, attempt) numbers (a batch is named by its number
    below zero), told only while somebody watches, and `untold` how many more there were; of the tenants in `erased`
    something is being erased: what waits to be shown of them is let go. `missed`: others may have told more that was not heard."""

    partitions: tuple[int, ...] = ()
    lanes: tuple[tuple[int, int], ...] = ()
    changed: bool = False
    settled: tuple[tuple[int, int], ...] = ()
    untold: int = 0
    erased: tuple[str, ...] = ()
    asked: tuple[Question, ...] = ()
    answered: tuple[Answered, ...] = ()
    missed: bool = False


class Holding(Protocol):
    """Joining, beating, taking, giving back. Raises StoreUnavailable like everything else."""

    @property
    def partitions(self) -> int:
        """How many there are; tenants are hashed to them."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may be there. False: `join` gives the only holder, `take` takes everything, nothing is told."""

    async def join(self, name: str) -> Holder:
        """A new holder, with nothing held."""

    async def beat(self, holder: Holder, *, is_watching: bool) -> Beat | None:
        """Tell that this process lives; None when it was fenced: it holds nothing any more and has to join anew."""

    async def fence(self, holder: Holder, gone: Neighbour) -> bool:
        """Take the right to write from a process that has not beaten since; its partitions are free then. False when it has, or
        the holder was fenced itself."""

    async def take(self, holder: Holder, limit: int) -> list[Taken]:
        """Hold at most so many of the free partitions. After StoreUnavailable some may be held: `beat` shows them, and what is
        given back can be taken again."""

    async def give_back(self, holder: Holder, partitions: Sequence[int]) -> None:
        """Hold these no more: nothing of them is out, and everything is settled."""

    async def leave(self, holder: Holder) -> None:
        """Give back everything, and be no holder any more."""

    async def cursors(self, holder: Holder) -> dict[int, Cursor] | None:
        """Where the fan-out of each partition stands that the holder holds; None when it was fenced."""

    async def listen(self, heard: Callable[[Hint], None]) -> None:
        """Hear the hints of others from now on, also after the connection was lost for a while: then `heard` gets one that says that
        everything may have changed (every partition, `changed`)."""

    def tell(self, hint: Hint) -> None:
        """Tell the others, soon; what is told within some milliseconds goes together. It may be lost."""
